"""Both are in the token: the user, and the agent that acts for them."""

from typing import Any

import pytest

from governd.errors import TokenRefusedError
from governd.identity.secret import Secret
from governd.tokens.acting import Acting, Actor, check, known_as
from governd.tokens.clients import Client
from governd.tokens.clients import check as check_client
from tests.fakes.issued_tokens import AGENT, CLIENT, ISSUER, OTHER
from tests.fakes.token_issuer import TokenIssuer

SVID = Secret(TokenIssuer().token(sub=AGENT, iss="https://spire.example").encode())
BY_AGENT = Acting(known_as(AGENT, ISSUER, shown=SVID))
BY_GOVERND = Acting(known_as(CLIENT, ISSUER))
BY_NOBODY = Acting(None, frozenset({AGENT, CLIENT}))
GOVERND = Client(CLIENT)
AS_AGENT = Client(CLIENT, AGENT, required=True)


def nested(depth: int, outer: str = AGENT) -> dict[str, Any]:
    act: dict[str, Any] = {"sub": OTHER}
    for _ in range(depth - 2):
        act = {"sub": OTHER, "act": act}
    return {"sub": outer, "act": act}


def rule(claims: dict[str, Any], acting: Acting = BY_AGENT) -> str:
    with pytest.raises(TokenRefusedError, match=r"^act: ") as raised:
        check(claims, acting)
    return raised.value.metadata["rule"]


def client_rule(claims: dict[str, Any], client: Client = GOVERND) -> str:
    with pytest.raises(TokenRefusedError, match=r"^token: ") as raised:
        check_client(claims, client)
    return raised.value.metadata["rule"]


@pytest.mark.parametrize(
    "act",
    [
        {"sub": AGENT},
        {"sub": AGENT, "iss": ISSUER},
        {"sub": AGENT, "iss": "https://spire.example"},
        {"sub": AGENT, "iss": "spiffe://example.org"},
        {"sub": AGENT, "client_id": "x"},
        nested(2),
        nested(8),
    ],
)
def test_the_agent_is_who_acts_now(act: object) -> None:
    check({"act": act}, BY_AGENT)


@pytest.mark.parametrize(
    "issuer", ["https://evil.example", ISSUER + "/", "spiffe://evil.example", AGENT, ""]
)
def test_attack_a_name_that_is_the_agents_at_somebody_else(issuer: str) -> None:
    assert rule({"act": {"sub": AGENT, "iss": issuer}}) == "act"


def test_where_any_issuer_may_name_who_acts_the_name_is_all_that_counts() -> None:
    check({"act": {"sub": AGENT, "iss": "https://anybody.example"}}, Acting(Actor(AGENT, None)))


@pytest.mark.parametrize(
    "shown", [None, b"opaque", TokenIssuer().token().encode(), TokenIssuer().token(iss=5).encode()]
)
def test_an_actor_token_that_names_no_issuer_adds_none(shown: bytes | None) -> None:
    found = known_as(AGENT, ISSUER, shown=Secret(shown) if shown else None)
    assert found == Actor(AGENT, frozenset({ISSUER, "spiffe://example.org"}))


def test_a_name_that_is_no_spiffe_id_belongs_to_the_servers_that_are_asked() -> None:
    assert known_as(CLIENT, ISSUER, "b") == Actor(CLIENT, frozenset({ISSUER, "b"}))


def test_attack_a_token_that_does_not_say_who_acts() -> None:
    """Keycloak ignores an actor token without a word."""
    assert rule({}) == "act_missing"
    assert rule({"may_act": {"sub": AGENT}}) == "act_missing"


@pytest.mark.parametrize(
    "act",
    [
        {"sub": OTHER},
        {"sub": AGENT + "/x"},
        {"sub": AGENT.upper()},
        {"sub": CLIENT},
        {"sub": OTHER, "act": {"sub": AGENT}},
        {"sub": ""},
    ],
)
def test_attack_a_token_for_another_agent(act: object) -> None:
    assert rule({"act": act}) == "act"


@pytest.mark.parametrize(
    "act",
    [
        None,
        [],
        [{"sub": AGENT}],
        AGENT,
        {},
        {"iss": ISSUER},
        {"sub": None},
        {"sub": [AGENT]},
        {"sub": 5},
        {"sub": AGENT, "iss": 5},
        {"sub": AGENT, "iss": [ISSUER]},
        {"sub": AGENT, "act": None},
        {"sub": AGENT, "act": AGENT},
        {"act": {"sub": AGENT}},
    ],
)
def test_attack_an_act_that_is_none(act: object) -> None:
    assert rule({"act": act}) == "act"


