"""How well an agent is known goes with its acting-as tokens, on a running daemon."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from governd._proto.governd.v1 import agent_service_pb2, agent_service_pb2_grpc
from governd.delegation.opening import digest_of
from tests.agent_cards import card, signed, skill, write
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.daemon_process import DaemonProcess, StartGovernd
from tests.integration.delegating import (
    AGENTS,
    GIT,
    PLANNER,
    REQUEST,
    ROUTER,
    RULES,
    WORKLOADS,
    Workload,
    bundle_of,
    claims_of,
    id_token,
    told,
    write_policy,
)
from tests.integration.test_cli import answer, cli
from tests.known_agents import KEY, kya_table
from tests.offline_receiver import receive

SIGNED = signed(card())
SWAPPED = signed(card(skills=[skill("plan"), skill("pay")]))
KNOWN = kya_table([KEY], [{"agents": AGENTS, "provider": "Acme"}], ())
KNOWN_ONLY = """
@id("known") forbid (principal, action == Action::"delegation/mint", resource)
  unless { context.kya_level >= 1 };
"""
KNOWN_CHAINS = """
@id("least-known") forbid (principal, action == Action::"agent/invoke", resource)
  unless { context has delegation && context.delegation.kya_level >= 2 };
"""


class Node:
    """A daemon whose policy knows Acme's cards, and its agents."""

    def __init__(self, daemon: DaemonProcess, idp: TokenIssuer) -> None:
        self.daemon, self.idp = daemon, idp
        self.planner, self.router, self.git = (Workload(daemon, name) for name in WORKLOADS)

    def register(self, members: dict[str, Any], name: str = "planner") -> str:
        """The attestation that comes back; ``""`` for none."""
        request = agent_service_pb2.RegisterAgentRequest(card_json=write(members))
        with grpc.insecure_channel(self.daemon.target(name)) as channel:
            stub = agent_service_pb2_grpc.AgentServiceStub(channel)
            return stub.RegisterAgent(request, timeout=10).attestation

    def mint(self, **wanted: Any) -> str:
        wanted = {"request": REQUEST, **wanted}
        return self.planner.mint(ROUTER, id_token(self.idp), **wanted).token

    def extend(self, parent: str) -> str:
        return self.router.extend(parent, GIT, request=REQUEST).token

    def close(self) -> None:
        for one in (self.planner, self.router, self.git):
            one.close()


@pytest.fixture
def policy(tmp_path: Path) -> tuple[Path, TokenIssuer]:
    idp = TokenIssuer()
    return write_policy(tmp_path / "policy", idp, RULES + KNOWN), idp


@pytest.fixture
def node(governd: StartGovernd, policy: tuple[Path, TokenIssuer]) -> Iterator[Node]:
    folder, idp = policy
    found = Node(governd(listeners=WORKLOADS, policy=folder), idp)
    yield found
    found.close()


def named(attestation: str, level: int) -> dict[str, object]:
    """The claim of a token whose current actor has that attestation."""
    return {"lvl": level, "jti": claims_of(attestation)["jti"], "dig": digest_of(attestation)}


@pytest.mark.req("gi-6", part=True)
def test_a_token_says_how_well_its_least_known_actor_is_known(node: Node) -> None:
    planner = node.register(SIGNED)
    router = node.register(card(name="router"), "router")
    first = node.mint()
    assert claims_of(first)["kya"] == named(planner, 2)
    assert node.router.verify(first, PLANNER).verified.kya_level == 2
    second = node.extend(first)
    assert claims_of(second)["kya"] == named(router, 1)
    assert node.git.verify(second, ROUTER).verified.kya_level == 1
    decided = [one for one in node.daemon.decisions() if one.get("action") == "delegation/mint"]
    assert [one["delegation"]["kya_level"] for one in decided] == [2, 1]


@pytest.mark.req("gi-6", part=True)
def test_an_actor_of_whom_nothing_is_known_leaves_nothing_in_the_token(node: Node) -> None:
    assert "kya" not in claims_of(node.mint())
    node.register(SIGNED)
    first = node.mint()
    assert node.router.verify(first, PLANNER).HasField("verified")
    child = node.extend(first)
    assert "kya" not in claims_of(child)
    assert node.git.verify(child, ROUTER).verified.kya_level == 0


@pytest.mark.req("gi-6", part=True)
def test_a_receiver_in_go_and_the_command_line_read_the_level(node: Node, tmp_path: Path) -> None:
    attestation = node.register(SIGNED)
    token = tmp_path / "token"
    token.write_text(node.mint())
    said = answer("delegation", "show", token)
    jti = claims_of(attestation)["jti"]
    assert (said["kya_level"], said["kya_attestation"]) == (2, jti)
    assert f"2, by attestation {jti}" in cli("delegation", "show", token)
    found = offline(node.daemon, token.read_text())
    assert found["accepted"]["kya_level"] == 2


