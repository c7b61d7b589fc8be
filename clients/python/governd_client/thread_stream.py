"""One EvaluateStream for all threads of a ``Client``."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.channel import EVALUATE_STREAM, CallTerms, Port
from governd_client.errors import CLOSED, GoverndError, UnavailableError
from governd_client.exchange import (
    IDLE_SECONDS,
    Exchange,
    Reply,
    StreamEndedError,
    answer_of,
)
from governd_client.session import Session
from governd_client.terms import late, traceparent_of
from governd_client.threads import JOIN_SECONDS, start

_Waiter: TypeAlias = "Future[Reply]"


@dataclass(eq=False, slots=True)
class _Life:
    """One stream, from its first question to its end."""

    exchange: Exchange[_Waiter]
    cancel: Callable[[], None] = field(default=lambda: None)


class ThreadStream:
    """Opens with a question, and closes after a while without any."""

    def __init__(self, port: Port, session: Session) -> None:
        """Opens nothing."""
        self._port = port
        self._session = session
        self._changed = threading.Condition()
        self._life: _Life | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(
        self, request: policy_service_pb2.EvaluateRequest, terms: CallTerms
    ) -> types_pb2.Evaluation:
        """Asks one question.

        Raises:
            StreamEndedError: The stream ended first.
            GoverndError: There is no answer.
        """
        waiter: _Waiter = Future()
        with self._changed:
            life = self._life or self._open()
            number = life.exchange.ask(request, traceparent_of(terms), waiter)
            self._changed.notify_all()
        try:
            return answer_of(waiter.result(terms["timeout"]))
        except TimeoutError as error:
            raise late() from error
        finally:
            with self._changed:
                life.exchange.forget(number)
            if life.exchange.stuck:
                self._end(life, StreamEndedError)

    def close(self) -> None:
        """Ends the stream; whoever waits for an answer gets an error."""
        with self._changed:
            self._closed = True
            life, thread = self._life, self._thread
        if life is not None:
            self._end(life, lambda: UnavailableError(CLOSED))
        if thread is not None:
            thread.join(JOIN_SECONDS)

    def _open(self) -> _Life:
        if self._closed:
            raise UnavailableError(CLOSED)
        life = _Life(Exchange(self._session.max_questions))
        self._thread = start("stream", lambda: self._read(life))
        if self._thread is None:
            raise StreamEndedError
        self._life = life
        return life

    def _read(self, life: _Life) -> None:
        failure: GoverndError | None = None
        try:
            stream = self._port.stream(EVALUATE_STREAM, self._messages(life))
            with self._changed:
                life.cancel = stream.cancel
                if life.exchange.ended:
                    stream.cancel()
            for response in stream:
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
        with self._changed:
            found = life.exchange.answered(response)
            self._changed.notify_all()  # there is room for more
        for waiter, evaluation in found:
            waiter.set_result(evaluation)

    def _messages(self, life: _Life) -> Iterator[policy_service_pb2.EvaluateStreamRequest]:
        while True:
            with self._changed:
                called = self._changed.wait_for(lambda: life.exchange.ready, IDLE_SECONDS)
                if life.exchange.ended:
                    return
                if not called and not life.exchange.idle:
                    continue
                if not called:
                    self._leave(life)
                    return
                message = life.exchange.message()
            yield message

    def _leave(self, life: _Life) -> None:
        """The next question opens another stream."""
        if self._life is life:
            self._life = None

    def _end(self, life: _Life, reason: Callable[[], GoverndError]) -> None:
        with self._changed:
            self._leave(life)
            left = life.exchange.end()
            self._changed.notify_all()
        for waiter in left:
            waiter.set_result(reason())
        life.cancel()
