"""What a client knows between its calls, at times and in processes that a test sets."""

import pytest

from governd_client import (
    Decision,
    InvalidRequestError,
    LimitExceededError,
    Outcome,
    UnavailableError,
)
from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.freshness import TICK_SECONDS
from governd_client.outcomes import AnswerPath
from governd_client.question import key_of
from governd_client.session import Session, boottime
from governd_client.statuses import from_status
from governd_client.testing import deny, permit, status_of
from governd_client.watching import IDLE_SECONDS

KEY = key_of("tools/call", ("tool", "git/git_log"), None, None)


class World:
    """A session with the time and the process id that a test sets."""

    def __init__(self, *, leases: bool = True) -> None:
        self.now = 100.0
        self.pid = 1
        self.session = Session(leases=leases, clock=lambda: self.now, pid=lambda: self.pid)

    def answer(
        self, evaluation: types_pb2.Evaluation | None = None, path: AnswerPath = AnswerPath.UNARY
    ) -> Decision:
        """An answer comes to a question that is asked at the same instant."""
        given = evaluation if evaluation is not None else leased()
        return self.session.answered(KEY, given, (), path=path, began=self.now)

    def beat(self, epoch: str = "a:1") -> bool:
        """WatchEpoch says something."""
        state = policy_service_pb2.WatchEpochResponse(policy=types_pb2.PolicyInfo(epoch=epoch))
        state.silence.FromMilliseconds(1200)
        return self.session.watch.heard(state)

    def half_a_second(self) -> bool:
        """Passes with ticks, and a beat at its end."""
        for _ in range(5):
            self.now = round(self.now + TICK_SECONDS, 6)
            self.session.watch.tick()
        return self.beat()

    def watch(self) -> None:
        """WatchEpoch is followed from now on."""
        self.answer()
        assert self.session.watch.begin()
        assert self.beat()
        self.answer()

    def reuse(self) -> Decision | None:
        return self.session.reuse(KEY, self.now)


def leased(seconds: float = 30.0, epoch: str = "a:1") -> types_pb2.Evaluation:
    evaluation = permit(policy=types_pb2.PolicyInfo(epoch=epoch))
    evaluation.lease.valid_for.FromNanoseconds(round(seconds * 1e9))
    return evaluation


def test_watch_epoch_is_followed_from_the_first_answer_with_a_lease() -> None:
    world = World()
    world.answer(permit())
    assert not world.session.watch.begin()
    world.answer()
    assert world.session.due
    assert world.session.watch.begin()
    assert not world.session.watch.begin()


def test_a_lease_answers_from_then_on() -> None:
    world = World()
    world.watch()
    decision = world.reuse()
    assert decision is not None
    assert decision.leased
    assert world.session.stats().leased == 1


def test_a_suspend_ends_every_lease() -> None:
    world = World()
    world.watch()
    world.now += 3600
    assert world.reuse() is None
    assert not world.beat()


def test_the_clock_counts_a_suspend_and_never_goes_back() -> None:
    assert boottime() <= boottime()


def test_a_deny_with_a_lease_starts_nothing() -> None:
    world = World()
    evaluation = deny(policy=types_pb2.PolicyInfo(epoch="a:1"))
    evaluation.lease.valid_for.FromSeconds(5)
    world.answer(evaluation)
    assert not world.session.watch.begin()


def test_leases_that_are_switched_off_start_nothing_and_keep_nothing() -> None:
    world = World(leases=False)
    world.answer()
    assert not world.session.watch.begin()
    assert world.reuse() is None


def test_the_end_of_watch_epoch_ends_every_lease_and_it_is_followed_anew() -> None:
    world = World()
    world.watch()
    world.session.watch.end(UnavailableError("draining"))
    assert world.reuse() is None
    world.answer()
    assert not world.session.watch.begin(), "not before a pause"
    world.now += 0.1
    world.watch()
    assert world.reuse() is not None


def test_an_old_daemon_without_watch_epoch_is_not_asked_again() -> None:
    world = World()
    world.answer()
    assert world.session.watch.begin()
    world.session.watch.end(from_status(status_of("UNIMPLEMENTED")))
    world.now += 1e9
    world.answer()
    assert not world.session.watch.begin()
    assert world.reuse() is None


