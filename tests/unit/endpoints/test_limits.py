"""What one caller may use, checked rule by rule and against a model."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from governd.endpoints.limits import Admission, Admissions, TokenBucket
from governd.errors import (
    ConcurrencyLimitedError,
    LimitError,
    RateLimitedError,
    StreamsLimitedError,
)


@dataclass(frozen=True)
class Limits:
    calls_in_flight: int = 2
    streams: int = 1
    calls_per_second: float = 4.0
    burst: int = 8


def test_a_bucket_starts_full_and_then_holds_the_rate() -> None:
    bucket = TokenBucket(rate=4.0, burst=8, now=0.0)
    assert [bucket.take(1, 0.0) for _ in range(8)] == [0.0] * 8
    assert bucket.take(1, 0.0) == 0.25
    assert bucket.take(1, 0.25) == 0.0


def test_who_waits_as_long_as_told_is_admitted() -> None:
    bucket = TokenBucket(rate=4.0, burst=8, now=0.0)
    bucket.take(8, 0.0)
    wait = bucket.take(3, 0.0)
    assert wait == 0.75
    assert bucket.take(3, wait) == 0.0


def test_a_pause_never_saves_up_more_than_the_burst() -> None:
    bucket = TokenBucket(rate=4.0, burst=8, now=0.0)
    assert bucket.take(8, 1_000_000.0) == 0.0
    assert bucket.take(1, 1_000_000.0) > 0


def test_a_clock_that_steps_back_adds_no_tokens_and_takes_none() -> None:
    bucket = TokenBucket(rate=4.0, burst=8, now=100.0)
    bucket.take(8, 100.0)
    assert bucket.take(1, 50.0) == 0.25
    assert bucket.take(1, 100.25) == 0.0


def test_a_batch_larger_than_the_burst_waits_for_a_full_bucket_and_leaves_a_debt() -> None:
    bucket = TokenBucket(rate=4.0, burst=8, now=0.0)
    bucket.take(1, 0.0)
    assert bucket.take(16, 0.0) == 0.25
    assert bucket.take(16, 0.25) == 0.0
    assert bucket.take(1, 0.25) == (1 + 8) / 4


def test_calls_beyond_the_concurrency_limit_are_refused_until_one_ends() -> None:
    admission = Admission(Limits(), now=0.0)
    admission.begin(stream=False, now=0.0)
    admission.begin(stream=False, now=0.0)
    with pytest.raises(ConcurrencyLimitedError, match="more than 2 calls") as refusal:
        admission.begin(stream=False, now=0.0)
    assert refusal.value.metadata == {"limit": "2"}
    assert refusal.value.retry_after is not None
    admission.end(stream=False)
    admission.begin(stream=False, now=0.0)


def test_open_streams_do_not_keep_a_caller_from_asking() -> None:
    admission = Admission(Limits(), now=0.0)
    admission.begin(stream=True, now=0.0)
    with pytest.raises(StreamsLimitedError, match="more than 1 streams") as refusal:
        admission.begin(stream=True, now=0.0)
    assert refusal.value.metadata == {"limit": "1"}
    admission.begin(stream=False, now=0.0)
    admission.end(stream=True)
    admission.begin(stream=True, now=0.0)


def test_the_rate_refusal_says_the_limit_and_when_to_come_back() -> None:
    admission = Admission(Limits(calls_in_flight=100), now=0.0)
    admission.charge(8, 0.0)
    with pytest.raises(RateLimitedError, match="more than 4 calls a second") as refusal:
        admission.begin(stream=False, now=0.0)
    assert refusal.value.metadata == {"limit_per_second": "4"}
    assert refusal.value.retry_after == 0.25
    assert admission.calls == 0


def test_a_stream_refused_for_its_rate_does_not_count_as_open() -> None:
    admission = Admission(Limits(), now=0.0)
    admission.charge(8, 0.0)
    with pytest.raises(RateLimitedError):
        admission.begin(stream=True, now=0.0)
    assert admission.streams == 0


def test_listeners_of_one_caller_share_its_limits_and_others_have_their_own() -> None:
    admissions = Admissions(Limits())
    mine = admissions.of("spiffe://example.org/a", 0.0)
    assert admissions.of("spiffe://example.org/a", 1.0) is mine
    other = admissions.of("spiffe://example.org/b", 0.0)
    mine.begin(stream=False, now=0.0)
    mine.begin(stream=True, now=0.0)
    assert (other.calls, other.streams) == (0, 0)
    assert admissions.in_flight() == 2
    assert [caller for caller, _ in admissions] == [
        "spiffe://example.org/a",
        "spiffe://example.org/b",
    ]


def test_a_caller_without_listeners_is_forgotten() -> None:
    admissions = Admissions(Limits())
    admissions.of("spiffe://example.org/a", 0.0)
    assert list(admissions) == []


QUARTERS = st.integers(min_value=0, max_value=40).map(lambda count: count / 4)


class AdmissionModel(RuleBasedStateMachine):
    """Compares ``Admission`` with exact arithmetic over its whole history.

    Times are quarters of a second and the rate is 4, so that floating point is exact too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.admission = Admission(self.limits, now=0.0)
        self.now = 0.0
        self.tokens = Fraction(8)
        self.calls = 0
        self.streams = 0

    @rule(seconds=QUARTERS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tokens = min(Fraction(8), self.tokens + Fraction(seconds) * 4)

    @rule(stream=st.booleans())
    def call_begins(self, stream: bool) -> None:
        room = self.streams < 1 if stream else self.calls < 2
        expected = room and self.tokens >= 1
        assert self._admitted(stream) == expected
        if expected:
            self.tokens -= 1
            self.calls += not stream
            self.streams += stream

    @rule(count=st.integers(min_value=1, max_value=20))
    def batch_is_charged(self, count: int) -> None:
        expected = self.tokens >= min(count, 8)
        try:
            self.admission.charge(count, self.now)
        except RateLimitedError as refusal:
            assert not expected
            assert refusal.retry_after == float((min(count, 8) - self.tokens) / 4)
        else:
            assert expected
            self.tokens -= count

    @precondition(lambda self: self.calls)
    @rule()
    def call_ends(self) -> None:
        self.admission.end(stream=False)
        self.calls -= 1

    @precondition(lambda self: self.streams)
    @rule()
    def stream_ends(self) -> None:
        self.admission.end(stream=True)
        self.streams -= 1

    @invariant()
    def counts_agree(self) -> None:
        assert (self.admission.calls, self.admission.streams) == (self.calls, self.streams)

    def _admitted(self, stream: bool) -> bool:
        try:
            self.admission.begin(stream=stream, now=self.now)
        except LimitError:
            return False
        return True


TestAdmissionModel = AdmissionModel.TestCase
