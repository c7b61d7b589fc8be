"""What runs beside an ``AsyncClient``: following WatchEpoch, and reports. In tasks.

Each task begins when there is something for it to do, and ends when there is not.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine

from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.channel import REPORT_OUTCOME, WATCH_EPOCH, AsyncPort
from governd_client.errors import GoverndError
from governd_client.freshness import TICK_SECONDS
from governd_client.reports import INTERVAL_SECONDS
from governd_client.session import Session


class Tasks:
    """The tasks of one client."""

    def __init__(self) -> None:
        """Begins with none."""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, run: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Starts a task and holds it until it ends."""
        task = asyncio.get_running_loop().create_task(run, name=f"governd-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def cancel(self) -> None:
        """Ends them all."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class AsyncBackground:
    """The tasks of one client, but for those of its stream."""

    def __init__(self, port: AsyncPort, session: Session) -> None:
        """Starts nothing."""
        self._port = port
        self._session = session
        self._tasks = Tasks()
        self._closed = False

    def tend(self) -> None:
        """Starts what the session says is due, if an event loop runs."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # the next question starts it
        self._session.due = False
        if self._closed:
            return
        if self._session.watch.begin():
            self._tasks.start("watch", self._follow())
        if self._session.reports.begin():
            self._tasks.start("reports", self._report())

    async def close(self) -> None:
        """Ends the tasks, and reports what there is left, for half a second at most."""
        self._closed = True
        self._session.reports.closing()
        try:
            await self._tasks.cancel()
            await self._flush()
        finally:
            self._session.reports.close()

    async def _follow(self) -> None:
        watch = self._session.watch
        ticks = self._tasks.start("ticks", self._tick())
        failure: GoverndError | None = None
        try:
            async with contextlib.aclosing(self._port.stream(WATCH_EPOCH, _once())) as messages:
                async for message in messages:
                    if not watch.heard(message):
                        break
        except GoverndError as error:
            failure = error
        finally:
            ticks.cancel()
            watch.end(failure)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._session.watch.tick()

    async def _report(self) -> None:
        reports = self._session.reports
        with reports.released():
            while True:
                await asyncio.sleep(INTERVAL_SECONDS)
                await self._flush()
                if reports.end():
                    return

    async def _flush(self) -> None:
        reports = self._session.reports
        while (report := reports.take()) is not None:
            with reports.sending(report) as terms:
                await self._port.call(REPORT_OUTCOME, report, terms)


async def _once() -> AsyncIterator[policy_service_pb2.WatchEpochRequest]:
    yield policy_service_pb2.WatchEpochRequest()
