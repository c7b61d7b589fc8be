"""Watches X.509-SVIDs at SPIRE's socket and at governd's: which comes when."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import grpc.aio

from bench import spire, workload
from governd._proto.spire.api.agent.delegatedidentity.v1 import (
    delegatedidentity_pb2,
    delegatedidentity_pb2_grpc,
)
from governd._proto.spire.api.types import types_pb2
from governd.services.workload_stubs import messages


class Seen:
    """When each chain of certificates was seen first, in monotonic seconds."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self._at_spire: dict[bytes, float] = {}
        self._at_governd: dict[bytes, float] = {}

    def late(self, since: float) -> list[float]:
        """How many milliseconds later governd told than SPIRE; of what came ``since`` then.

        Raises:
            RuntimeError: Nothing came.
        """
        found = [
            (governd - at) * 1000
            for chain, governd in self._at_governd.items()
            if (at := self._at_spire.get(chain, 0.0)) > since
        ]
        if not found:
            message = "nothing rotated while it was watched"
            raise RuntimeError(message)
        return found

    async def at_spire(
        self, said: AsyncIterable[delegatedidentity_pb2.SubscribeToX509SVIDsResponse]
    ) -> None:
        """Notes what the agent says."""
        async for one in said:
            for svid in one.x509_svids:
                chain = b"".join(svid.x509_svid.cert_chain)
                self._at_spire.setdefault(chain, time.monotonic())

    async def at_governd(self, said: "AsyncIterable[messages.X509SVIDResponse]") -> None:
        """Notes what governd says."""
        async for one in said:
            for svid in one.svids:
                self._at_governd.setdefault(svid.x509_svid, time.monotonic())


@contextlib.asynccontextmanager
async def watching(agent: Path, daemon: Path, count: int) -> AsyncIterator[Seen]:
    """Watches some workloads in the block.

    Args:
        agent: The SPIRE agent's admin socket.
        daemon: Where governd's sockets are.
        count: Workloads 0 to this are watched.
    """
    seen = Seen()
    async with contextlib.AsyncExitStack() as stack:
        admin = await stack.enter_async_context(grpc.aio.insecure_channel(f"unix:{agent}"))
        stub = delegatedidentity_pb2_grpc.DelegatedIdentityStub(admin)
        tasks = []
        for number in range(count):
            target = f"unix:{spire.socket(number, daemon)}"
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(target))
            tasks += [
                asyncio.ensure_future(seen.at_spire(stub.SubscribeToX509SVIDs(_request(number)))),
                asyncio.ensure_future(seen.at_governd(workload.fetch(channel))),
            ]
        yield seen
        for task in tasks:
            if task.done():
                task.result()  # raises what ended it
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _request(number: int) -> delegatedidentity_pb2.SubscribeToX509SVIDsRequest:
    kind, _, value = spire.selector(number).partition(":")
    selectors = [types_pb2.Selector(type=kind, value=value)]
    return delegatedidentity_pb2.SubscribeToX509SVIDsRequest(selectors=selectors)
