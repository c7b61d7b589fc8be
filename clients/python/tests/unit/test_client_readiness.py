"""Waiting for an identity: what one who waits knows, and when it is given up."""

from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from governd_client import (
    GoverndError,
    InternalError,
    LimitExceededError,
    MalformedAnswerError,
    NotReadyError,
    Phase,
    UnavailableError,
)
from governd_client._proto.governd.v1 import identity_service_pb2
from governd_client.identity import Identity
from governd_client.readiness import LONGEST_PAUSE_SECONDS, Readiness, Waiting

Said = identity_service_pb2.WaitReadyResponse
WAITS = Said(phase=identity_service_pb2.PHASE_WAITING, reason="no registration entry matches")
AWAY = UnavailableError("nobody listens", code=grpc.StatusCode.UNAVAILABLE)


class Clock:
    """Time that passes when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiting(clock: Clock) -> Waiting:
    return Waiting(30, clock)


def test_only_ready_ends_a_wait(waiting: Waiting) -> None:
    until = Timestamp(seconds=1_800_000_000)
    assert waiting.heard(WAITS) is None
    assert waiting.heard(Said(reason="an older governd says no phase")) is None
    ready = waiting.heard(Said(phase=identity_service_pb2.PHASE_READY, not_after=until))
    assert ready == Readiness(Phase.READY, "", datetime.fromtimestamp(1_800_000_000, UTC))


def test_a_wait_that_is_late_says_what_it_waited_for_last(clock: Clock, waiting: Waiting) -> None:
    waiting.heard(WAITS)
    late = waiting.late()
    assert str(late) == "not ready within 30 s: no registration entry matches"
    assert late.waits_for == "no registration entry matches"
    clock.now += 29
    waiting.failed(AWAY)
    clock.now += 1
    with pytest.raises(NotReadyError, match="nobody listens"):
        waiting.failed(UnavailableError("cancelled", code=grpc.StatusCode.CANCELLED))


def test_a_governd_that_is_away_is_tried_again_after_growing_pauses(
    clock: Clock, waiting: Waiting
) -> None:
    pauses = []
    for _ in range(6):
        pauses.append(waiting.failed(AWAY))
        clock.now += pauses[-1]
    assert pauses[0] < pauses[1] < pauses[2]
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_SECONDS)
    waiting.heard(WAITS)
    assert waiting.failed(AWAY) == pytest.approx(pauses[0])


def test_no_pause_is_longer_than_what_is_left(clock: Clock, waiting: Waiting) -> None:
    clock.now += 29.99
    assert waiting.failed(AWAY) == pytest.approx(0.01)


def test_a_limit_says_for_how_long_it_is_used_up(waiting: Waiting) -> None:
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    assert waiting.failed(LimitExceededError("streams", code=code, retry_after=7.0)) == 7.0


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("the client is closed"),
        InternalError("a fault", code=grpc.StatusCode.INTERNAL),
        GoverndError("no such call", code=grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_what_waiting_does_not_help_is_told_at_once(waiting: Waiting, error: GoverndError) -> None:
    with pytest.raises(type(error)) as raised:
        waiting.failed(error)
    assert raised.value is error


def test_an_identity_says_whether_it_is_there_yet() -> None:
    answer = identity_service_pb2.WhoAmIResponse(
        phase=identity_service_pb2.PHASE_WAITING, reason="no registration entry matches"
    )
    identity = Identity.from_proto(answer)
    assert identity.readiness == Readiness(Phase.WAITING, "no registration entry matches", None)
    assert identity.spiffe_id == ""


def test_a_time_that_is_none_is_malformed() -> None:
    answer = Said(phase=identity_service_pb2.PHASE_READY, not_after=Timestamp(seconds=2**62))
    with pytest.raises(MalformedAnswerError) as raised:
        Readiness.from_proto(answer)
    assert raised.value.field == "not_after"
