"""What an upstream rests on is there, and no token of one proves to governd who a user is."""

import tomllib
from typing import Any

import pytest

from governd.errors import PolicyError
from governd.policy.manifest import Manifest
from governd.policy.upstream_rules import mistakes
from tests.policies import MANIFEST, WRITER, compiled, read

CORP = {"name": "corp", "issuer": "https://idp.example", "client_authentication": "jwt-spiffe"}
BANK = {
    "name": "bank",
    "issuer": "https://auth.bank.example",
    "client_authentication": "private_key_jwt",
    "client_id": "example-org",
    "client_key": "bank",
}
CRM = {
    "name": "crm",
    "resource": "https://crm.example/mcp",
    "audience": "crm",
    "authorization_server": "corp",
    "grant": "token-exchange",
}
JAG = {"grant": "id-jag", "identity_provider": "corp", "authorization_server": "bank"}
SIGNED = {"grant": "jwt-bearer", "users_from": ["https://idp.example"]}
ISSUER = {
    "name": "users",
    "issuer": "https://idp.example",
    "audiences": ["assistants", "crm"],
    "kinds": ["access_token"],
    "jwks_uri": "https://idp.example/keys",
}

NOTHING = "no [[authorization_server]] is called {}"


def known(name: str) -> dict[str, Any]:
    return {**CORP, "client_id": name}


def said(upstream: dict[str, Any], *servers: dict[str, Any], **parts: object) -> list[str]:
    value = {
        **tomllib.loads(MANIFEST),
        "authorization_server": servers or (CORP, BANK),
        "upstream": [{**CRM, **upstream}],
        **parts,
    }
    found = mistakes(Manifest.model_validate(value))
    return [f"{'.'.join(map(str, place))}: {message}" for place, message in found]


FINE: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "an exchange": ({}, []),
    "an ID-JAG": (JAG, []),
    "an ID-JAG for which governd is known to who issues it": (
        {**JAG, "actor": "governd"},
        [known("governd"), BANK],
    ),
    "governd as an actor that is known": ({"actor": "governd"}, [known("governd")]),
    "an assertion": ({**SIGNED, "authorization_server": "bank"}, []),
    "an assertion with a name of its own": (
        {**SIGNED, "assertion_issuer": "https://governd.example"},
        [{**CORP, "client_key": "corp"}],
    ),
    "two clients of one issuer": ({}, [CORP, {**known("governd"), "name": "corp-two"}]),
}


@pytest.mark.parametrize(("upstream", "servers"), FINE.values(), ids=FINE.keys())
def test_it_may_be(upstream: dict[str, Any], servers: list[dict[str, Any]]) -> None:
    assert said(upstream, *servers) == []


MISTAKES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], list[str]]] = {
    "a server that is not there": (
        {"authorization_server": "x-bank"},
        [BANK],
        ["upstream.0.authorization_server: " + NOTHING.format("x-bank") + "; is it bank?"],
    ),
    "a provider that is not there": (
        {**JAG, "identity_provider": "idp"},
        [],
        ["upstream.0.identity_provider: " + NOTHING.format("idp")],
    ),
    "a provider whose server is not there": (
        {**JAG, "authorization_server": "x", "actor": "governd"},
        [],
        ["upstream.0.authorization_server: " + NOTHING.format("x")],
    ),
    "a provider that is the server": (
        {**JAG, "identity_provider": "bank"},
        [],
        ["upstream.0.identity_provider: is bank, which issues nothing for its own ID-JAGs"],
    ),
    "a provider that is another client of the server": (
        {**JAG, "identity_provider": "other"},
        [BANK, {**BANK, "name": "other", "client_id": "other"}],
        ["upstream.0.identity_provider: is bank, which issues nothing for its own ID-JAGs"],
    ),
    "an ID-JAG for a client without a name": (
        {**JAG, "authorization_server": "shop"},
        [CORP, {**CORP, "name": "shop", "issuer": "https://auth.shop.example"}],
        ["upstream.0.grant: id-jag: shop has no client_id, for which its ID-JAGs are"],
    ),
    "an assertion that nothing signs, of nobody": (
        SIGNED,
        [],
        [
            "upstream.0.grant: jwt-bearer: corp has no client_key to sign assertions with",
            "upstream.0.assertion_issuer: required, as corp has no client_id",
        ],
    ),
    "governd as an actor without a name": (
        {"actor": "governd"},
        [],
        ['upstream.0.actor: "governd": corp has no client_id, by which to know it'],
    ),
    "governd as an actor without a name at the provider": (
        {**JAG, "actor": "governd"},
        [],
        ['upstream.0.actor: "governd": corp has no client_id, by which to know it'],
    ),
    "an agent that has the name of governd": (
        {"client": "agent", "agent_client": [{"agent": WRITER, "client_id": "governd"}]},
        [known("governd")],
        ["upstream.0.agent_client: governd is what corp calls governd"],
    ),
    "the same server twice": (
        {},
        [CORP, {**CORP, "name": "idp"}],
        ["authorization_server.1: is the same as corp"],
    ),
}


