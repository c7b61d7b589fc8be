"""A governd whose agents act for users, to be asked for tokens and shown them.

Alice's ID tokens are of an issuer whose key the policy source states, so that nobody is asked
for it. The planner mints, the router is the audience: both are on record, durably, each time.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.daemon import Daemon, Setup, serving
from bench.load import Report, frame
from bench.scenario import Bench
from governd._proto.governd.v1 import delegation_service_pb2, delegation_service_pb2_grpc, types_pb2
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.delegating import (
    PLANNER,
    REQUEST,
    ROUTER,
    id_token,
    write_policy,
)

MINT = "/governd.v1.DelegationService/Mint"
VERIFY = "/governd.v1.DelegationService/Verify"
_USERS_TOKENS = 64
"""That are shown in turn, as the planner's users come back."""
_AT_ONCE = 8
_TIMEOUT_SECONDS = 30

pb = delegation_service_pb2


@dataclass(frozen=True)
class Acting:
    """That governd.

    Attributes:
        daemon: The process.
        folder: Scratch space.
        minting: Requests that mint, which may be repeated.
    """

    daemon: Daemon
    folder: Path
    minting: tuple[bytes, ...]

    @property
    def planner(self) -> Path:
        """The socket of the agent that mints."""
        return self.daemon.sockets[0]

    @property
    def router(self) -> Path:
        """The socket of the agent that receives."""
        return self.daemon.sockets[1]

    def mint_bodies(self) -> Path:
        """Requests to mint, for the client."""
        return frame(self.minting, self.folder / "mint")

    def verify_bodies(self, count: int) -> Path:
        """Requests to verify so many fresh tokens, for the client: each is good once."""
        with (
            grpc.insecure_channel(f"unix:{self.planner}") as channel,
            ThreadPoolExecutor(_AT_ONCE) as pool,
        ):
            stub = delegation_service_pb2_grpc.DelegationServiceStub(channel)

            def body(request: bytes) -> bytes:
                asked = pb.MintRequest.FromString(request)
                token = stub.Mint(asked, timeout=_TIMEOUT_SECONDS).delegation.token
                shown = pb.VerifyRequest(token=token, peer=PLANNER, request=REQUEST)
                return shown.SerializeToString()

            asked = itertools.islice(itertools.cycle(self.minting), count)
            return frame(list(pool.map(body, asked)), self.folder / "verify")

    def check_verified(self, before: int, calls: int) -> None:
        """Sees on record that whatever was verified was taken: a rejection may be cheaper.

        Args:
            before: How many lines were on record.
            calls: How many were made since.

        Raises:
            RuntimeError: It was not so.
        """
        log = self.daemon.folder / "state" / "decisions.jsonl"
        with log.open(encoding="utf-8") as lines:
            found = [json.loads(line) for line in itertools.islice(lines, before, None)]
        taken = sum(one["kind"] == "verify" and not one.get("rejected") for one in found)
        if taken != calls:
            message = f"{calls} tokens were verified, and {taken} were taken"
            raise RuntimeError(message)


@contextlib.contextmanager
def acting(bench: Bench) -> Iterator[Acting]:
    """Starts it, and waits until it serves and mints."""
    issuer = TokenIssuer()
    policy = write_policy(bench.folder / "acting-policy", issuer)
    minting = tuple(_minting(issuer, number) for number in range(_USERS_TOKENS))
    with serving(bench, Setup(("planner", "router"), policy)) as daemon:
        yield Acting(daemon, bench.folder, minting)


def check_minted(reports: list[Report]) -> None:
    """Sees that what was measured is a token.

    Raises:
        RuntimeError: It was not so.
    """
    for report in reports:
        reply = pb.MintResponse.FromString(bytes.fromhex(report.sample_reply))
        if not reply.delegation.token:
            message = f"nothing was minted: {reply}"
            raise RuntimeError(message)


def _minting(issuer: TokenIssuer, number: int) -> bytes:
    evidence = types_pb2.Evidence(id_token=id_token(issuer, jti=f"login-{number}"))
    return pb.MintRequest(
        audience=ROUTER,
        scopes=["tools:call:git/open", "tools:call:git/reset"],
        evidence=evidence,
        request=REQUEST,
    ).SerializeToString()
