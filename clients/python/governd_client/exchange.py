"""Questions that go out over one EvaluateStream, and the answers that come back.

Pure: says what to send next and whose an answer is; one ``Exchange`` lives as long as one
stream. Whoever waits for an answer is a value of any type, handed in with the question.

Rules:
    * A message holds all that waits, up to 256 questions and about 64 KiB.
    * At most 1,024 questions are with governd; the others wait here.
    * An answer counts once: further ones, and those to nobody's question, are ignored.
    * A question that nobody waits for any more still takes its place until it is answered;
      a stream with many such is ``stuck``.
"""

import itertools
from collections import OrderedDict
from typing import Final, Generic, TypeAlias, TypeVar

from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.errors import GoverndError, UnavailableError

MAX_QUESTIONS: Final = 256
MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_OUTSTANDING: Final = 1024
IDLE_SECONDS: Final = 10.0
"""A stream is closed after this long without a question."""

W = TypeVar("W")  # whoever waits
Reply: TypeAlias = types_pb2.Evaluation | GoverndError
"""What whoever waits gets."""


class StreamEndedError(UnavailableError):
    """The stream ended before the answer came: the question is to be asked again."""

    def __init__(self) -> None:
        """Says no more than that."""
        super().__init__("the stream ended without an answer")


class Exchange(Generic[W]):
    """One stream's questions.

    Attributes:
        ended: Whether the stream is over: nothing more is sent or answered.
    """

    def __init__(self, max_questions: int = MAX_QUESTIONS) -> None:
        """Begins with none.

        Args:
            max_questions: Questions in one message at most.
        """
        self.ended = False
        self._max_questions = max_questions
        self._numbers = itertools.count(1)
        self._waiting: OrderedDict[int, tuple[policy_service_pb2.StreamedQuestion, W]]
        self._waiting = OrderedDict()
        self._sent: dict[int, W] = {}
        self._forgotten: set[int] = set()

    @property
    def idle(self) -> bool:
        """Whether no question is here or with governd."""
        return not (self._waiting or self._sent or self._forgotten)

    @property
    def ready(self) -> bool:
        """Whether there is something to do: a message to send, or the end."""
        return self.ended or (bool(self._waiting) and self._room > 0)

    @property
    def stuck(self) -> bool:
        """Whether governd seems to answer no more."""
        return len(self._forgotten) >= MAX_OUTSTANDING // 2

    @property
    def _room(self) -> int:
        return MAX_OUTSTANDING - len(self._sent) - len(self._forgotten)

    def ask(self, request: policy_service_pb2.EvaluateRequest, traceparent: str, waiter: W) -> int:
        """Takes a question; returns its correlation id."""
        number = next(self._numbers)
        question = policy_service_pb2.StreamedQuestion(
            correlation_id=number, request=request, traceparent=traceparent
        )
        self._waiting[number] = question, waiter
        return number

    def message(self) -> policy_service_pb2.EvaluateStreamRequest:
        """What to send now; empty if nothing waits or too much is with governd."""
        message = policy_service_pb2.EvaluateStreamRequest()
        size = 0
        room = min(self._room, self._max_questions)
        while self._waiting and len(message.questions) < room:
            number, (question, waiter) = next(iter(self._waiting.items()))
            size += question.ByteSize()
            if message.questions and size > MAX_MESSAGE_BYTES:
                break
            message.questions.append(question)
            self._sent[number] = waiter
            del self._waiting[number]
        return message

    def answered(
        self, response: policy_service_pb2.EvaluateStreamResponse
    ) -> list[tuple[W, types_pb2.Evaluation]]:
        """Whose the answers are."""
        found: list[tuple[W, types_pb2.Evaluation]] = []
        for answer in response.answers:
            number = answer.correlation_id
            self._forgotten.discard(number)
            if number in self._sent:
                found.append((self._sent.pop(number), answer.evaluation))
        return found

    def forget(self, number: int) -> None:
        """Nobody waits for that answer any more. Does nothing where it has come."""
        self._waiting.pop(number, None)
        if self._sent.pop(number, None) is not None:
            self._forgotten.add(number)

    def end(self) -> list[W]:
        """The stream is over; returns who still waits."""
        self.ended = True
        left = [*self._sent.values(), *(waiter for _, waiter in self._waiting.values())]
        self._sent.clear()
        self._waiting.clear()
        self._forgotten.clear()
        return left


def answer_of(reply: Reply) -> types_pb2.Evaluation:
    """The answer that somebody waited for.

    Raises:
        GoverndError: There is none.
    """
    if isinstance(reply, GoverndError):
        raise reply
    return reply
