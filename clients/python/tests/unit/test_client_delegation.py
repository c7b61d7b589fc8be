"""Acting-as tokens as values, what is asked about them, and what answers are taken."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from governd_client import (
    Binding,
    BoundRequest,
    CardInvalidError,
    Client,
    Delegation,
    Evidence,
    EvidenceKind,
    InvalidRequestError,
    KyaLevel,
    MalformedAnswerError,
    MintRefusedError,
    Question,
    TokenRejectedError,
)
from governd_client._proto.governd.v1 import agent_service_pb2
from governd_client._proto.governd.v1 import delegation_service_pb2 as protos
from governd_client.agent import Agent
from governd_client.delegation import ActingAsToken
from governd_client.delegation_requests import verify_request
from governd_client.question import key_of
from governd_client.testing import FakeGovernd, permit

PLANNER = "spiffe://example.org/agent/planner"
TOOLS = "spiffe://example.org/agent/tools"
LOGIN = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
SEARCH = BoundRequest.of("POST", "https://tools.example.org/search?q=1", b"{}")
EMPTY_BODY = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"


@pytest.fixture
def client(governd: FakeGovernd) -> Client:
    """A client of a governd that mints."""
    governd.mints = lambda _: True
    return Client(port=governd.port())


def verified(**changes: Any) -> protos.VerifyResponse:
    said = {
        "user": "alice",
        "user_issuer": "https://idp.example",
        "actors": [PLANNER],
        "binding": protos.BINDING_LEVEL_REQUEST,
    }
    return protos.VerifyResponse(verified=protos.VerifiedDelegation(**{**said, **changes}))


def asked(least: Binding = Binding.REQUEST, peer: str = PLANNER) -> protos.VerifyRequest:
    return verify_request("secret.acting.token", SEARCH, peer, "", least)


def test_what_is_asked_for_is_on_the_wire(client: Client, governd: FakeGovernd) -> None:
    detail = {"type": "mcp_tool", "actions": ["call"], "locations": ["x"], "tools": ["search"]}
    client.delegation.mint(
        TOOLS,
        LOGIN,
        scopes=["search"],
        details=[detail],
        request=SEARCH,
        lifetime=60,
        max_depth=2,
        transaction="t1",
    )
    [sent] = governd.delegations
    assert isinstance(sent, protos.MintRequest)
    assert sent.evidence.id_token == LOGIN.token
    assert (sent.audience, list(sent.scopes), sent.max_depth) == (TOOLS, ["search"], 2)
    assert (sent.lifetime.ToMilliseconds(), sent.transaction) == (60_000, "t1")
    assert sent.request.uri == "https://tools.example.org/search?q=1"
    assert b'"mcp_tool"' in sent.authorization_details_json


def test_a_body_that_is_empty_has_a_digest_and_one_that_nobody_read_has_none() -> None:
    assert BoundRequest.of("GET", "https://a.example/", b"").body_digest == EMPTY_BODY
    assert BoundRequest.of("GET", "https://a.example/").body_digest == ""


def test_no_token_is_in_what_is_printed(client: Client, governd: FakeGovernd) -> None:
    token = client.delegation.mint(TOOLS, LOGIN, request=SEARCH)
    governd.spiffe_id = TOOLS
    peer = "spiffe://example.org/agent/test"
    found = client.delegation.verify(token.token, request=SEARCH, peer=peer)
    question = Question("agent/invoke", ("agent", TOOLS), evidence=found.evidence)
    printed = f"{LOGIN!r} {token!r} {found!r} {question!r}"
    assert token.token not in printed
    assert LOGIN.token not in printed


def test_a_chain_goes_on_and_every_actor_is_seen(client: Client, governd: FakeGovernd) -> None:
    governd.spiffe_id = PLANNER
    first = client.delegation.mint(TOOLS, LOGIN, scopes=["b", "a"], request=SEARCH)
    found = client.delegation.verify(first.token, request=SEARCH, peer=PLANNER)
    governd.spiffe_id = TOOLS
    second = client.delegation.extend(PLANNER, found, scopes=["a"])
    last = client.delegation.verify(second.token, peer=TOOLS, least_binding=Binding.CALLER)
    assert (found.actors, found.scopes, found.binding) == ((PLANNER,), ("a", "b"), Binding.BODY)
    assert (last.actors, last.scopes, last.binding) == ((TOOLS, PLANNER), ("a",), Binding.CALLER)
    assert (last.user, last.user_issuer) == ("alice", "https://idp.example")
    assert first.headers == {"Acting-As-Token": first.token}
    assert first.mcp_meta == {"io.governd/acting-as-token": first.token}
    assert first.a2a_metadata == {"https://governd.io/ext/acting-as/v1": {"token": first.token}}
    assert first.grpc_metadata == (("acting-as-token", first.token),)


def test_attack_a_token_is_used_twice(client: Client) -> None:
    token = client.delegation.mint(TOOLS, LOGIN, request=SEARCH).token
    peer = "spiffe://example.org/agent/test"
    client.delegation.verify(token, request=SEARCH, peer=peer)
    with pytest.raises(TokenRejectedError) as raised:
        client.delegation.verify(token, request=SEARCH, peer=peer)
    assert raised.value.rejection == "REPLAYED"
    assert token not in str(raised.value)


def test_what_governd_does_not_mint_is_an_error(client: Client, governd: FakeGovernd) -> None:
    governd.mints = lambda _: False
    with pytest.raises(MintRefusedError):
        client.delegation.mint(TOOLS, LOGIN)


@pytest.mark.parametrize(
    "ask",
    [
        lambda to: to.mint(TOOLS, LOGIN, scopes="search"),
        lambda to: to.mint(TOOLS, LOGIN, scopes=["\ud800"]),
        lambda to: to.mint("\ud800", LOGIN),
        lambda to: to.mint(TOOLS, Evidence(EvidenceKind.ID_TOKEN, "\ud800")),
        lambda to: to.mint(TOOLS, LOGIN, lifetime=301),
        lambda to: to.mint(TOOLS, LOGIN, lifetime=0),
        lambda to: to.mint(TOOLS, LOGIN, max_depth=-1),
        lambda to: to.mint(TOOLS, LOGIN, details=[{"x": math.inf}]),
        lambda to: to.mint(TOOLS, LOGIN, request=BoundRequest("GET", "\ud800")),
        lambda to: to.verify("\ud800"),
        lambda to: to.verify("x", peer="\ud800"),
    ],
)
def test_what_cannot_be_written_is_not_sent(
    ask: Callable[[Any], object], client: Client, governd: FakeGovernd
) -> None:
    with pytest.raises(InvalidRequestError):
        ask(client.delegation)
    assert governd.delegations == []


@pytest.mark.parametrize(
    "answer",
    [
        protos.VerifyResponse(),
        verified(user=""),
        verified(user_issuer=""),
        verified(actors=[]),
        verified(actors=[TOOLS, PLANNER]),
        verified(binding=protos.BINDING_LEVEL_CALLER),
        verified(binding=protos.BINDING_LEVEL_UNSPECIFIED),
        verified(binding=99),
        verified(authorization_details_json=b"{}"),
        verified(authorization_details_json=b"[1]"),
        verified(authorization_details_json=b"["),
    ],
)
def test_an_answer_that_says_less_than_was_asked_for_is_none(
    answer: protos.VerifyResponse,
) -> None:
    with pytest.raises(MalformedAnswerError):
        Delegation.from_proto(answer, asked())


def test_a_rejection_that_is_not_known_is_one_all_the_same() -> None:
    for number, name in ((99, "UNRECOGNISED"), (0, "UNRECOGNISED"), (13, "AUDIENCE")):
        answer = protos.VerifyResponse()
        answer.rejected = number  # type: ignore[assignment]
        with pytest.raises(TokenRejectedError) as raised:
            Delegation.from_proto(answer, asked())
        assert raised.value.rejection == name


@pytest.mark.parametrize(
    "minted",
    [
        {},
        {"token": "x"},
        {"headers": {"Acting-As-Token": "x"}},
        {"token": "x", "headers": {"a": "x"}, "mcp_meta_json": b"[]"},
        {"token": "x", "headers": {"a": "x"}, "a2a_metadata_json": b"{"},
    ],
)
def test_an_answer_without_a_token_is_none(minted: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswerError):
        ActingAsToken.from_proto(protos.MintResponse(delegation=protos.Delegation(**minted)))


def test_questions_with_other_evidence_are_other_questions() -> None:
    resource = ("agent", TOOLS)
    kinds = [None, LOGIN, Evidence(EvidenceKind.ACCESS_TOKEN, LOGIN.token)]
    others = [*kinds, Evidence(EvidenceKind.ID_TOKEN, "another")]
    assert len({key_of("agent/invoke", resource, None, None, each) for each in others}) == 4


def test_policy_is_shown_the_evidence(client: Client, governd: FakeGovernd) -> None:
    governd.rule = lambda _: permit()
    shown = Evidence(EvidenceKind.ACTING_AS_TOKEN, "secret.acting.token")
    assert client.evaluate("agent/invoke", ("agent", TOOLS), evidence=shown).allowed
    assert governd.requests[0].context.evidence.acting_as_token == "secret.acting.token"


def test_a_card_is_registered_as_it_is_served(client: Client, governd: FakeGovernd) -> None:
    governd.card = agent_service_pb2.Agent(
        level=agent_service_pb2.KYA_LEVEL_SIGNED,
        signature=agent_service_pb2.CARD_SIGNATURE_STATUS_VERIFIED,
        drift=[agent_service_pb2.DRIFT_REASON_SKILLS_CHANGED],
        problems=["no attestation"],
    )
    governd.attestation = "a.t.t"
    card = b'{"name": "planner" }'
    agent = client.register_agent(card, attestation="x.y.z")
    assert governd.cards[0].card_json == card
    assert (agent.level, agent.signature, agent.drift) == (
        KyaLevel.SIGNED,
        "VERIFIED",
        ("SKILLS_CHANGED",),
    )
    assert (agent.attestation_fault, agent.level_ends, agent.attestation) == ("", None, "a.t.t")
    assert client.get_agent() == agent


def test_what_is_no_card_is_not_sent(client: Client, governd: FakeGovernd) -> None:
    with pytest.raises(CardInvalidError):
        client.register_agent("text")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError):
        client.get_agent("\ud800")
    assert governd.cards == []


def test_a_level_that_is_not_known_counts_for_nothing() -> None:
    answer = agent_service_pb2.GetAgentResponse(agent=agent_service_pb2.Agent(spiffe_id=PLANNER))
    agent = answer.agent
    agent.level = 9  # type: ignore[assignment]
    agent.signature = 99  # type: ignore[assignment]
    agent.level_ends.FromSeconds(0)
    found = Agent.from_proto(answer)
    assert (found.level, found.signature) == (KyaLevel.UNKNOWN, "UNRECOGNISED")
    assert found.level_ends is not None
    with pytest.raises(MalformedAnswerError):
        Agent.from_proto(agent_service_pb2.GetAgentResponse())
