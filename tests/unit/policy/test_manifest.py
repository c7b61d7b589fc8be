"""What a source says of itself is held to a model."""

from typing import Any

import pytest
from pydantic import ValidationError

from governd.identity import SpiffeId
from governd.policy.manifest import Grants, Manifest

GOOD: dict[str, Any] = {"format": 1, "name": "x", "trust_domain": "example.org"}
TENANTS = [
    {"name": "acme", "namespaces": ["acme", "acme-2"]},
    {"name": "beta", "spiffe_prefixes": ["spiffe://example.org/agent/beta"]},
]


def manifest(**parts: object) -> Manifest:
    return Manifest.model_validate({**GOOD, **parts})


BAD = {
    "another format": {"format": 2},
    "no name": {"name": ""},
    "a version below zero": {"version": -1},
    "a version of 2^63": {"version": 2**63},
    "a trust domain in capitals": {"trust_domain": "Example.org"},
    "a trust domain with a line end": {"trust_domain": "example.org\n"},
    "an unknown key": {"tenants": []},
    "a tenant with a slash": {"tenant": [{"name": "a/b"}]},
    "a tenant without a name": {"tenant": [{"name": ""}]},
    "a tenant with dots": {"tenant": [{"name": ".."}]},
    "a namespace with a slash": {"tenant": [{"name": "a", "namespaces": ["x/y"]}]},
    "a prefix that is no SPIFFE ID": {"tenant": [{"name": "a", "spiffe_prefixes": ["acme"]}]},
    "a prefix with a trailing slash": {
        "tenant": [{"name": "a", "spiffe_prefixes": ["spiffe://example.org/a/"]}]
    },
    "a gateway without subjects": {"gateway": [{"spiffe_id": "spiffe://a/g", "subjects": []}]},
    "a gateway that is no SPIFFE ID": {"gateway": [{"spiffe_id": "g", "subjects": ["spiffe://a"]}]},
    "a revoked name that is no SPIFFE ID": {"revoked": {"subjects": ["writer"]}},
    "a misspelt key of the revoked": {"revoked": {"subject": ["spiffe://a/b"]}},
}


@pytest.mark.parametrize("parts", BAD.values(), ids=BAD.keys())
def test_what_breaks_the_model_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        manifest(**parts)


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    ("spiffe_id", "tenant"),
    [
        ("spiffe://example.org/ns/acme/sa/x", "acme"),
        ("spiffe://example.org/ns/acme-2", "acme"),
        ("spiffe://example.org/agent/beta", "beta"),
        ("spiffe://example.org/agent/beta/x", "beta"),
        ("spiffe://example.org/ns/acme-evil/sa/x", ""),
        ("spiffe://example.org/ns/acm/sa/x", ""),
        ("spiffe://other.org/ns/acme/sa/x", ""),
        ("spiffe://example.org/agent/betamax", ""),
        ("spiffe://example.org/x/ns/acme", ""),
        ("spiffe://example.org", ""),
    ],
)
def test_a_tenant_ends_at_a_segment_and_a_trust_domain(spiffe_id: str, tenant: str) -> None:
    assert manifest(tenant=TENANTS).tenant_of(SpiffeId.parse(spiffe_id)) == tenant


OVERLAPS = {
    "the same prefix": {"name": "c", "spiffe_prefixes": ["spiffe://example.org/agent/beta"]},
    "below": {"name": "c", "spiffe_prefixes": ["spiffe://example.org/agent/beta/x"]},
    "above": {"name": "c", "spiffe_prefixes": ["spiffe://example.org/agent"]},
    "the whole trust domain": {"name": "c", "spiffe_prefixes": ["spiffe://example.org"]},
    "a namespace": {"name": "c", "namespaces": ["acme"]},
    "a namespace as a prefix": {
        "name": "c",
        "spiffe_prefixes": ["spiffe://example.org/ns/acme/sa"],
    },
    "the same name": {"name": "beta", "namespaces": ["other"]},
}


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize("third", OVERLAPS.values(), ids=OVERLAPS.keys())
def test_no_two_tenants_cover_one_agent(third: dict[str, object]) -> None:
    assert manifest(tenant=[*TENANTS, third]).overlaps()
    assert manifest(tenant=[third, *TENANTS]).overlaps()


def test_tenants_beside_each_other_do_not_overlap() -> None:
    third = {"name": "c", "spiffe_prefixes": ["spiffe://example.org/agent/betamax"]}
    inner = {"name": "d", "spiffe_prefixes": ["spiffe://d", "spiffe://d/x"]}
    assert manifest(tenant=[*TENANTS, third, inner]).overlaps() == []


@pytest.mark.parametrize(
    "grant",
    [
        {"agents": ["writer"]},
        {"capabilities": [""]},
        {"capabilities": ["a b"]},
        {"capabilities": ["git:read\n"]},
        {"groups": [""]},
        {"agent": ["spiffe://a/b"]},
    ],
)
def test_a_grant_that_would_give_nothing_or_too_much_is_refused(grant: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Grants.model_validate({"grant": [grant]})
