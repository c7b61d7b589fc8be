"""Agent cards at a running governd: registered, verified, swapped, approved, kept, attested."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from a2a.types import AgentCard as SdkCard
from a2a.utils.signing import ProtectedHeader, create_agent_card_signer
from cryptography.hazmat.primitives import serialization
from google.protobuf import json_format

from governd._proto.governd.v1 import agent_service_pb2 as pb
from governd._proto.governd.v1 import agent_service_pb2_grpc
from governd.identity import jose
from tests.agent_cards import ACME, card, read, signed, skill, write
from tests.fakes.authority import new_key
from tests.integration.daemon_process import DEMO_POLICY, LISTENERS, DaemonProcess, StartGovernd
from tests.integration.registering import call, records, refusal
from tests.integration.test_cli import answer, cli
from tests.known_agents import KEY, kya_table

READER, WRITER = LISTENERS["reader"], LISTENERS["writer"]
RULES = ({"agents": WRITER, "provider": "Acme"},)
ONLY_SIGNED = (
    '@id("known")\nforbid (principal, action in Action::"tools/call", resource)\n'
    "unless { context.kya_level >= 2 };\n"
)
ONLY_PLANNERS = """@id("known")
forbid (principal, action in Action::"tools/call", resource)
unless {
  context has kya && context.kya.provider == "Acme" && context.kya.skills.contains("plan")
};
"""
SIGNED = signed(card())
SWAPPED = signed(card(skills=[skill("plan"), skill("pay")]))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The demo policy, where an agent has to be known to call anything."""
    folder = shutil.copytree(DEMO_POLICY, tmp_path / "knowing")
    (folder / "policies" / "known.cedar").write_text(ONLY_SIGNED)
    manifest = (folder / "manifest.toml").read_text()
    manifest = manifest.replace(
        '"policies/git.cedar",', '"policies/git.cedar", "policies/known.cedar",'
    )
    (folder / "manifest.toml").write_text(manifest + kya_table([KEY], RULES, ()))
    return folder


@pytest.fixture
def daemon(governd: StartGovernd, policy: Path) -> DaemonProcess:
    return governd(policy=policy)


@contextmanager
def agents(
    daemon: DaemonProcess, caller: str = "writer"
) -> Iterator[agent_service_pb2_grpc.AgentServiceStub]:
    with grpc.insecure_channel(daemon.target(caller)) as channel:
        yield agent_service_pb2_grpc.AgentServiceStub(channel)


def register(
    daemon: DaemonProcess, members: dict[str, Any] | bytes, caller: str = "writer", **more: Any
) -> pb.RegisterAgentResponse:
    text = members if isinstance(members, bytes) else write(members)
    with agents(daemon, caller) as stub:
        return stub.RegisterAgent(pb.RegisterAgentRequest(card_json=text, **more), timeout=10)


def get(daemon: DaemonProcess, spiffe_id: str = "", caller: str = "writer") -> pb.GetAgentResponse:
    with agents(daemon, caller) as stub:
        return stub.GetAgent(pb.GetAgentRequest(spiffe_id=spiffe_id), timeout=10)


def may_call(daemon: DaemonProcess, caller: str = "writer") -> bool:
    return call(daemon, "git_status", caller, repo_path="/srv/repo").decision


def explained(daemon: DaemonProcess, *options: object) -> tuple[bool, int]:
    """Whether a call would be permitted, and at which level."""
    question = ("tools/call", "tool:git/git_status", "--arguments", '{"repo_path": "/srv/repo"}')
    found = answer("explain", "--caller", WRITER, *question, *options, *admin(daemon))
    return found["decision"], found["kya_level"]


def admin(daemon: DaemonProcess) -> tuple[str, Path]:
    return "--admin-socket", daemon.admin_socket


def sdk_signed() -> bytes:
    """A card as an agent of the A2A SDK signs and serves it."""
    pem = ACME.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    header = ProtectedHeader(kid="acme-1", alg="ES256", jku=None, typ="JOSE")
    found = create_agent_card_signer(pem, header)(json_format.ParseDict(card(), SdkCard()))
    return json_format.MessageToJson(found).encode()


