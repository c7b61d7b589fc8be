"""Every vector of agent cards, registered at a running governd whose policy trusts the same.

The vectors are of a day that is over: see ``past_day``. Between two of them the agent is
forgotten, so that each first card is one.
"""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    agent_service_pb2,
    agent_service_pb2_grpc,
)
from tests.agent_cards import CALLER, THIEF
from tests.conformance.test_kya_vectors_registered import JSON, VECTORS, table
from tests.integration.daemon_process import DaemonProcess
from tests.integration.delegating import told
from tests.past_day import running
from tests.policies import source_files
from tests.wall_clock import WallClock

PATIENCE_SECONDS = 60.0
CALLERS = {str(CALLER): "planner", str(THIEF): "thief"}
pb = agent_service_pb2


class Node:
    """A governd on the vectors' day, as agents and the operator see it."""

    def __init__(self, daemon: DaemonProcess, clock: WallClock) -> None:
        self._daemon, self._clock = daemon, clock
        self._channels = {
            name: grpc.insecure_channel(daemon.target(name))
            for name in (*CALLERS.values(), "admin")
        }
        self._admin = admin_service_pb2_grpc.AdminServiceStub(self._channels["admin"])

    def result(self, vector: JSON) -> dict[str, Any]:
        """What governd makes of a vector's card."""
        self._clock.set(vector["now"])
        self._trust(vector["trust"])
        caller = vector["caller"]
        try:
            if "pinned_card" in vector:
                self._register(caller, vector["pinned_card"])
            agent = self._register(caller, vector["card"], vector.get("attestation", ""))
        except grpc.RpcError as error:
            return {"rejected": {"reason": told(error)[0]}}
        finally:
            self._forget(caller)
        return {"accepted": said(agent)}

    def wait(self, vector: JSON) -> None:
        """Waits for the trust bundles: until a vector that rests on them holds."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not agrees(self.result(vector), vector["result"]):
            assert time.monotonic() < end, "no trust bundle came"
            time.sleep(0.05)

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def _trust(self, trust: JSON) -> None:
        manifest = self._daemon.policy_directory / "manifest.toml"
        manifest.write_bytes(source_files(manifest=table(trust))["manifest.toml"])
        self._admin.Reload(admin_service_pb2.ReloadRequest(), timeout=30)

    def _register(self, caller: str, card: str, attestation: str = "") -> pb.Agent:
        stub = agent_service_pb2_grpc.AgentServiceStub(self._channels[CALLERS[caller]])
        request = pb.RegisterAgentRequest(card_json=base64.b64decode(card), attestation=attestation)
        return stub.RegisterAgent(request, timeout=20).agent

    def _forget(self, caller: str) -> None:
        try:
            request = admin_service_pb2.ForgetAgentRequest(spiffe_id=caller)
            self._admin.ForgetAgent(request, timeout=10)
        except grpc.RpcError as error:
            assert told(error)[0] == "AGENT_UNKNOWN"


def said(agent: pb.Agent) -> dict[str, Any]:
    """An answer as vectors have it."""
    signature = pb.CardSignatureStatus.Name(agent.signature)
    found: dict[str, Any] = {
        "digest": agent.card_digest,
        "signature": signature.removeprefix("CARD_SIGNATURE_STATUS_").lower(),
        "level": agent.level,
        "drift": [pb.DriftReason.Name(one).removeprefix("DRIFT_REASON_") for one in agent.drift],
    }
    if agent.attestation_fault:
        fault = pb.AttestationFault.Name(agent.attestation_fault)
        found["attestation"] = fault.removeprefix("ATTESTATION_FAULT_")
    return found


def agrees(found: JSON, wanted: JSON) -> bool:
    """Whether a result says at least what is wanted, and of no attestation that is not."""
    if found.keys() != wanted.keys():
        return False
    (verdict,) = wanted
    mine, stated = found[verdict], wanted[verdict]
    common = stated.keys() & mine.keys()
    same = bool(common) and all(mine[name] == stated[name] for name in common)
    return same and ("attestation" in mine) == ("attestation" in stated)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    (stated,) = {json.dumps(vector["trust"]["bundles"]) for vector in VECTORS}
    bundles = {
        name: [base64.b64decode(der) for der in ders] for name, ders in json.loads(stated).items()
    }
    listeners = {name: spiffe_id for spiffe_id, name in CALLERS.items()}
    attested = next(one for one in VECTORS if one["result"].get("accepted", {}).get("level") == 3)
    folder = tmp_path_factory.mktemp("cards")
    with running(folder, listeners, source_files(), bundles) as (daemon, clock):
        node = Node(daemon, clock)
        node.wait(attested)
        yield node
        node.close()


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_running_governd_makes_of_a_card_what_its_vector_states(node: Node, vector: JSON) -> None:
    found = node.result(vector)
    assert agrees(found, vector["result"]), found
