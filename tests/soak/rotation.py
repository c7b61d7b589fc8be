"""Callers whose short-lived identities rotate all the time, and a steady stream of calls.

    spire = start_spire(entries=[*own_entries(60), *entries(200, ttl=60)])
    daemon = governd(settings(spire, more=listeners(200)), listeners={})
    async with RotatingCallers(daemon, 200) as callers:
        await callers.until(lambda caller: caller.ready)
        ...
    assert not callers.failures

Every caller has a socket of its own at governd, follows its X.509-SVID there by the Workload
API, and calls over mTLS, on a new connection whenever it has another one, as SPIFFE libraries
do. Calls are sent at evenly spaced times whatever became of those before (an open loop); one
that fails is not tried again, and how long one takes counts from when it was due.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from governd.identity import SpiffeId, x509_material
from governd.identity.svid import X509Svid
from governd.services.workload_api import INTENT
from governd.services.workload_stubs import SERVICE, messages
from tests.integration.daemon_process import DaemonProcess
from tests.mtls_parts import peer_channel, who_am_i
from tests.spire_parts import Entry

_CLOSE_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 0.5
_WITHOUT = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE}


def entries(count: int, ttl: int) -> list[Entry]:
    """What an operator registers for the callers; ``ttl`` in seconds."""
    return [Entry(f"/{name}", (f"k8s:sa:{name}",), ttl=ttl) for name in _names(count)]


def listeners(count: int) -> str:
    """The listeners of the callers, for governd's configuration."""
    return "".join(
        f'[[listener]]\nattestation = "spire"\nname = "{name}"\nsocket = "{name}.sock"\n'
        f'selectors = ["k8s:sa:{name}"]\n'
        for name in _names(count)
    )


def _names(count: int) -> list[str]:
    return [f"caller-{number}" for number in range(count)]


class Caller:
    """One workload.

    Attributes:
        rotations: How often its identity was replaced.
        authorities: By which it verifies governd, DER.
    """

    def __init__(self, daemon: DaemonProcess, name: str) -> None:
        """Has no identity yet."""
        self.rotations = -1
        self.authorities: tuple[bytes, ...] = ()
        self._daemon = daemon
        self._name = name
        self._svid: X509Svid | None = None
        self._channel: grpc.aio.Channel | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether it can call."""
        return self._channel is not None

    async def follow(self) -> None:
        """Follows its identity, for ever.

        Raises:
            grpc.aio.AioRpcError: It had one, and is told no more of it.
        """
        path = self._daemon.directory / f"{self._name}.sock"
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            fetch: Any = channel.unary_stream(
                f"/{SERVICE}/FetchX509SVID",
                request_serializer=messages.X509SVIDRequest.SerializeToString,
                response_deserializer=messages.X509SVIDResponse.FromString,
            )
            while True:
                try:
                    async for response in fetch(messages.X509SVIDRequest(), metadata=(INTENT,)):
                        self._take(response.svids[0])
                except grpc.aio.AioRpcError as error:
                    if self.ready or error.code() not in _WITHOUT:
                        raise
                await asyncio.sleep(_AGAIN_SECONDS)

    def _take(self, found: messages.X509SVID) -> None:
        """Calls as that from now on; calls that have begun end on the connection before."""
        chain = tuple(x509_material._elements(found.x509_svid))
        svid = x509_material.x509_svid(SpiffeId.parse(found.spiffe_id), chain, found.x509_svid_key)
        self.authorities = tuple(x509_material.authorities(found.bundle))
        self.rotations += self._svid is None or svid.chain != self._svid.chain
        self._svid = svid
        before, self._channel = self._channel, peer_channel(self._daemon, svid, self.authorities)
        if before is not None:
            task = asyncio.ensure_future(before.close(_CLOSE_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def call(self) -> str:
        """One call; why it failed, or ``""``."""
        assert self._channel is not None
        assert self._svid is not None
        expected = str(self._svid.spiffe_id)
        try:
            who = await who_am_i(self._channel)
        except grpc.aio.AioRpcError as error:
            return f"{expected}: {error.code().name}: {error.details()}"
        return "" if who == expected else f"{expected} was taken for {who}"

    async def close(self) -> None:
        """Ends its connections."""
        if self._channel is not None:
            await self._channel.close()
        await asyncio.gather(*self._closing)


class RotatingCallers:
    """All of them.

    Attributes:
        seconds: What each call took, failed ones too.
        failures: Why calls failed, of each.
    """

    def __init__(self, daemon: DaemonProcess, count: int) -> None:
        """Starts nothing yet.

        Args:
            daemon: Has ``listeners(count)`` and one for mTLS.
            count: Of callers.
        """
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._callers = [Caller(daemon, name) for name in _names(count)]
        self._following: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def rotations(self) -> list[int]:
        """How often each caller's identity was replaced."""
        return [caller.rotations for caller in self._callers]

    async def __aenter__(self) -> Self:
        """Has every caller follow its identity."""
        self._following = [asyncio.ensure_future(caller.follow()) for caller in self._callers]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends everything."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await asyncio.gather(*(caller.close() for caller in self._callers))

    async def until(self, fits: Callable[[Caller], bool], seconds: float = 60) -> None:
        """Returns when that is true of every caller.

        Raises:
            grpc.aio.AioRpcError: One of them had an identity and has none any more.
        """
        async with asyncio.timeout(seconds):
            while not all(map(fits, self._callers)):
                for task in self._following:
                    if task.done():
                        task.result()
                await asyncio.sleep(_LOOK_SECONDS)

    async def call(self, *, per_second: float) -> None:
        """Calls at that rate, each caller in its turn, until this is cancelled."""
        began, number = time.monotonic(), 0
        try:
            while True:
                due = began + number / per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                caller = self._callers[number % len(self._callers)]
                task = asyncio.ensure_future(self._call(caller, due))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
                number += 1
        finally:
            await asyncio.gather(*self._calls)

    async def _call(self, caller: Caller, due: float) -> None:
        failure = await caller.call()
        self.seconds.append(time.monotonic() - due)
        if failure:
            self.failures.append(failure)