@pytest.mark.req("gi-6", part=True)
def test_a_card_that_the_a2a_sdk_signed_lets_its_agent_and_nobody_else_call(
    daemon: DaemonProcess,
) -> None:
    assert not may_call(daemon)
    text = sdk_signed()
    found = register(daemon, text).agent
    assert (found.level, found.key_id, list(found.problems)) == (pb.KYA_LEVEL_SIGNED, "acme-1", [])
    assert may_call(daemon)
    other = register(daemon, text, "reader").agent
    assert other.level == pb.KYA_LEVEL_UNSPECIFIED
    assert "not bound" in " ".join(other.problems)
    assert not may_call(daemon, "reader")


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize(
    ("members", "level"),
    [
        (card(), pb.KYA_LEVEL_BOUND),
        (signed(card(), new_key()), pb.KYA_LEVEL_UNSPECIFIED),
        ({**SIGNED, "description": "Another."}, pb.KYA_LEVEL_UNSPECIFIED),
        (signed(card(provider=None)), pb.KYA_LEVEL_UNSPECIFIED),
        (signed(card(), kid="acme-2", jku="https://10.0.0.1/keys"), pb.KYA_LEVEL_BOUND),
    ],
    ids=["unsigned", "forged", "changed", "of nobody", "jku"],
)
def test_what_no_provider_signed_calls_nothing(
    daemon: DaemonProcess, members: dict[str, Any], level: pb.KyaLevel.ValueType
) -> None:
    assert register(daemon, members).agent.level == level
    assert not may_call(daemon)


def test_what_is_explained_counts_an_agent_as_well_known_as_it_is_unless_told_otherwise(
    daemon: DaemonProcess,
) -> None:
    assert explained(daemon) == (False, 0)
    register(daemon, SIGNED)
    assert explained(daemon) == (may_call(daemon), 2)
    assert explained(daemon, "--kya-level", 1) == (False, 1)
    assert explained(daemon, "--kya-level", 0) == (False, 0)


@pytest.mark.req("gi-6", part=True)
def test_a_swapped_card_is_quarantined_over_a_restart_until_it_is_approved(
    daemon: DaemonProcess,
) -> None:
    register(daemon, SIGNED)
    found = register(daemon, SWAPPED)
    assert pb.DRIFT_REASON_SKILLS_CHANGED in found.agent.drift
    assert not found.attestation
    assert not may_call(daemon)
    daemon.stop()
    daemon.start()
    assert list(get(daemon).agent.drift) == list(found.agent.drift)
    assert not may_call(daemon)
    (listed,) = answer("agent", "list", "--quarantined", *admin(daemon))["agents"]
    assert (listed["spiffe_id"], listed["drift"][0]) == (WRITER, "SKILLS_CHANGED")
    assert "pay" in cli("agent", "show", WRITER, *admin(daemon))
    assert "not what --digest states" in cli(
        *("agent", "approve", WRITER, "--digest", listed["pinned_digest"]), *admin(daemon), code=1
    )
    done = answer("agent", "approve", WRITER, "--digest", listed["card_digest"], *admin(daemon))
    assert (done["level"], done["pinned_digest"]) == (2, listed["card_digest"])
    assert may_call(daemon)
    (record,) = records(daemon, "agent_approval")
    assert record["card_digest"] == listed["card_digest"]


@pytest.mark.req("gi-6", part=True)
def test_policy_permits_by_what_the_card_says_for_as_long_as_it_counts(
    governd: StartGovernd, policy: Path
) -> None:
    (policy / "policies" / "known.cedar").write_text(ONLY_PLANNERS)
    daemon = governd(policy=policy)
    assert not may_call(daemon)
    assert register(daemon, signed(card(skills=[skill("pay")]))).agent.level == pb.KYA_LEVEL_SIGNED
    assert not may_call(daemon), "has another skill"
    answer("agent", "forget", WRITER, "--yes", *admin(daemon))
    register(daemon, SIGNED)
    assert may_call(daemon)
    daemon.stop()
    daemon.start()
    assert may_call(daemon)
    register(daemon, SWAPPED)
    assert not may_call(daemon), "is quarantined, though its card still has the skill"


@pytest.mark.req("gi-6", part=True)
def test_an_agent_is_handed_an_attestation_of_itself_and_of_nobody_else(
    daemon: DaemonProcess,
) -> None:
    token = register(daemon, SIGNED).attestation
    claims = jose.read_object(jose.decode(token.split(".")[1].encode()))
    assert (claims["sub"], claims["kya"]["level"]) == (WRITER, 2)
    assert claims["iss"].startswith("spiffe://example.org/governd/signer/")
    assert claims["cnf"]["x5t#S256"]
    assert get(daemon).attestation == token
    assert get(daemon, WRITER, "reader").attestation == ""
    (record,) = records(daemon, "kya_attestation")
    assert record["token_id"] == claims["jti"]
    assert token not in daemon.decision_log.read_text()


