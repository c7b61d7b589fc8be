"""Requests for tokens are read strictly, and answers say how to show the token, and where."""

from typing import Any

import pytest

from governd._proto.governd.v1 import token_service_pb2 as pb
from governd._proto.governd.v1 import types_pb2
from governd.application.get_token import Handed
from governd.application.token_request import Wanted
from governd.errors import RequestError
from governd.identity.secret import Secret
from governd.policy.delegated import EvidenceKind
from governd.policy.upstreams import Upstream
from governd.services import token_messages as messages
from governd.tokens import words

pytestmark = pytest.mark.req("c-3", part=True)

CRM = "https://crm.example/mcp"
EXCHANGE = {"resource": CRM, "subject_token": "a.b.c", "subject_token_type": words.ID_TOKEN}


def upstream(**target: str) -> Upstream:
    more = {"authorization_server": "corp", "grant": "client-credentials"}
    return Upstream.model_validate({"name": "crm", **more, **target})


def handed(**target: str) -> Handed:
    found = upstream(**(target or {"resource": CRM}))
    return Handed(Secret(b"opaque-1"), found, ("read", "write"), 1000.9, "0" * 32)


def refused(call: Any, request: Any) -> str:
    with pytest.raises(RequestError) as raised:
        call(request)
    return raised.value.field


def test_what_is_asked_for_is_taken_as_it_is() -> None:
    request = pb.GetTokenRequest(upstream="crm", scopes=["read", "write"], renew=True)
    assert messages.wanted(request) == Wanted("crm", scopes=("read", "write"), renew=True)
    assert messages.shown(request) is None


@pytest.mark.parametrize("name", ["", "x" * 64, "a\nb"])
def test_an_upstream_has_a_name(name: str) -> None:
    assert refused(messages.wanted, pb.GetTokenRequest(upstream=name)) == "upstream"


def test_evidence_is_read_and_never_empty() -> None:
    request = pb.GetTokenRequest(evidence=types_pb2.Evidence(access_token="a.b.c"))
    shown = messages.shown(request)
    assert shown is not None
    assert (shown.kind, shown.token) == (EvidenceKind.ACCESS_TOKEN, Secret(b"a.b.c"))
    empty = pb.GetTokenRequest(evidence=types_pb2.Evidence())
    assert refused(messages.shown, empty) == "evidence"


def test_an_answer_says_how_to_show_the_token_and_where() -> None:
    message = messages.handed(handed())
    assert message.access_token == "opaque-1"
    assert (message.token_type, dict(message.headers)) == (
        "Bearer",
        {"Authorization": "Bearer opaque-1"},
    )
    assert (list(message.scopes), message.resource) == (["read", "write"], CRM)
    assert message.expires_at.seconds == 1000, "never later than it ends"
    assert message.decision_id == "0" * 32
    assert messages.handed(handed(audience="crm")).resource == ""


def test_an_exchange_asks_by_the_target() -> None:
    request = pb.ExchangeRequest(**EXCHANGE, scope="read write", audience="crm")
    wanted, shown = messages.exchange(request)
    assert wanted == Wanted(
        resource=CRM, audience="crm", scopes=("read", "write"), scope_field="scope"
    )
    assert shown.kind is EvidenceKind.ID_TOKEN
    whole = pb.ExchangeRequest(
        **{**EXCHANGE, "subject_token_type": words.ACCESS_TOKEN},
        grant_type=words.TOKEN_EXCHANGE,
        requested_token_type=words.ACCESS_TOKEN,
    )
    wanted, shown = messages.exchange(whole)
    assert (wanted.scopes, shown.kind) == ((), EvidenceKind.ACCESS_TOKEN)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grant_type", words.CLIENT_CREDENTIALS),
        ("requested_token_type", words.ID_JAG),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
        ("actor_token", "a.b.c"),
        ("actor_token_type", words.JWT),
        ("subject_token", ""),
        ("subject_token", "x" * 16_385),
        ("subject_token_type", ""),
        ("subject_token_type", words.JWT),
        ("resource", ""),
        ("resource", "x" * 2049),
        ("audience", "a\nb"),
    ],
)
def test_attack_an_exchange_that_says_what_is_not_done_here(field: str, value: str) -> None:
    request = pb.ExchangeRequest(**{**EXCHANGE, field: value})
    assert refused(messages.exchange, request) == field


def test_an_exchanges_answer_is_rfc_8693s() -> None:
    message = messages.exchanged(handed(), lambda: 990.5)
    assert message.access_token == "opaque-1"
    assert message.issued_token_type == words.ACCESS_TOKEN
    assert (message.token_type, message.scope) == ("Bearer", "read write")
    assert message.expires_in.seconds == 10, "rounded down"
    assert messages.exchanged(handed(), lambda: 2000.0).expires_in.seconds == 0