@pytest.mark.req("gi-6", part=True)
def test_a_swapped_card_takes_the_level_away_and_the_pinned_one_brings_it_back(
    node: Node,
) -> None:
    node.register(SIGNED)
    before = claims_of(node.mint())["kya"]
    assert node.register(SWAPPED) == ""
    assert "kya" not in claims_of(node.mint())
    node.register(SIGNED)
    assert claims_of(node.mint())["kya"]["lvl"] == before["lvl"]


@pytest.mark.req("gi-6", part=True)
def test_an_agent_that_is_revoked_gets_neither_a_token_nor_an_attestation(node: Node) -> None:
    assert node.register(SIGNED)
    token = node.mint()
    cli("revocation", "add", "agent", PLANNER, "--admin-socket", node.daemon.admin_socket)
    assert node.register(SIGNED) == ""
    with pytest.raises(grpc.RpcError) as raised:
        node.mint()
    assert told(raised.value)[1]["rule"] == "FORBIDDEN"
    assert node.router.rejected(token, PLANNER) == "REVOKED"


@pytest.mark.req("gi-6", part=True)
def test_policy_can_demand_that_whoever_mints_is_known(
    governd: StartGovernd, policy: tuple[Path, TokenIssuer]
) -> None:
    folder, idp = policy
    rules = folder / "policies" / "test.cedar"
    rules.write_text(rules.read_text() + KNOWN_ONLY)
    node = Node(governd(listeners=WORKLOADS, policy=folder), idp)
    with pytest.raises(grpc.RpcError) as raised:
        node.mint()
    assert told(raised.value)[1]["rule"] == "FORBIDDEN"
    node.register(card())
    assert claims_of(node.mint())["kya"]["lvl"] == 1
    node.close()


@pytest.mark.req("gi-6", part=True)
def test_who_acts_on_makes_a_delegation_no_better_known_than_itself(
    governd: StartGovernd, policy: tuple[Path, TokenIssuer]
) -> None:
    folder, idp = policy
    rules = folder / "policies" / "test.cedar"
    rules.write_text(rules.read_text() + KNOWN_CHAINS)
    node = Node(governd(listeners=WORKLOADS, policy=folder), idp)
    node.register(SIGNED)
    token = node.mint()
    assert node.router.verify(token, PLANNER).verified.kya_level == 2
    found = []
    for subject, asked in ((PLANNER, ROUTER), ("", GIT)):  # the call it received, and its own
        decided = node.router.evaluate(
            "agent/invoke", f"agent:{asked}", subject, acting_as_token=token
        )
        found.append(decided.decision)
    assert found == [True, False]
    node.register(card(name="router"), "router")
    node.router.evaluate("agent/invoke", f"agent:{GIT}", acting_as_token=token)
    assert node.daemon.decisions()[-1]["delegation"]["kya_level"] == 1
    node.close()


@pytest.mark.req("gi-6", part=True)
def test_a_card_that_was_swapped_since_counts_against_tokens_that_are_out(node: Node) -> None:
    node.register(SIGNED)
    token = node.mint()
    assert node.router.verify(token, PLANNER).verified.kya_level == 2
    node.register(SWAPPED)
    node.router.evaluate("agent/invoke", f"agent:{ROUTER}", PLANNER, acting_as_token=token)
    assert node.daemon.decisions()[-1]["delegation"]["kya_level"] == 0


def offline(daemon: DaemonProcess, token: str) -> dict[str, Any]:
    """What a receiver in Go makes of a token, with the trust bundle and nothing else."""
    body = base64.b64encode(b"{}").decode()
    arrival = {
        "peer": PLANNER,
        "peer_certificate": None,
        "request": {"method": "POST", "uri": REQUEST.uri, "body_base64": body},
    }
    revoked: dict[str, list[str]] = {
        name: [] for name in ("transactions", "tokens", "users", "workloads")
    }
    vector = {
        "id": "one",
        "now": int(time.time()),
        "expectations": {
            "audiences": [ROUTER],
            "issuers": [{"prefix": "spiffe://example.org/governd/signer", "also_for": []}],
            "least_binding": "BODY",
            "revoked": revoked,
        },
        "arrival": arrival,
        "presented": {"token": token},
        "before": [],
    }
    ders = [base64.b64encode(der).decode() for der in bundle_of(daemon)]
    return receive({"bundles": {"example.org": ders}, "vectors": [vector]})["one"]
