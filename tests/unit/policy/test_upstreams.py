"""An upstream is stated clearly, and what could not be checked of its tokens is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from governd.policy.delegated import EvidenceKind
from governd.policy.upstreams import Upstream

ID_TOKEN, ACCESS_TOKEN, ACTING_AS = (
    EvidenceKind.ID_TOKEN,
    EvidenceKind.ACCESS_TOKEN,
    EvidenceKind.ACTING_AS,
)
RESOURCE = "https://crm.example.org/mcp"
GOOD: dict[str, Any] = {
    "name": "crm",
    "resource": RESOURCE,
    "authorization_server": "corp",
    "grant": "token-exchange",
    "scopes": ["contacts.read"],
}
OPAQUE = {"token_format": "opaque"}
IDP = "https://idp.example"
SIGNED = {"grant": "jwt-bearer", "users_from": [IDP]}
ID_JAG = {"grant": "id-jag", "identity_provider": "idp"}
BY_AGENT = {"client": "agent"}
AGENT, OTHER = (f"spiffe://example.org/agent/{name}" for name in ("planner", "router"))


def called(*clients: tuple[str, str]) -> dict[str, Any]:
    return {"agent_client": [{"agent": one, "client_id": name} for one, name in clients]}


def upstream(**parts: object) -> Upstream:
    members = {name: one for name, one in {**GOOD, **parts}.items() if one is not None}
    return Upstream.model_validate(members)


def test_what_is_not_stated_is_a_users_with_the_agent_as_its_actor() -> None:
    found = upstream()
    assert (found.subject, found.actor, found.client) == ("user", "agent", "governd")
    assert (found.token_format, found.is_opaque, found.for_user) == ("jwt", False, True)
    assert (found.max_lifetime_seconds, found.min_lifetime_seconds) == (3600, 30)


def test_client_credentials_are_an_agents_own() -> None:
    found = upstream(grant="client-credentials")
    assert (found.subject, found.actor, found.for_user) == ("agent", None, False)


FINE: dict[str, dict[str, Any]] = {
    "an audience": {"resource": None, "audience": "crm"},
    "a resource that is no web address": {"resource": "urn:example:crm"},
    "an application's own scheme": {"resource": "api://0b3c/crm"},
    "a resource on this machine": {"resource": "http://127.0.0.1:8080/mcp"},
    "both of which one is sent": {"audience": "crm", "send": ["audience"]},
    "nothing sent": {"send": []},
    "audiences of its own": {"token_audiences": ["crm", "My CRM"]},
    "every character of a scope": {"scopes": ["!#[]~"]},
    "64 scopes": {"scopes": [str(number) for number in range(64)]},
    "no scopes": {"scopes": []},
    "an agent's own token": {"subject": "agent"},
    "an opaque one of an agent": {"subject": "agent", **OPAQUE},
    "an opaque one that says nothing": {"actor": "unsafe_none", **OPAQUE},
    "the agent as the client": {**BY_AGENT, "actor": "client"},
    "the agent as client and actor": BY_AGENT,
    "the agent as a client for itself": {"grant": "client-credentials", **BY_AGENT},
    "governd as the actor": {"actor": "governd"},
    "an ID-JAG with governd as the actor": {**ID_JAG, "actor": "governd"},
    "an assertion of another name": {**SIGNED, "assertion_issuer": "https://g.example"},
    "an assertion for a server with names of its own": {**SIGNED, "renames_users": True},
    "the users of two issuers": {"users_from": [IDP, "https://partner.example"]},
    "agents by the server's names for them": {
        **BY_AGENT,
        **called((AGENT, "planner"), (OTHER, "router")),
    },
    "a day": {"max_lifetime_seconds": 86_400, "min_lifetime_seconds": 0},
}


@pytest.mark.parametrize("parts", FINE.values(), ids=FINE.keys())
def test_it_may_be(parts: dict[str, Any]) -> None:
    assert isinstance(upstream(**parts), Upstream)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "name"),
    "a name in capitals": ({"name": "CRM"}, "name"),
    "a name with a line end": ({"name": "crm\n"}, "name"),
    "a name of 64 characters": ({"name": "a" * 64}, "name"),
    "neither resource nor audience": ({"resource": None}, "resource: expected it, or audience"),
    "an address that anybody on its way could read": (
        {"resource": "http://crm.example.org/mcp"},
        "resource\n.*expected a URL of https",
    ),
    "the same in capitals": ({"resource": "HTTP://crm.example.org"}, "resource"),
    "a resource with a fragment": ({"resource": f"{RESOURCE}#a"}, "resource"),
    "another's with a fragment": ({"resource": "urn:example:crm#a"}, "without fragment"),
    "a resource that is relative": ({"resource": "/mcp"}, "an absolute URI"),
    "a resource with a password": ({"resource": "https://a:b@crm.example.org"}, "resource"),
    "a resource in another spelling": ({"resource": "https://CRM.example.org"}, "resource"),
    "a workload in another spelling": ({"resource": "SPIFFE://example.org/a"}, "resource"),
    "a SPIFFE ID that is none": ({"resource": "spiffe://example.org/a/"}, "resource"),
    "a resource that is long": ({"resource": f"https://crm.example.org/{'a' * 1024}"}, "resource"),
    "an audience that is empty": ({"audience": ""}, "audience"),
    "an audience with a line end": ({"audience": "crm\n"}, "audience"),
    "what is not stated is sent": ({"send": ["audience"]}, "send: audience is not stated"),
    "the same sent twice": ({"send": ["resource", "resource"]}, "send: resource is stated twice"),
    "something else sent": ({"send": ["scope"]}, "send"),
    "nothing sent for an opaque token": (
        {"send": [], "actor": "unsafe_none", **OPAQUE},
        "send: expected resource or audience",
    ),
    "an audience twice": ({"token_audiences": ["a", "a"]}, "token_audiences: a is stated twice"),
    "17 audiences": ({"token_audiences": [str(one) for one in range(17)]}, "token_audiences"),
    "a server without a name": ({"authorization_server": ""}, "authorization_server"),
    "another grant": ({"grant": "password"}, "grant"),
    "an ID-JAG of nobody": ({"grant": "id-jag"}, "identity_provider: required"),
    "a provider of nothing": ({"identity_provider": "idp"}, "identity_provider: required"),
    "an ID-JAG for the agent": ({**ID_JAG, **BY_AGENT}, "client: an ID-JAG is for one client"),
    "an ID-JAG of the agent's own": ({**ID_JAG, "subject": "agent"}, 'subject: expected "user"'),
    "an assertion of the agent's own": (
        {**SIGNED, "subject": "agent"},
        'subject: expected "user" with jwt-bearer',
    ),
    "credentials of a user": (
        {"grant": "client-credentials", "subject": "user"},
        'subject: expected "agent" with client-credentials',
    ),
    "somebody else's": ({"subject": "governd"}, "subject"),
    "who acts for nobody": ({"subject": "agent", "actor": "agent"}, "actor: required with subject"),
    "no actor without its name": ({"actor": "none"}, "actor"),
    "a client that is governd": ({"actor": "client"}, 'actor: "client" says who acts only where'),
    "governd acts for a client that is the agent": (
        {"actor": "governd", **BY_AGENT},
        'actor: "governd" is for token-exchange and id-jag',
    ),
    "governd acts in an assertion": (
        {**SIGNED, "actor": "governd"},
        'actor: "governd" is for token-exchange and id-jag',
    ),
    "an assertion for whoever is called so": (
        {"grant": "jwt-bearer"},
        "users_from: expected one issuer with jwt-bearer",
    ),
    "an assertion for the users of two issuers": (
        {**SIGNED, "users_from": [IDP, "https://partner.example"]},
        "users_from: expected one issuer with jwt-bearer",
    ),
    "an issuer of users twice": ({"users_from": [IDP, IDP]}, f"users_from: {IDP} is stated twice"),
    "an issuer of users without an address": ({"users_from": ["idp"]}, "users_from"),
    "17 issuers of users": (
        {"users_from": [f"https://idp-{number}.example" for number in range(17)]},
        "users_from",
    ),
    "an issuer of no users": (
        {"subject": "agent", "users_from": [IDP]},
        "users_from: only where it is reached for a user",
    ),
    "other names for users that the server is not told": (
        {"renames_users": True},
        "renames_users: only jwt-bearer",
    ),
    "other names for users in a word": ({**SIGNED, "renames_users": "no"}, "renames_users"),
    "an agent that is not the client": (
        called((AGENT, "planner")),
        "agent_client: only where the client is the agent",
    ),
    "one name for two agents": (
        {**BY_AGENT, **called((AGENT, "a"), (OTHER, "a"))},
        "client_id: a is stated twice",
    ),
    "two names for one agent": (
        {**BY_AGENT, **called((AGENT, "a"), (AGENT, "b"))},
        f"agent: {AGENT} is stated twice",
    ),
    "an agent under the name of another": (
        {**BY_AGENT, **called((AGENT, OTHER))},
        "client_id\n.*is a SPIFFE ID",
    ),
    "a SPIFFE ID in capitals": ({**BY_AGENT, **called((AGENT, "SPIFFE:x"))}, "client_id"),
    "every agent of a trust domain": (
        {**BY_AGENT, **called(("spiffe://example.org", "a"))},
        "names a whole trust domain",
    ),
    "an agent without a name": ({**BY_AGENT, **called((AGENT, ""))}, "client_id"),
    "1025 agents": (
        {**BY_AGENT, **called(*((f"{AGENT}/{one}", f"a{one}") for one in range(1025)))},
        "agent_client",
    ),
    "the name of an assertion that there is not": (
        {"assertion_issuer": "governd"},
        "assertion_issuer: only jwt-bearer",
    ),
    "a space in a scope": ({"scopes": ["a b"]}, "scopes"),
    "a scope with a quote": ({"scopes": ['a"']}, "scopes"),
    "a scope with a backslash": ({"scopes": ["a\\"]}, "scopes"),
    "an empty scope": ({"scopes": [""]}, "scopes"),
    "a scope with a line end": ({"scopes": ["a\n"]}, "scopes"),
    "a long scope": ({"scopes": ["a" * 257]}, "scopes"),
    "65 scopes": ({"scopes": [str(number) for number in range(65)]}, "scopes"),
    "a scope twice": ({"scopes": ["a", "a"]}, "scopes: a is stated twice"),
    "an opaque token with an actor": (OPAQUE, "token_format: an opaque token cannot say who acts"),
    "an opaque token of a client": (
        {**OPAQUE, **BY_AGENT, "actor": "client"},
        "token_format: an opaque token cannot say who acts",
    ),
    "another form": ({"token_format": "saml"}, "token_format"),
    "no life": ({"max_lifetime_seconds": 0}, "max_lifetime_seconds"),
    "more than a day": ({"max_lifetime_seconds": 86_401}, "max_lifetime_seconds"),
    "a text as seconds": ({"max_lifetime_seconds": "60"}, "max_lifetime_seconds"),
    "half a second": ({"min_lifetime_seconds": 0.5}, "min_lifetime_seconds"),
    "less than nothing": ({"min_lifetime_seconds": -1}, "min_lifetime_seconds"),
    "as long at least as at most": (
        {"max_lifetime_seconds": 60, "min_lifetime_seconds": 60},
        "min_lifetime_seconds: expected less",
    ),
    "an unknown key": ({"client_secret": "s"}, "client_secret"),
}


@pytest.mark.parametrize(("parts", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_it_is_refused_with_its_field(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){said}"):
        upstream(**parts)


@pytest.mark.parametrize("value", [None, 1, "crm", []])
def test_what_is_no_table_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Upstream.model_validate(value)


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ({}, (RESOURCE, None)),
        ({"audience": "crm"}, (RESOURCE, "crm")),
        ({"audience": "crm", "send": ["audience"]}, (None, "crm")),
        ({"audience": "crm", "send": ["resource"]}, (RESOURCE, None)),
        ({"audience": "crm", "send": []}, (None, None)),
    ],
)
def test_no_more_is_sent_than_it_says(parts: dict[str, Any], sent: tuple[str, str]) -> None:
    found = upstream(**parts)
    assert (found.sent_resource, found.sent_audience) == sent


@pytest.mark.parametrize(
    ("parts", "audiences"),
    [
        ({}, (RESOURCE,)),
        ({"audience": "crm"}, (RESOURCE, "crm")),
        ({"audience": "crm", "send": []}, (RESOURCE, "crm")),
        ({"audience": "crm", "token_audiences": ["sales"]}, ("sales",)),
    ],
)
def test_its_tokens_are_for_what_is_stated(parts: dict[str, Any], audiences: Any) -> None:
    assert upstream(**parts).token_audiences_or_default == audiences


@pytest.mark.parametrize(
    ("parts", "service"),
    [
        ({"audience": "crm"}, RESOURCE),
        ({"resource": "urn:example:crm"}, "audience:urn:example:crm"),
        ({"resource": None, "audience": "crm"}, "crm"),
        ({"resource": None, "audience": "My CRM"}, "audience:My CRM"),
        ({"resource": None, "audience": "https://crm.example.org"}, "https://crm.example.org"),
    ],
)
def test_policies_know_it_by_its_resource(parts: dict[str, Any], service: str) -> None:
    assert upstream(**parts).service == service


@pytest.mark.parametrize(
    ("parts", "evidence"),
    [
        ({}, {ID_TOKEN, ACCESS_TOKEN}),
        (ID_JAG, {ID_TOKEN}),
        (SIGNED, {ID_TOKEN, ACCESS_TOKEN, ACTING_AS}),
        ({"subject": "agent"}, set()),
        ({"grant": "client-credentials"}, set()),
    ],
)
def test_nobody_is_sent_evidence_that_is_not_for_it(
    parts: dict[str, Any], evidence: set[EvidenceKind]
) -> None:
    assert upstream(**parts).evidence == evidence


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ({}, True),
        (ID_JAG, True),
        (SIGNED, False),
        ({"actor": "governd"}, False),
        ({"actor": "unsafe_none"}, False),
        ({"actor": "unsafe_none", **BY_AGENT}, True),
        ({"subject": "agent"}, True),
        ({"grant": "client-credentials"}, False),
        ({"grant": "client-credentials", **BY_AGENT}, True),
        ({**SIGNED, "actor": "client", **BY_AGENT}, True),
    ],
)
def test_it_says_where_the_agents_own_svid_is_shown(parts: dict[str, Any], shown: bool) -> None:
    assert upstream(**parts).shows_agent_svid is shown


def test_it_is_for_the_users_of_whom_it_says_or_of_all() -> None:
    assert upstream().is_for_users_of("https://anybody.example")
    found = upstream(users_from=[IDP])
    assert found.is_for_users_of(IDP)
    assert not found.is_for_users_of(f"{IDP}/")


def test_it_says_what_its_server_calls_an_agent() -> None:
    found = upstream(**BY_AGENT, **called((AGENT, "planner")))
    assert found.name_of(AGENT) == "planner"
    assert found.name_of(f"{AGENT}/x") is None
    assert found.name_of(OTHER) is None
