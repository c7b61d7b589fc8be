"""The vectors of acting-as tokens, byte for byte, asked of a running governd.

The vectors are of a day that is over, and of an authority whose key was thrown away: see
``past_day`` for how governd comes to be there.

All vectors have the same issuer and token id. So that none is a replay of the one before, time
passes between two of them, and a token of a third trust domain is taken: governd forgets then
what nobody could use any more.
"""

import base64
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    delegation_service_pb2_grpc,
)
from tests.acting_as_vectors import Vector, agrees
from tests.conformance.vectors.acting_as.make.scene import ARRIVAL, EXPECTATIONS
from tests.fakes.authority import Authority
from tests.fakes.forge import NOW, TOOLS, Forge, nested
from tests.fakes.token_issuer import encode
from tests.integration.daemon_process import DaemonProcess
from tests.past_day import running
from tests.policies import source_files
from tests.served_vectors import SERVED, SUITES, asked, carried, result_of
from tests.wall_clock import WallClock

LATER = NOW + 1800
"""When nobody takes a vector's token any more, and the third domain's signer still counts."""
SWEEPER = "sweeper.example"
SIGNERS = f"spiffe://{SWEEPER}/governd/signer"
ACTOR = f"spiffe://{SWEEPER}/agent"
PATIENCE_SECONDS = 60.0


class Node:
    """A governd on the vectors' day, as their audience and its operator see it."""

    def __init__(self, daemon: DaemonProcess, clock: WallClock, sweeper: Forge) -> None:
        self._daemon, self._clock, self._sweeper = daemon, clock, sweeper
        self._numbers = itertools.count(1)
        self._issuers: Sequence[Any] = ()
        self._channels = [grpc.insecure_channel(daemon.target(one)) for one in ("tools", "admin")]
        self._verify = delegation_service_pb2_grpc.DelegationServiceStub(self._channels[0]).Verify
        self._admin = admin_service_pb2_grpc.AdminServiceStub(self._channels[1])

    def answer(self, vector: Vector, token: str) -> dict[str, Any]:
        """What governd says of a vector's token."""
        self._sweep()
        self._clock.set(vector["now"])
        self._expect(vector["expectations"])
        for used in vector["before"]:
            self._verify(asked(vector, used), timeout=10)
        return result_of(self._verify(asked(vector, token), timeout=10))

    def wait(self) -> None:
        """Waits for the trust bundles."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._sweep()
            except grpc.RpcError as error:
                assert time.monotonic() < end, error
                time.sleep(0.05)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def _expect(self, expected: Vector) -> None:
        """Has signers allowed and things revoked as a vector wants them."""
        if expected["issuers"] != self._issuers:
            self._issuers = expected["issuers"]
            manifest = self._daemon.policy_directory / "manifest.toml"
            manifest.write_bytes(files(self._issuers)["manifest.toml"])
            self._admin.Reload(admin_service_pb2.ReloadRequest(), timeout=30)
        revoked = expected["revoked"]
        for one in revoked["transactions"]:
            self._revoke(transaction=one)
        for one in revoked["tokens"]:
            self._revoke(token_id=one)
        for one in revoked["users"]:
            self._revoke(user=f"{one['issuer']}#{one['subject']}")
        for one in revoked["workloads"]:
            self._revoke(spiffe_id=one)

    def _revoke(self, **what: str) -> None:
        request = admin_service_pb2.RevokeRequest(revoked=admin_service_pb2.Revoked(**what))
        request.lifetime.FromSeconds(1)
        self._admin.Revoke(request, timeout=10)

    def _sweep(self) -> None:
        """Has governd forget what was revoked and what was used: time passes."""
        self._clock.set(LATER)
        self._revoke(transaction="nobody's")
        number = next(self._numbers).to_bytes(16)
        token = self._sweeper.token(
            jti=encode(number), txn="sweep", act=nested(ACTOR), iat=LATER, exp=LATER + 60
        )
        arrival = {**ARRIVAL, "peer": ACTOR}
        sweeping = {"expectations": EXPECTATIONS, "arrival": arrival}
        found = self._verify(asked(sweeping, token), timeout=10)
        assert found.HasField("verified"), found


def files(issuers: Sequence[Any]) -> dict[str, bytes]:
    """A policy source that allows these signers, and the third domain's."""
    rules = [*issuers, {"prefix": SIGNERS, "also_for": []}]
    tables = "".join(
        f'[[delegation.signer]]\nspiffe_id = "{one["prefix"]}"\n'
        f"also_for = {json.dumps(one['also_for'])}\n"
        for one in rules
    )
    return source_files(manifest=f"[delegation]\nmin_binding = 1\n{tables}")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    (stated,) = {json.dumps(suite["bundles"]) for suite in SUITES.values()}
    bundles = {
        name: [base64.b64decode(der) for der in ders] for name, ders in json.loads(stated).items()
    }
    sweeper = Forge(f"{SIGNERS}/n1", authority=Authority(SWEEPER))
    trusted = {**bundles, SWEEPER: sweeper.authority.bundle}
    folder = tmp_path_factory.mktemp("vectors")
    with running(folder, {"tools": TOOLS}, files(()), trusted) as (daemon, clock):
        node = Node(daemon, clock, sweeper)
        node.wait()
        yield node
        node.close()


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    "vector", [pytest.param(one, id=f"{suite}/{one['id']}") for suite, one in SERVED]
)
def test_a_running_governd_answers_as_the_vector_says(node: Node, vector: dict[str, Any]) -> None:
    token = carried(vector["presented"])
    assert token is not None
    found = node.answer(vector, token)
    assert agrees(found, vector["result"]), found