def test_watch_epoch_is_left_when_no_lease_was_used_for_a_minute() -> None:
    world = World()
    world.watch()
    began = world.now
    while world.now < began + 30:
        assert world.half_a_second()
    world.answer()
    assert world.reuse() is not None
    used = world.now
    while world.now < used + IDLE_SECONDS - 0.5:
        assert world.half_a_second()
    assert not world.half_a_second()


def test_a_forked_process_has_no_leases_and_reports_nothing_of_its_parent() -> None:
    world = World()
    world.watch()
    assert world.reuse() is not None
    world.pid = 2
    assert world.reuse() is None
    assert not world.session.came_along()
    assert world.session.reports.take() is None
    world.answer()
    assert not world.session.watch.begin()
    assert not world.session.reports.begin()
    assert world.session.enter(100) is False
    assert world.session.enter(100) is False, "no shared stream either"


def test_a_lock_that_was_held_during_the_fork_is_not_waited_for() -> None:
    world = World()
    world.watch()
    with world.session._lock:
        world.pid = 2
        assert world.reuse() is None


def test_a_closed_client_has_no_leases() -> None:
    world = World()
    world.watch()
    world.session.close()
    assert world.reuse() is None
    world.answer()
    assert world.reuse() is None


def test_only_questions_beside_others_go_over_the_stream() -> None:
    session = World().session
    assert not session.enter(100)
    assert session.enter(100)
    session.leave()
    session.leave()
    assert not session.enter(100)


def test_a_large_question_goes_by_a_call_of_its_own() -> None:
    session = World().session
    session.enter(100)
    assert not session.enter(100_000)
    assert session.enter(100)


def test_a_daemon_without_streams_is_not_asked_for_them_again() -> None:
    world = World()
    world.session.end_stream(from_status(status_of("UNIMPLEMENTED")))
    world.now += 1e9
    world.session.enter(100)
    assert not world.session.enter(100)


def test_a_stream_that_broke_is_left_alone_for_a_while() -> None:
    world = World()
    world.session.enter(100)
    world.session.end_stream(from_status(status_of("UNAVAILABLE", "DRAINING")))
    assert not world.session.enter(100)
    world.now += 0.1
    assert world.session.enter(100)
    world.session.stream_worked()


def test_a_daemon_that_takes_fewer_questions_at_a_time_gets_fewer() -> None:
    session = World().session
    for wanted in (128, 64, 32):
        session.end_stream(InvalidRequestError("questions: too many"))
        assert session.max_questions == wanted


def test_a_streamed_error_is_the_error_that_a_single_call_would_raise() -> None:
    world = World()
    evaluation = types_pb2.Evaluation(error=status_of("RESOURCE_EXHAUSTED", "RATE_LIMITED"))
    with pytest.raises(LimitExceededError):
        world.answer(evaluation, AnswerPath.STREAM)


def test_latencies_are_what_the_callers_code_saw() -> None:
    world = World()
    began = world.now
    world.now += 0.003
    world.session.answered(KEY, permit(), (), path=AnswerPath.STREAM, began=began)
    report = world.session.reports.take()
    assert report is not None
    [latencies] = report.latencies
    assert latencies.path == policy_service_pb2.ANSWER_PATH_STREAM
    assert list(latencies.counts).index(1) == 11


def test_a_lease_counts_from_when_the_caller_began_to_ask() -> None:
    world = World()
    world.watch()
    began = world.now
    world.now += 0.5
    world.session.answered(KEY, leased(0.75), (), path=AnswerPath.UNARY, began=began)
    world.now = began + 0.74
    assert world.reuse() is not None
    world.now = began + 0.75
    assert world.reuse() is None


def test_a_use_of_a_lease_is_counted_and_due_to_be_reported() -> None:
    world = World()
    world.watch()
    world.session.reports.take()
    world.session.due = False
    decision = world.reuse()
    assert decision is not None
    assert world.session.due
    report = world.session.reports.take()
    assert report is not None
    [use] = report.lease_uses
    assert (use.decision_id, use.uses) == (decision.decision_id, 1)


def test_an_outcome_is_due_to_be_reported() -> None:
    world = World()
    decision = world.answer()
    world.session.report(decision, Outcome.SUCCEEDED, 0.5)
    assert world.session.reports.begin()
    report = world.session.reports.take()
    assert report is not None
    assert report.outcomes[0].decision_id == decision.decision_id
    stats = world.session.stats()
    assert (stats.unary, stats.streamed, stats.dropped) == (1, 0, 0)
