"""Policy is asked about exactly the token that is handed out."""

import pytest

from governd.application.token_question import question, terms
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.delegated import Circumstances, TokenWanted
from governd.policy.engine import decide
from governd.policy.upstream_lookup import upstream_named
from tests.policies import ALICE, PERMIT_ALL, READER, WRITER, acting, compiled
from tests.upstreams import CRM, UPSTREAMS

POLICY = compiled(PERMIT_ALL, manifest=UPSTREAMS)
AGENT = SpiffeId.parse(WRITER)
DELEGATION = acting(ALICE).delegation


def test_the_question_is_of_the_agent_about_the_upstream_and_its_scopes() -> None:
    asked = question(upstream_named(POLICY.manifest, "crm"), ("write", "read"), AGENT, DELEGATION)
    assert (asked.subject, asked.action) == (AGENT, "token/exchange")
    assert asked.names[2:] == ("external_service", CRM)
    assert asked.asserted_by is None
    wanted = TokenWanted("crm", ("read", "write"), for_user=True)
    assert asked.circumstances == Circumstances(delegation=DELEGATION, token=wanted)
    assert decide(POLICY, asked, age_seconds=0.0).allowed


def test_a_token_without_a_user_has_none() -> None:
    asked = question(upstream_named(POLICY.manifest, "crm-own"), ("read",), AGENT, None)
    assert asked.circumstances.token == ("crm-own", ("read",), False)
    assert decide(POLICY, asked, age_seconds=0.0).allowed


def test_a_user_that_is_missing_is_denied_whatever_is_permitted() -> None:
    asked = question(upstream_named(POLICY.manifest, "crm"), ("read",), AGENT, None)
    found = decide(POLICY, asked, age_seconds=0.0)
    assert found.reasons == ("base/token-needs-its-user",)


def test_attack_a_delegation_of_somebody_else() -> None:
    with pytest.raises(RequestError, match="actors"):
        question(
            upstream_named(POLICY.manifest, "crm"), ("read",), SpiffeId.parse(READER), DELEGATION
        )


def test_the_terms_are_those_of_the_question() -> None:
    crm = upstream_named(POLICY.manifest, "crm")
    found, asked = terms(crm, ("write", "read"), DELEGATION), question
    assert (found.audience, found.scopes, found.upstream) == (CRM, ("read", "write"), "crm")
    assert DELEGATION is not None
    assert found.user == DELEGATION.user
    assert found.audience == asked(crm, (), AGENT, DELEGATION).resource.id
    assert terms(upstream_named(POLICY.manifest, "mail"), (), None).user is None


def test_two_upstreams_of_one_service_have_different_terms() -> None:
    mine, theirs = (upstream_named(POLICY.manifest, name) for name in ("crm", "crm-own"))
    assert terms(mine, ("read",), None) != terms(theirs, ("read",), None)
