"""One EvaluateStream for all tasks of an ``AsyncClient``."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.channel import EVALUATE_STREAM, AsyncPort, CallTerms
from governd_client.errors import CLOSED, GoverndError, UnavailableError
from governd_client.exchange import (
    IDLE_SECONDS,
    Exchange,
    Reply,
    StreamEndedError,
    answer_of,
)
from governd_client.session import Session
from governd_client.tasks import Tasks
from governd_client.terms import late, traceparent_of

_Waiter: TypeAlias = "asyncio.Future[Reply]"


@dataclass(eq=False, slots=True)
class _Life:
    """One stream, from its first question to its end."""

    exchange: Exchange[_Waiter]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    cancel: Callable[[], object] = field(default=lambda: None)


class TaskStream:
    """Opens with a question, and closes after a while without any."""

    def __init__(self, port: AsyncPort, session: Session) -> None:
        """Opens nothing."""
        self._port = port
        self._session = session
        self._life: _Life | None = None
        self._tasks = Tasks()
        self._closed = False

    async def ask(
        self, request: policy_service_pb2.EvaluateRequest, terms: CallTerms
    ) -> types_pb2.Evaluation:
        """Asks one question.

        Raises:
            StreamEndedError: The stream ended first.
            GoverndError: There is no answer.
        """
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        life = self._life or self._open()
        number = life.exchange.ask(request, traceparent_of(terms), waiter)
        life.changed.set()
        alarm = loop.call_later(terms["timeout"], _reply, waiter, late())
        try:
            return answer_of(await waiter)
        finally:
            alarm.cancel()
            life.exchange.forget(number)
            if life.exchange.stuck:
                self._end(life, StreamEndedError)
                life.cancel()

    async def close(self) -> None:
        """Ends the stream; whoever waits for an answer gets an error."""
        self._closed = True
        if self._life is not None:
            self._end(self._life, lambda: UnavailableError(CLOSED))
        await self._tasks.cancel()

    def _open(self) -> _Life:
        if self._closed:
            raise UnavailableError(CLOSED)
        life = _Life(Exchange(self._session.max_questions))
        life.cancel = self._tasks.start("stream", self._read(life)).cancel
        self._life = life
        return life

    async def _read(self, life: _Life) -> None:
        failure: GoverndError | None = None
        try:
            stream = self._port.stream(EVALUATE_STREAM, self._messages(life))
            async with contextlib.aclosing(stream) as responses:
                async for response in responses:
                    self._hand_out(life, response)
            if not life.exchange.idle:
                failure = StreamEndedError()
        except GoverndError as error:
            failure = error
        finally:
            self._session.end_stream(None if life.exchange.ended else failure)
            self._end(life, StreamEndedError)

    def _hand_out(self, life: _Life, response: policy_service_pb2.EvaluateStreamResponse) -> None:
        self._session.stream_worked()
        for waiter, evaluation in life.exchange.answered(response):
            _reply(waiter, evaluation)
        life.changed.set()  # there is room for more

    async def _messages(
        self, life: _Life
    ) -> AsyncIterator[policy_service_pb2.EvaluateStreamRequest]:
        while True:
            while not life.exchange.ready:
                life.changed.clear()
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        await life.changed.wait()
                except TimeoutError:
                    if life.exchange.idle:
                        self._leave(life)
                        return
            if life.exchange.ended:
                return
            yield life.exchange.message()

    def _leave(self, life: _Life) -> None:
        """The next question opens another stream."""
        if self._life is life:
            self._life = None

    def _end(self, life: _Life, reason: Callable[[], GoverndError]) -> None:
        self._leave(life)
        for waiter in life.exchange.end():
            _reply(waiter, reason())
        life.changed.set()


def _reply(waiter: _Waiter, reply: Reply) -> None:
    if not waiter.done():  # it is where the deadline passed or its task was cancelled
        waiter.set_result(reply)