@pytest.mark.parametrize(
    ("upstream", "servers", "messages"), MISTAKES.values(), ids=MISTAKES.keys()
)
def test_what_it_rests_on_is_there(
    upstream: dict[str, Any], servers: list[dict[str, Any]], messages: list[str]
) -> None:
    assert said(upstream, *servers) == messages


def test_attack_an_access_token_that_proves_who_a_user_is() -> None:
    (found,) = said({}, issuer=[ISSUER])
    assert found.startswith("upstream.0.audience: crm is an audience of [[issuer]] users: ")
    (found,) = said({"token_audiences": ["assistants"]}, issuer=[ISSUER])
    assert found.startswith("upstream.0.token_audiences: assistants is an audience")
    assert not said({"audience": "tickets"}, issuer=[ISSUER])
    assert not said({}, issuer=[{**ISSUER, "issuer": "https://other.example"}])


def test_the_users_of_an_upstream_are_those_of_an_issuer_that_counts() -> None:
    issuers = [{**ISSUER, "audiences": ["assistants"]}]
    assert not said({"users_from": [ISSUER["issuer"]]}, issuer=issuers)
    wrong = {"users_from": ["https://idp.exampel"]}
    assert said(wrong, issuer=issuers) == [
        "upstream.0.users_from: no [[issuer]] is https://idp.exampel; is it https://idp.example?"
    ]


def test_whom_a_signer_names_is_known_to_an_issuer_that_may_count_elsewhere() -> None:
    signer = {"signer": [{"spiffe_id": "spiffe://example.org/governd/signer"}]}
    parts = {"issuer": [{**ISSUER, "audiences": ["assistants"]}], "delegation": signer}
    signed = {**SIGNED, "authorization_server": "bank", "users_from": ["https://other.example"]}
    assert not said(signed, **parts)
    assert said({"users_from": ["https://other.example"]}, **parts)


TWO = [CRM, {**CRM, "name": "crm-own", "subject": "agent"}, {**CRM, "name": "x", "resource": None}]


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    ("upstreams", "messages"),
    [
        (["crm", "crm-own"], []),
        (["x"], []),
        (
            ["crm"],
            ["tenant.0.upstreams: crm-own is the same service as another: name both or none"],
        ),
        (["z"], ["tenant.0.upstreams: no [[upstream]] is called z"]),
    ],
)
def test_a_tenant_permits_a_service_as_a_whole(upstreams: list[str], messages: list[str]) -> None:
    tenant = {"name": "acme", "namespaces": ["acme"], "upstreams": upstreams}
    value = {**tomllib.loads(MANIFEST), "tenant": [tenant], "upstream": TWO}
    found = mistakes(Manifest.model_validate({**value, "authorization_server": [CORP]}))
    assert [f"{'.'.join(map(str, place))}: {message}" for place, message in found] == messages


TABLES = """
[[tenant]]
name = "acme"
upstreams = ["crm"]
[[authorization_server]]
name = "corp"
issuer = "https://idp.example"
client_authentication = "jwt-spiffe"
[[upstream]]
name = "crm"
resource = "https://crm.example/mcp"
authorization_server = "corp"
grant = "token-exchange"
scopes = ["read"]
[[upstream]]
name = "mail"
audience = "mail"
authorization_server = "corp"
grant = "token-exchange"
"""
FIRST = MANIFEST.count("\n")
MAIL = 'audience = "mail"\nauthorization_server = "corp"'
PLACES = {
    "a name that nothing has": (
        MAIL.replace("corp", "crop"),
        "manifest.toml:18: upstream.1.authorization_server: no [[authorization_server]]",
    ),
    "a mistake within one": (
        f'{MAIL}\nactor = "nobody"',
        "manifest.toml:19: upstream.1.actor: input should be",
    ),
    "a mistake of one as a whole": (
        'authorization_server = "corp"',
        "manifest.toml:15: upstream.1: resource: expected it, or audience, or both",
    ),
    "the same name twice": (
        f'{MAIL}\ngrant = "token-exchange"\n[[upstream]]\nname = "crm"\n{MAIL}',
        "manifest.toml:9: upstream: name: crm is stated twice",
    ),
}


@pytest.mark.parametrize(("text", "message"), PLACES.values(), ids=PLACES.keys())
def test_a_mistake_is_told_with_its_line(text: str, message: str) -> None:
    tables = TABLES.replace(MAIL, text)
    file, line, rest = message.split(":", 2)
    with pytest.raises(PolicyError) as raised:
        read(manifest=tables)
    assert f"{file}:{FIRST + int(line)}:{rest}" in str(raised.value)


def test_what_a_source_states_is_what_its_compiled_form_has() -> None:
    source, policy = read(manifest=TABLES), compiled(manifest=TABLES)
    assert policy.manifest == source.manifest
    assert set(policy.manifest.upstreams_by_name) == {"crm", "mail"}
    corp = policy.manifest.authorization_servers_by_name["corp"]
    assert corp.issuer == "https://idp.example"
    assert policy.manifest.upstreams_by_name["mail"].actor == "agent"
