"""The Workload API on a real listener, before a source of identities that a test writes.

Stock clients block; so the server has a thread and an event loop of its own.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from governd.application.occupant import Naming, Occupant
from governd.endpoints.chain import Chain
from governd.endpoints.doors import Doors
from governd.endpoints.health import reflection_of
from governd.endpoints.limits import Admissions
from governd.endpoints.listener import Listener
from governd.endpoints.methods import Methods
from governd.endpoints.places import SocketPlace
from governd.identity.ports import IdentitySource
from governd.observability.metrics import Metrics
from governd.services import workload_stubs
from tests.fakes.workloads import WorkloadParts
from tests.integration.endpoints.doors import Limits

Result = TypeVar("Result")


class RealTime:
    """Time as it passes."""

    def clock(self) -> float:
        return time.monotonic()

    def wall_clock(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class WorkloadServer:
    """A workload's socket.

    Attributes:
        socket: Its path.
    """

    def __init__(
        self, socket: Path, policy: str, make_source: Callable[[], IdentitySource]
    ) -> None:
        """Serves nothing yet; the source is made in the server's event loop."""
        self.socket = socket
        self._policy = policy
        self._make_source = make_source
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def address(self) -> str:
        """As workloads have it in SPIFFE_ENDPOINT_SOCKET."""
        return f"unix://{self.socket}"

    @property
    def records(self) -> list[dict[str, Any]]:
        """What is on record."""
        return self._parts.records

    @property
    def ids(self) -> list[str]:
        """What the workload has."""

        async def held() -> list[str]:
            found = self._parts.held
            return [str(svid.spiffe_id) for svid in found.state.svids] if found else []

        return self._run(held())

    def start(self) -> None:
        """Returns when it answers."""
        self._thread.start()
        self._run(self._start())

    def do(self, change: Callable[[], object]) -> None:
        """Does something in the server's event loop."""

        async def changed() -> None:
            change()

        self._run(changed())

    def drain(self) -> int:
        """Drains; how many calls had to be ended."""
        return self._run(self._listener.drain(grace=1.0))

    def stop(self) -> None:
        """Ends everything."""
        try:
            self._run(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _start(self) -> None:
        source = self._make_source()
        self._parts = WorkloadParts(source, RealTime(), self._policy, patience_seconds=0.1)
        await self._parts.open()
        self._listener = _listener(self.socket, self._parts)
        await self._listener.start()

    async def _stop(self) -> None:
        await self._listener.stop()
        await self._parts.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


def _listener(socket: Path, parts: WorkloadParts) -> Listener:
    """Wired as the composition root does."""
    limits, metrics = Limits(), Metrics(CollectorRegistry(), version="test", actions=())
    chain = Chain(message_bytes=65_536, metrics=metrics, log=structlog.get_logger("test"))

    def register(server: Methods) -> None:
        workload_stubs.add_to_server(parts.servicer, server)

    assert parts.held is not None
    methods = Methods([register, reflection_of([workload_stubs.SERVICE])], chain)
    doors = Doors(limits, Admissions(limits), metrics, time.monotonic)
    occupant = Occupant(parts.held, Naming("example.org", spire=True))
    return doors.of_workload(occupant, SocketPlace(socket, 0o660), methods)
