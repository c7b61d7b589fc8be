"""The vectors of acting-as tokens, asked of DelegationService over gRPC as their audience.

Here the service stands on a listener of its own, with the vectors' time and trust bundles;
``test_acting_as_daemon`` asks a whole governd. What a token says, and how it is carried, the
service is not told: carriage is its caller's affair (``test_acting_as_vectors``).
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from governd._proto.governd.v1 import delegation_service_pb2 as pb
from governd._proto.governd.v1 import delegation_service_pb2_grpc
from governd.application import call
from governd.delegation.revocations import Revocations
from governd.identity import SpiffeId
from governd.identity.user import User
from governd.services.delegation_service import DelegationServicer
from tests.acting_as_vectors import agrees
from tests.fakes.delegating import Delegating
from tests.served_vectors import LEVELS, SERVED, SUITES, VECTORS, asked, carried, result_of


class Served(DelegationServicer):
    """The service before a caller that a test states."""

    audience = ""
    node: Delegating

    async def Verify(self, request: pb.VerifyRequest, context: Any) -> pb.VerifyResponse:  # noqa: N802
        with call.serving(self.node.call(self.audience)):
            return await super().Verify(request, context)


async def node_of(suite: Mapping[str, Any], vector: Mapping[str, Any]) -> Delegating:
    """A governd that expects what a vector expects."""
    expected = vector["expectations"]
    rules = f"[delegation]\nmin_binding = {LEVELS[expected['least_binding']]}\n" + "".join(
        f'[[delegation.signer]]\nspiffe_id = "{one["prefix"]}"\n'
        f"also_for = {json.dumps(one['also_for'])}\n"
        for one in expected["issuers"]
    )
    node = Delegating(rules=rules)
    ders = {name: [base64.b64decode(der) for der in found] for name, found in suite.items()}
    await node.open(ders)
    node.time.wall = datetime.fromtimestamp(vector["now"], UTC).timestamp()
    revoked = expected["revoked"]
    node.revocations = Revocations(
        frozenset(revoked["transactions"]),
        frozenset(revoked["tokens"]),
        frozenset(User(one["issuer"], one["subject"]) for one in revoked["users"]),
        frozenset(map(SpiffeId.parse, revoked["workloads"])),
    )
    return node


async def answer(
    node: Delegating, vector: Mapping[str, Any], token: str, socket: Path
) -> pb.VerifyResponse:
    """What the service says over a real channel."""
    served = Served(node.delegator, node.verifier)
    served.node, served.audience = node, vector["expectations"]["audiences"][-1]
    server = grpc.aio.server()
    delegation_service_pb2_grpc.add_DelegationServiceServicer_to_server(served, server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
            stub = delegation_service_pb2_grpc.DelegationServiceStub(channel)
            verify = cast("Any", stub.Verify)
            for used in vector["before"]:
                await verify(asked(vector, used))
            return cast("pb.VerifyResponse", await verify(asked(vector, token)))
    finally:
        await server.stop(None)


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("suite", "vector"), [pytest.param(*one, id=f"{one[0]}/{one[1]['id']}") for one in SERVED]
)
async def test_the_service_answers_as_the_vector_says(
    suite: str, vector: dict[str, Any], tmp_path: Path
) -> None:
    node = await node_of(SUITES[suite]["bundles"], vector)
    token = carried(vector["presented"])
    assert token is not None
    try:
        async with asyncio.timeout(30):
            found = await answer(node, vector, token, tmp_path / "s")
    except grpc.aio.AioRpcError as error:
        pytest.fail(f"{error.code()}: {error.details()}")
    assert agrees(result_of(found), vector["result"]), found


def test_most_vectors_reach_the_service() -> None:
    assert len(SERVED) > len(VECTORS) * 0.9
