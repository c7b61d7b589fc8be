"""Two thousand tokens that are nearly right: governd and the receiver in Go answer alike."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from governd._proto.governd.v1 import delegation_service_pb2_grpc
from tests.conformance.test_acting_as_daemon import Node, files
from tests.fakes.authority import Authority
from tests.fakes.forge import NOW, SIGNERS, TOOLS, Forge
from tests.mutated_tokens import mutated
from tests.offline_receiver import receive
from tests.past_day import running
from tests.served_vectors import asked, result_of

SWEEPER = "sweeper.example"
COUNT = 2000


def told(
    verify: delegation_service_pb2_grpc.DelegationServiceStub, vector: Mapping[str, Any]
) -> dict[str, Any]:
    """What governd says; nothing where a request could not have come like that."""
    try:
        return result_of(verify.Verify(asked(vector, vector["presented"]["token"]), timeout=10))
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
        return {}


@pytest.mark.req("gi-3", part=True)
@pytest.mark.req("r-3", part=True)
def test_tokens_that_are_nearly_right_are_answered_alike(tmp_path: Path) -> None:
    forge = Forge()
    sweeper = Forge(f"spiffe://{SWEEPER}/governd/signer/n1", authority=Authority(SWEEPER))
    bundles = {one.authority.trust_domain: one.authority.bundle for one in (forge, sweeper)}
    vectors = list(mutated(8, COUNT, forge))
    stated = {
        name: [base64.b64encode(der).decode() for der in ders] for name, ders in bundles.items()
    }
    theirs = receive({"bundles": stated, "vectors": vectors})
    policy = files([{"prefix": SIGNERS, "also_for": []}])
    with running(tmp_path, {"tools": TOOLS}, policy, bundles) as (daemon, clock):
        node = Node(daemon, clock, sweeper)
        node.wait()
        clock.set(NOW)
        with grpc.insecure_channel(daemon.target("tools")) as channel:
            stub = delegation_service_pb2_grpc.DelegationServiceStub(channel)
            ours = {one["id"]: told(stub, one) for one in vectors}
        node.close()
    differ = {key: (one, theirs[key]) for key, one in ours.items() if one and one != theirs[key]}
    assert not differ
    assert all("rejected" in theirs[key] for key, one in ours.items() if not one)
    taken = sum("accepted" in one for one in ours.values())
    assert 0 < taken < COUNT / 2, "some are right, and most are not"
