"""What both clients ask of themselves: who this workload is, and whether it is that yet."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

from governd_client._proto.governd.v1 import identity_service_pb2
from governd_client.channel import WAIT_READY, WHO_AM_I, AsyncPort, Port, Stream
from governd_client.errors import GoverndError
from governd_client.identity import Identity
from governd_client.readiness import Readiness, Waiting, ended
from governd_client.terms import Terms, require_end
from governd_client.threads import start

READY_TIMEOUT_SECONDS: Final = 30.0
_REQUEST: Final = identity_service_pb2.WaitReadyRequest()


class IdentityCalls:
    """IdentityService, for the synchronous client."""

    _port: Port
    _terms: Terms

    def whoami(self, *, timeout: float | None = None) -> Identity:
        """Asks who governd takes this workload for.

        Raises:
            GoverndError: There is no answer.
        """
        request = identity_service_pb2.WhoAmIRequest()
        answer = self._port.call(WHO_AM_I, request, self._terms.of_call(timeout, None))
        return Identity.from_proto(answer)

    def wait_ready(self, *, timeout: float = READY_TIMEOUT_SECONDS) -> Readiness:
        """Waits until this workload has an identity, and for governd where that is away.

        Args:
            timeout: Seconds for all of it.

        Raises:
            NotReadyError: It took too long; the message says what was waited for last.
            GoverndError: Waiting is no help.
        """
        require_end(timeout)
        waiting = Waiting(timeout, time.monotonic)
        while True:
            try:
                return self._until_ready(waiting)
            except GoverndError as error:
                pause = waiting.failed(error)
            time.sleep(pause)

    def _until_ready(self, waiting: Waiting) -> Readiness:
        stream = self._port.stream(WAIT_READY, iter([_REQUEST]))
        with _cancelled_after(waiting.left, stream):
            for said in stream:
                if (readiness := waiting.heard(said)) is not None:
                    return readiness
        raise ended()


class AsyncIdentityCalls:
    """IdentityService, for the asynchronous client."""

    _port: AsyncPort
    _terms: Terms

    async def whoami(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
    ) -> Identity:
        """Asks who governd takes this workload for.

        Raises:
            GoverndError: There is no answer.
        """
        request = identity_service_pb2.WhoAmIRequest()
        answer = await self._port.call(WHO_AM_I, request, self._terms.of_call(timeout, None))
        return Identity.from_proto(answer)

    async def wait_ready(
        self,
        *,
        timeout: float = READY_TIMEOUT_SECONDS,  # noqa: ASYNC109 - as the synchronous one
    ) -> Readiness:
        """Waits until this workload has an identity, and for governd where that is away.

        Args:
            timeout: Seconds for all of it.

        Raises:
            NotReadyError: It took too long; the message says what was waited for last.
            GoverndError: Waiting is no help.
        """
        require_end(timeout)
        waiting = Waiting(timeout, time.monotonic)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return await self._until_ready(waiting)
                    except GoverndError as error:
                        pause = waiting.failed(error)
                    await asyncio.sleep(pause)
        except TimeoutError:
            raise waiting.late() from None

    async def _until_ready(self, waiting: Waiting) -> Readiness:
        async with contextlib.aclosing(self._port.stream(WAIT_READY, _once())) as stream:
            async for said in stream:
                if (readiness := waiting.heard(said)) is not None:
                    return readiness
        raise ended()


@contextlib.contextmanager
def _cancelled_after(
    seconds: float, stream: Stream[identity_service_pb2.WaitReadyResponse]
) -> Iterator[None]:
    """Cancels a stream at the end of the block, or of ``seconds``."""
    over = threading.Event()

    def run() -> None:
        if not over.wait(seconds):
            stream.cancel()

    try:
        if start("ready", run) is None:
            stream.cancel()  # nothing would end it: it is tried again
        yield
    finally:
        over.set()
        stream.cancel()


async def _once() -> AsyncIterator[identity_service_pb2.WaitReadyRequest]:
    yield _REQUEST