@pytest.mark.req("gi-6", part=True)
def test_a_node_that_policy_makes_an_attester_counts_and_a_stolen_attestation_does_not(
    governd: StartGovernd, policy: Path
) -> None:
    attester = {"spiffe_id": "spiffe://example.org/governd/signer", "max_level": 3}
    manifest = policy / "manifest.toml"
    manifest.write_text(manifest.read_text() + kya_table([], [], [attester]))
    daemon = governd(policy=policy)
    token = register(daemon, SIGNED).attestation
    again = register(daemon, SIGNED, attestation=token)
    assert again.agent.attestation_fault == pb.ATTESTATION_FAULT_UNSPECIFIED
    assert again.agent.level == pb.KYA_LEVEL_SIGNED, "it attests no more than it knows"
    stolen = register(daemon, SIGNED, "reader", attestation=token)
    assert stolen.agent.attestation_fault == pb.ATTESTATION_FAULT_OTHER_AGENT


def test_what_is_no_card_is_refused_with_the_place(daemon: DaemonProcess) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        register(daemon, card(name=7))
    reason, metadata = refusal(caught.value)
    assert (reason, metadata["field"]) == ("CARD_INVALID", "card_json.name")
    with pytest.raises(grpc.RpcError) as caught:
        get(daemon)
    assert refusal(caught.value)[0] == "AGENT_UNKNOWN"


@pytest.mark.req("gi-6", part=True)
def test_a_card_is_verified_without_a_daemon(policy: Path, tmp_path: Path) -> None:
    file, key = tmp_path / "card.json", tmp_path / "key.json"
    file.write_bytes(sdk_signed())
    key.write_text(json.dumps(KEY["jwk"]))
    found = answer("card", "verify", file, "--policy", policy, "--caller", WRITER)
    assert (found["signature"], found["level"]) == ("VERIFIED", 2)
    assert found["digest"] == read(card()).digest == answer("card", "show", file)["digest"]
    assert answer("card", "verify", file, "--key", key)["level"] is None
    assert "not bound" in cli(
        "card", "verify", file, "--policy", policy, "--caller", READER, code=1
    )
    file.write_bytes(write({**SIGNED, "description": "Another."}))
    assert "failed" in cli("card", "verify", file, "--key", key, code=1)
    file.write_bytes(b'{"name": "a", "name": "b"}')
    assert "card.json" in cli("card", "show", file, code=1)


@pytest.mark.req("gi-6", part=True)
def test_an_agent_is_forgotten_over_a_restart_and_its_next_card_is_its_first(
    daemon: DaemonProcess,
) -> None:
    register(daemon, SIGNED)
    assert may_call(daemon)
    assert "say --yes" in cli("agent", "forget", WRITER, *admin(daemon), code=2)
    done = answer("agent", "forget", WRITER, "--yes", *admin(daemon))
    assert (done["spiffe_id"], done["level"]) == (WRITER, 2)
    assert not may_call(daemon)
    assert WRITER in cli("agent", "forget", WRITER, "--yes", *admin(daemon), code=3)
    daemon.stop()
    daemon.start()
    assert answer("agent", "list", *admin(daemon))["agents"] == []
    assert list(register(daemon, SWAPPED).agent.drift) == []
    assert may_call(daemon)
    (record,) = records(daemon, "agent_forgotten")
    assert record["card_digest"] == done["card_digest"]


def test_attack_an_agent_asks_for_one_of_another_tenant(
    governd: StartGovernd, policy: Path
) -> None:
    manifest = policy / "manifest.toml"
    tenant = f'[[tenant]]\nname = "acme"\nspiffe_prefixes = ["{WRITER}"]\n'
    manifest.write_text(manifest.read_text() + tenant)
    daemon = governd(policy=policy)
    register(daemon, SIGNED)
    assert get(daemon).agent.spiffe_id == WRITER
    with pytest.raises(grpc.RpcError) as caught:
        get(daemon, WRITER, "reader")
    hidden = refusal(caught.value)
    assert hidden[0] == "AGENT_UNKNOWN"
    with pytest.raises(grpc.RpcError) as caught:
        get(daemon, READER)
    assert refusal(caught.value)[0] == hidden[0]
    assert [one["code"] for one in records(daemon, "decision")] == ["NOT_PERMITTED"] * 2


def test_attack_an_agent_of_no_tenant_asks_for_another_of_none(
    governd: StartGovernd, policy: Path
) -> None:
    manifest = policy / "manifest.toml"
    tenant = '[[tenant]]\nname = "acme"\nspiffe_prefixes = ["spiffe://example.org/acme"]\n'
    manifest.write_text(manifest.read_text() + tenant)
    daemon = governd(policy=policy)
    register(daemon, SIGNED)
    assert get(daemon).agent.spiffe_id == WRITER
    with pytest.raises(grpc.RpcError) as caught:
        get(daemon, WRITER, "reader")
    assert refusal(caught.value)[0] == "AGENT_UNKNOWN"
    (record,) = records(daemon, "decision")
    assert (record["action"], record["code"]) == ("agent/invoke", "NOT_PERMITTED")
