"""No agent gets a token for governd, whatever a source permits."""

import pytest

from governd.policy.decision import DecisionCode
from governd.policy.reserved import Reserved
from tests.policies import PERMIT_ALL, READER, ask, compiled

ACTION = "identity/jwt-svid"
GOVERND = "spiffe://example.org/governd/server/node-1"
LISTED = [
    {"uid": {"type": "Group", "id": "ours"}, "parents": []},
    {"uid": {"type": "Group", "id": "reserved"}, "parents": []},
    {
        "uid": {"type": "ExternalService", "id": GOVERND},
        "parents": [{"type": "Group", "id": "ours"}],
        "tags": {"tier": "gold"},
    },
    {
        "uid": {"type": "ExternalService", "id": "https://issuer.example/realm"},
        "parents": [{"type": "Group", "id": "reserved"}],
    },
]
OURS = '@id("ours") permit (principal, action, resource in Group::"ours");'


@pytest.mark.parametrize(
    "service",
    [
        "spiffe://example.org/governd",
        "spiffe://example.org/governd/signer/node-1",
        "spiffe://partner.example/governd/server/x/y",
    ],
)
def test_governd_is_reserved_in_every_trust_domain(service: str) -> None:
    assert service in Reserved()
    decision = ask(compiled(PERMIT_ALL), READER, ACTION, f"external_service:{service}")
    assert (decision.code, decision.reasons) == (
        DecisionCode.FORBIDDEN,
        ("base/reserved-audiences",),
    )


@pytest.mark.parametrize(
    "service",
    [
        "governd",
        "https://example.org/governd",
        "spiffe://governd",
        "spiffe://governd/web",
        "spiffe://example.org/governd-proxy",
        "spiffe://example.org/Governd",
        "spiffe://example.org/ns/x/sa/governd",
        "audience:Governd",
    ],
)
def test_nothing_else_is(service: str) -> None:
    assert service not in Reserved()
    assert ask(compiled(PERMIT_ALL), READER, ACTION, f"external_service:{service}").allowed


def test_a_listed_governd_is_reserved_and_keeps_its_groups() -> None:
    policy = compiled(OURS, entities=LISTED)
    asked = f"external_service:{GOVERND}"
    assert ask(policy, READER, ACTION, asked).reasons == ("base/reserved-audiences",)
    assert ask(policy, READER, "http/request", asked).reasons == ("ours",)


def test_a_source_may_reserve_more() -> None:
    policy = compiled(PERMIT_ALL, entities=LISTED)
    asked = "external_service:https://issuer.example/realm"
    assert ask(policy, READER, ACTION, asked).reasons == ("base/reserved-audiences",)
    assert ask(policy, READER, "token/exchange", asked).allowed


ISSUERS = """
[[issuer]]
name = "corp"
issuer = "https://idp.example/realms/corp"
audiences = ["governd", "https://governd.example", "My Client"]
kinds = ["id_token"]
jwks_uri = "https://idp.example/keys"
[[issuer]]
name = "other"
issuer = "https://login.example/"
audiences = ["governd"]
kinds = ["access_token"]
jwks_uri = "https://login.example/keys"
"""


@pytest.mark.parametrize(
    "service",
    [
        "https://idp.example/realms/corp",
        "https://idp.example/realms/corp/",
        "https://idp.example/realms/corp/protocol/token",
        "https://idp.example/realms/corp?tenant=1",
        "https://login.example",
        "https://login.example/",
        "https://login.example/oauth2/token",
        "governd",
        "https://governd.example",
        "audience:My Client",
    ],
)
def test_the_issuers_of_a_source_and_governds_names_there_are_reserved(service: str) -> None:
    policy, asked = compiled(PERMIT_ALL, manifest=ISSUERS), f"external_service:{service}"
    assert ask(policy, READER, ACTION, asked).reasons == ("base/reserved-audiences",)
    assert ask(compiled(PERMIT_ALL), READER, ACTION, asked).allowed
    assert ask(policy, READER, "http/request", asked).allowed


@pytest.mark.parametrize(
    "service",
    ["https://idp.example/realms/corporate", "https://idp.example/realms", "login.example"],
)
def test_what_stands_beside_an_issuer_is_not(service: str) -> None:
    policy = compiled(PERMIT_ALL, manifest=ISSUERS)
    assert ask(policy, READER, ACTION, f"external_service:{service}").allowed


def test_without_a_permit_there_is_no_token() -> None:
    decision = ask(compiled(), READER, ACTION, "external_service:bank.example")
    assert decision.code is DecisionCode.NOT_PERMITTED


@pytest.mark.parametrize("action", [ACTION, "token/exchange"])
def test_a_permit_for_a_credential_is_never_leased(action: str) -> None:
    decision = ask(compiled(PERMIT_ALL), READER, action, "external_service:bank.example", lease=5)
    assert (decision.allowed, decision.lease_seconds) == (True, 0)
    call = ask(compiled(PERMIT_ALL), READER, "http/request", "external_service:bank", lease=5)
    assert call.lease_seconds == 5
