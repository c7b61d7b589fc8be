"""A request's words mean one upstream, and no more than is its own; or they are refused."""

import pytest

from governd.errors import RequestError, UpstreamUnknownError
from governd.policy.upstream_lookup import (
    resource_of,
    scopes_for,
    upstream_for,
    upstream_named,
    wanted_of,
)
from tests.policies import read
from tests.upstreams import CRM, LEDGER, UPSTREAMS

MANIFEST = read(manifest=UPSTREAMS).manifest
LEDGERS = LEDGER.join(UPSTREAMS.split(CRM))
"""All of them but one are the ledger."""


def test_an_upstream_has_a_name() -> None:
    assert upstream_named(MANIFEST, "crm").resource == CRM


@pytest.mark.parametrize("name", ["", "CRM", "crm\n", "crm-", "x" * 100_000])
def test_a_name_that_nothing_has_is_refused(name: str) -> None:
    with pytest.raises(UpstreamUnknownError, match="upstream: ") as raised:
        upstream_named(MANIFEST, name)
    assert raised.value.field == "upstream"
    assert len(str(raised.value)) < 200
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("resource", "audience", "name"),
    [(CRM, "", "crm"), ("", "Mail", "mail"), (LEDGER, "", "ledger")],
)
def test_an_exchange_says_it_in_other_words(resource: str, audience: str, name: str) -> None:
    assert upstream_for(MANIFEST, resource, audience).name == name


@pytest.mark.parametrize(
    ("resource", "audience", "field"),
    [
        (f"{CRM}/", "", "resource"),
        (CRM.upper(), "", "resource"),
        ("", "mail", "audience"),
        (CRM, "Mail", "resource"),
        ("None", "", "resource"),
    ],
)
def test_what_is_not_exactly_one_is_refused(resource: str, audience: str, field: str) -> None:
    with pytest.raises(UpstreamUnknownError, match="no upstream") as raised:
        upstream_for(MANIFEST, resource, audience)
    assert raised.value.field == field


def test_what_is_more_than_one_is_refused() -> None:
    with pytest.raises(UpstreamUnknownError, match="more than one upstream"):
        upstream_for(read(manifest=LEDGERS).manifest, LEDGER, "")


def test_nothing_is_no_upstream() -> None:
    with pytest.raises(RequestError, match="resource: "):
        upstream_for(MANIFEST, "", "")


def test_who_names_no_scopes_asks_for_all() -> None:
    assert scopes_for(upstream_named(MANIFEST, "crm"), ()) == ("read", "write")
    assert scopes_for(upstream_named(MANIFEST, "mail"), ()) == ()


def test_scopes_are_the_upstreams() -> None:
    crm = upstream_named(MANIFEST, "crm")
    assert scopes_for(crm, ["write"]) == ("write",)
    assert scopes_for(crm, ["write", "read"]) == ("read", "write")


@pytest.mark.parametrize("asked", [["admin"], ["read", "admin"], [""], ["Read"], ["read", "read"]])
def test_attack_scopes_that_are_not_the_upstreams(asked: list[str]) -> None:
    with pytest.raises(RequestError, match="scope: ") as raised:
        scopes_for(upstream_named(MANIFEST, "crm"), asked, field="scope")
    assert raised.value.field == "scope"


def test_policies_are_asked_about_the_service_and_told_the_rest() -> None:
    mail, crm = upstream_named(MANIFEST, "mail"), upstream_named(MANIFEST, "crm")
    assert (resource_of(mail).type, resource_of(mail).id) == ("external_service", "audience:Mail")
    assert wanted_of(crm, ["write", "read"]) == ("crm", ("read", "write"), True)
