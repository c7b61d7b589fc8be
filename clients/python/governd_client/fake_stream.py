"""Streams of ``testing.FakeGovernd``: in memory, and below its gRPC server."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, Final, Generic, Protocol, Self, TypeAlias

from google.protobuf.message import Message
from google.rpc import status_pb2

from governd_client.channel import A, Method, Q
from governd_client.statuses import from_status

BEAT_SECONDS: Final = 0.4
CANCELLED: Final = status_pb2.Status(code=1, message="cancelled")

Item: TypeAlias = Any
"""An answer; or what the stream ends with: a ``google.rpc.Status``, or ``None`` for OK."""
Put: TypeAlias = Callable[[Item], object]


class Governd(Protocol):
    """What a stream needs of the fake."""

    def opened(self, path: str, put: Put) -> None:
        """A stream of that method begins; what it says is to be put there."""

    def heard(self, request: Any, put: Put) -> None:  # noqa: ANN401 - of any stream
        """The stream brought a message, ``None`` for no more."""

    def beat(self, put: Put) -> None:
        """Nothing was said for a while."""

    def closed(self, put: Put) -> None:
        """The stream is over."""


class FakeStream(Generic[A]):
    """One streaming call, to be read in one thread."""

    def __init__(self, governd: Governd, method: Method[Q, A], requests: Iterator[Q]) -> None:
        """Begins; ``requests`` is read in a thread of its own."""
        self._governd = governd
        self._method: Method[Any, A] = method
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._put = self._items.put
        governd.opened(method.path, self._put)
        threading.Thread(target=self._feed, args=(requests,), daemon=True).start()

    def _feed(self, requests: Iterator[Any]) -> None:
        try:
            for request in requests:
                self._governd.heard(request, self._put)
            self._governd.heard(None, self._put)
        except Exception:  # noqa: BLE001 - so gRPC says that the other side is gone
            self.cancel()

    def item(self) -> Item:
        """Waits for what comes next."""
        while True:
            try:
                return self._items.get(timeout=BEAT_SECONDS)
            except queue.Empty:
                self._governd.beat(self._put)

    def __iter__(self) -> Self:
        """Returns the stream itself."""
        return self

    def __next__(self) -> A:
        """Waits for the next answer."""
        item = self.item()
        if item is None:
            raise StopIteration
        return answer_of(self._method, item)

    def cancel(self) -> None:
        """Ends the call, from any thread."""
        self._governd.closed(self._put)
        self._put(CANCELLED)


async def fake_stream(
    governd: Governd, method: Method[Q, A], requests: AsyncIterator[Q]
) -> AsyncGenerator[A, None]:
    """One streaming call, in tasks."""
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[Item] = asyncio.Queue()

    def put(item: Item) -> None:  # from any thread
        loop.call_soon_threadsafe(items.put_nowait, item)

    async def feed() -> None:
        async for request in requests:
            governd.heard(request, put)
        governd.heard(None, put)

    feeding = loop.create_task(feed())
    governd.opened(method.path, put)
    try:
        while True:
            try:
                item = await asyncio.wait_for(items.get(), BEAT_SECONDS)
            except TimeoutError:
                governd.beat(put)
                continue
            if item is None:
                return
            yield answer_of(method, item)
    finally:
        governd.closed(put)
        feeding.cancel()


def answer_of(method: Method[Any, A], item: Message) -> A:
    """An answer as it comes from the wire.

    Raises:
        GoverndError: It is a status.
    """
    if isinstance(item, status_pb2.Status):
        raise from_status(item)
    return method.answer.FromString(item.SerializeToString())