@pytest.mark.parametrize("depth", [9, 100_000])
def test_attack_actors_nested_deeper_than_the_stack(depth: int) -> None:
    assert rule({"act": nested(depth)}) == "act"


def test_attack_an_actor_without_a_name_is_nobody() -> None:
    assert rule({"act": {"sub": ""}}, Acting(Actor("", None))) == "act"


def test_governd_may_act_under_its_name_at_that_server() -> None:
    check({"act": {"sub": CLIENT}}, BY_GOVERND)
    check({"act": {"sub": CLIENT, "iss": ISSUER}}, BY_GOVERND)


def test_attack_a_client_of_that_name_at_another_server() -> None:
    assert rule({"act": {"sub": CLIENT, "iss": "https://evil.example"}}, BY_GOVERND) == "act"


@pytest.mark.parametrize("claims", [{}, {"act": {"sub": AGENT}}, {"act": {"sub": CLIENT}}])
def test_where_nobody_has_to_be_named_only_who_acts_may_be(claims: dict[str, Any]) -> None:
    check(claims, BY_NOBODY)


@pytest.mark.parametrize(
    "act", [{"sub": OTHER}, {"sub": OTHER, "act": {"sub": AGENT}}, {"sub": [AGENT]}, None]
)
def test_attack_where_nobody_has_to_be_named_somebody_else_is(act: object) -> None:
    assert rule({"act": act}, BY_NOBODY) == "act"


# To which client it was issued.


@pytest.mark.parametrize(
    "claims",
    [{}, {"azp": CLIENT}, {"client_id": CLIENT}, {"azp": CLIENT, "client_id": CLIENT}],
)
def test_a_token_was_issued_to_governd(claims: dict[str, Any]) -> None:
    check_client(claims, GOVERND)


@pytest.mark.parametrize("name", ["azp", "client_id"])
@pytest.mark.parametrize("other", ["chat", "Governd", AGENT, "", 5, None, [CLIENT], "a\nb"])
def test_attack_a_token_that_was_issued_to_another_client(name: str, other: object) -> None:
    assert client_rule({name: other}) == "client"


@pytest.mark.parametrize("client", [GOVERND, AS_AGENT, Client(None)])
def test_attack_a_token_that_names_two_clients(client: Client) -> None:
    assert client_rule({"azp": "a", "client_id": "b"}, client) == "client"


def test_where_governds_name_is_not_known_it_is_not_compared() -> None:
    check_client({"azp": "whoever"}, Client(None))


def test_an_agent_that_is_the_client_is_who_acts() -> None:
    check_client({"azp": "agent-17"}, AS_AGENT._replace(named="agent-17"))
    check_client({"azp": AGENT}, AS_AGENT._replace(named="agent-17"))
    check_client({"client_id": AGENT}, AS_AGENT)
    check_client({"client_id": AGENT}, Client(None, AGENT, required=True))
    check_client({"client_id": "agent-17"}, Client(None, AGENT))


@pytest.mark.parametrize("name", ["azp", "client_id"])
@pytest.mark.parametrize("client", [AS_AGENT, Client(None, AGENT)])
def test_attack_a_token_that_another_agent_got(name: str, client: Client) -> None:
    assert client_rule({name: OTHER}, client) == "client"
    assert client_rule({name: AGENT + "/x"}, client) == "client"


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize("name", ["azp", "client_id"])
@pytest.mark.parametrize("ours", [CLIENT, None])
@pytest.mark.parametrize("named", ["agent-17", None])
def test_attack_a_client_that_nobody_says_is_the_agent(
    name: str, ours: str | None, named: str | None
) -> None:
    """Whichever it is, it acts for the user under its own name: another agent, or a front end."""
    for client in ("agent-18", "chat", "Agent-17", CLIENT):
        assert client_rule({name: client}, Client(ours, AGENT, True, named)) == "client"


def test_attack_a_token_of_another_client_than_the_agent_is_called() -> None:
    named = Client(None, AGENT, named="agent-17")
    assert client_rule({"azp": "agent-18"}, named) == "client"
    check_client({"azp": "agent-17"}, named)


def test_attack_governd_in_place_of_the_agent_where_its_name_is_not_known() -> None:
    assert client_rule({"azp": CLIENT}, Client(None, AGENT, required=True)) == "client"


def test_attack_a_token_that_governd_got_in_place_of_the_agent() -> None:
    assert client_rule({"azp": CLIENT}, AS_AGENT) == "client"


def test_attack_a_token_that_does_not_say_which_agent_was_the_client() -> None:
    assert client_rule({}, AS_AGENT) == "act_missing"
    check_client({}, Client(CLIENT, AGENT))
