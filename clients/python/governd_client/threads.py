"""What runs beside a ``Client``: following WatchEpoch, and reports. In daemon threads.

Each thread begins when there is something for it to do, and ends when there is not.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final

from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.channel import REPORT_OUTCOME, WATCH_EPOCH, Port, Stream
from governd_client.errors import CLOSED, GoverndError, UnavailableError
from governd_client.freshness import TICK_SECONDS
from governd_client.reports import INTERVAL_SECONDS
from governd_client.session import Session

JOIN_SECONDS: Final = 1.0
"""How long a close waits for a thread, which has nothing to wait for any more."""


def start(name: str, run: Callable[[], None]) -> threading.Thread | None:
    """Starts a daemon thread; ``None`` where the system has none to give."""
    thread = threading.Thread(target=run, name=f"governd-{name}", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


@contextlib.contextmanager
def _every(seconds: float, do: Callable[[], None]) -> Iterator[None]:
    """Does something again and again in a thread of its own, if there is one to have."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds):
            do()

    thread = start("ticks", run)
    try:
        yield
    finally:
        over.set()
        if thread is not None:
            thread.join(JOIN_SECONDS)


class Background:
    """The threads of one client, but for those of its stream."""

    def __init__(self, port: Port, session: Session) -> None:
        """Starts nothing."""
        self._port = port
        self._session = session
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watch: Stream[policy_service_pb2.WatchEpochResponse] | None = None
        self._threads: dict[str, threading.Thread] = {}

    def tend(self) -> None:
        """Starts what the session says is due."""
        self._session.due = False
        if self._closed.is_set():
            return
        watch = self._session.watch
        if watch.begin() and not self._start("watch", self._follow):
            watch.end(None)
        if self._session.reports.begin() and not self._start("reports", self._report):
            self._session.reports.end()

    def close(self) -> None:
        """Ends the threads, and reports what there is left, for half a second at most."""
        self._session.reports.closing()
        with self._lock:
            self._closed.set()
            watch = self._watch
        if watch is not None:
            watch.cancel()
        try:
            self._flush()
            for thread in list(self._threads.values()):
                thread.join(JOIN_SECONDS)
        finally:
            self._session.reports.close()

    def _start(self, name: str, run: Callable[[], None]) -> bool:
        thread = start(name, run)
        if thread is not None:
            self._threads[name] = thread
        return thread is not None

    def _follow(self) -> None:
        failure: GoverndError | None = None
        try:
            with _every(TICK_SECONDS, self._session.watch.tick):
                for message in self._open_watch():
                    if not self._session.watch.heard(message):
                        break
        except GoverndError as error:
            failure = error
        finally:
            self._session.watch.end(failure)
            with self._lock:
                watch, self._watch = self._watch, None
            if watch is not None:
                watch.cancel()

    def _open_watch(self) -> Stream[policy_service_pb2.WatchEpochResponse]:
        with self._lock:
            if self._closed.is_set():
                raise UnavailableError(CLOSED)
            requests = iter([policy_service_pb2.WatchEpochRequest()])
            self._watch = self._port.stream(WATCH_EPOCH, requests)
            return self._watch

    def _report(self) -> None:
        reports = self._session.reports
        with reports.released():
            while not self._closed.wait(INTERVAL_SECONDS):
                self._flush()
                if reports.end():
                    return

    def _flush(self) -> None:
        reports = self._session.reports
        while (report := reports.take()) is not None:
            with reports.sending(report) as terms:
                self._port.call(REPORT_OUTCOME, report, terms)
