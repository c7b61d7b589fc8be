"""The part of ``testing.FakeGovernd`` that streams."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from governd_client._proto.governd.v1 import (
    identity_service_pb2,
    policy_service_pb2,
    types_pb2,
)
from governd_client.channel import EVALUATE_STREAM, WAIT_READY, WATCH_EPOCH
from governd_client.fake_stream import BEAT_SECONDS, Put

Arrange = Callable[
    [list[policy_service_pb2.StreamedAnswer]], Iterable[list[policy_service_pb2.StreamedAnswer]]
]


def status_of(code: str, reason: str = "", **metadata: str) -> status_pb2.Status:
    """An error of governd, by the name of its gRPC status, its reason and further facts."""
    status = status_pb2.Status(code=grpc.StatusCode[code].value[0], message=reason.lower())
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="governd", metadata=metadata)
        status.details.add().Pack(info)
    return status


class FakeStreams(ABC):
    """Says what it is told on all streams that are open.

    Attributes:
        arrange: Sorts the answers to a message of a stream into the messages that go back.
        requests: The requests so far, those on streams included.
        messages: The messages of EvaluateStream so far.
    """

    def __init__(self) -> None:
        """Begins with no stream, in an epoch."""
        self.arrange: Arrange = lambda answers: [answers]
        self.requests: list[Any] = []
        self.messages: list[policy_service_pb2.EvaluateStreamRequest] = []
        self._epoch = "1"
        self._silent = False
        self._waits_for = ""
        self._streams: dict[Put, str] = {}
        self._lock = threading.RLock()

    @abstractmethod
    def judge(self, request: policy_service_pb2.EvaluateRequest) -> types_pb2.Evaluation:
        """Answers one question."""

    @abstractmethod
    def refusal(self, path: str) -> status_pb2.Status | None:
        """What a call of a method fails with now."""

    @property
    def epoch(self) -> str:
        """The epoch of its answers. Setting it tells whoever watches, also if it is the same."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: str) -> None:
        """Tells whoever watches."""
        with self._lock:
            self._epoch = epoch
            self._silent = False
            for put, path in self._streams.items():
                if path == WATCH_EPOCH.path:
                    put(self._state())

    @property
    def waits_for(self) -> str:
        """What callers wait for, who have no identity yet; ``""`` when they have one."""
        return self._waits_for

    @waits_for.setter
    def waits_for(self, reason: str) -> None:
        """Tells whoever waits."""
        with self._lock:
            self._waits_for = reason
            for put, path in self._streams.items():
                if path == WAIT_READY.path:
                    self._tell_readiness(put)

    @property
    def phase(self) -> identity_service_pb2.Phase.ValueType:
        """How far callers are."""
        waiting, ready = identity_service_pb2.PHASE_WAITING, identity_service_pb2.PHASE_READY
        return waiting if self._waits_for else ready

    @property
    def watchers(self) -> int:
        """How many streams of WatchEpoch are open."""
        with self._lock:
            return sum(path == WATCH_EPOCH.path for path in self._streams.values())

    @property
    def streams(self) -> int:
        """How many streams of EvaluateStream are open."""
        with self._lock:
            return sum(path == EVALUATE_STREAM.path for path in self._streams.values())

    @property
    def waiters(self) -> int:
        """How many streams of WaitReady are open."""
        with self._lock:
            return sum(path == WAIT_READY.path for path in self._streams.values())

    def silent(self) -> None:
        """Says nothing more on WatchEpoch, until ``epoch`` is set."""
        self._silent = True

    def drain(self) -> None:
        """Ends all streams, as a governd that stops does."""
        with self._lock:
            for put in self._streams:
                put(status_of("UNAVAILABLE", "DRAINING"))

    def end(self) -> None:
        """Ends all streams as if there were no more to say."""
        with self._lock:
            for put in self._streams:
                put(None)

    def opened(self, path: str, put: Put) -> None:
        """Begins a stream: what it says is put there."""
        refusal = self.refusal(path)
        if refusal is not None:
            put(refusal)
            return
        with self._lock:
            self._streams[put] = path
            if path == WATCH_EPOCH.path and not self._silent:
                put(self._state())
            if path == WAIT_READY.path:
                self._tell_readiness(put)

    def heard(self, request: Any, put: Put) -> None:  # noqa: ANN401 - of any stream
        """Answers a message of a stream; ``None`` is its end."""
        if request is None and self._streams.get(put) == EVALUATE_STREAM.path:
            put(None)
        if not isinstance(request, policy_service_pb2.EvaluateStreamRequest):
            return
        self.messages.append(request)
        if not request.questions:
            put(status_of("INVALID_ARGUMENT", "REQUEST_INVALID"))
        answers = []
        for each in request.questions:
            self.requests.append(each.request)
            answer = self.judge(each.request)
            answers.append(
                policy_service_pb2.StreamedAnswer(
                    correlation_id=each.correlation_id, evaluation=answer
                )
            )
        for group in self.arrange(answers):
            put(policy_service_pb2.EvaluateStreamResponse(answers=group))

    def beat(self, put: Put) -> None:
        """Tells the epoch again to one who watches."""
        with self._lock:
            if not self._silent and self._streams.get(put) == WATCH_EPOCH.path:
                put(self._state())

    def closed(self, put: Put) -> None:
        """Ends a stream."""
        with self._lock:
            self._streams.pop(put, None)

    def _tell_readiness(self, put: Put) -> None:
        put(identity_service_pb2.WaitReadyResponse(phase=self.phase, reason=self._waits_for))
        if not self._waits_for:
            put(None)

    def _state(self) -> policy_service_pb2.WatchEpochResponse:
        state = policy_service_pb2.WatchEpochResponse(
            policy=types_pb2.PolicyInfo(epoch=self._epoch)
        )
        state.beat.FromMilliseconds(round(BEAT_SECONDS * 1000))
        state.silence.FromMilliseconds(1200)
        return state
