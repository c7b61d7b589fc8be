"""Calls that are made again when governd said to come back; time passes by hand."""

import asyncio
from collections.abc import Callable, Iterable

import grpc
import pytest

from governd_client import (
    DeadlineExceededError,
    EvidenceInvalidError,
    GoverndError,
    LimitExceededError,
    UnavailableError,
)
from governd_client.channel import (
    EVALUATE,
    EVALUATE_BATCH,
    EVALUATE_STREAM,
    EXCHANGE,
    EXTEND,
    FILTER_TOOLS,
    GET_AGENT,
    GET_TOKEN,
    MINT,
    REGISTER_AGENT,
    REGISTER_TOOLS,
    REPORT_OUTCOME,
    VERIFY,
    WATCH_EPOCH,
    WHO_AM_I,
    CallTerms,
    Method,
)
from governd_client.repeating import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    is_safe,
    repeat,
    repeat_async,
)

TRACE = (("traceparent", "00-1"),)
Ask = Callable[..., str]


def unavailable(after: float | None, *, reason: str = "IDENTITY_UNAVAILABLE") -> UnavailableError:
    return UnavailableError(
        "no answer yet", code=grpc.StatusCode.UNAVAILABLE, reason=reason, retry_after=after
    )


class Governd:
    """Fails as it is told and answers then; each attempt takes some time.

    Attributes:
        came: The terms of each attempt.
        slept: The pauses between them.
        takes: Seconds that an attempt takes.
    """

    def __init__(self, errors: Iterable[GoverndError], takes: float = 0.0) -> None:
        self.now = 1000.0
        self.came: list[CallTerms] = []
        self.slept: list[float] = []
        self.takes = takes
        self._errors = iter(errors)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def answer(self, terms: CallTerms) -> str:
        self.came.append(terms)
        self.now += self.takes
        for error in self._errors:
            raise error
        return "answer"

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    async def answer_async(self, terms: CallTerms) -> str:
        return self.answer(terms)


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks with either, so that each test holds for both."""

    def sync(governd: Governd, timeout: float) -> str:
        terms: CallTerms = {"timeout": timeout, "metadata": TRACE}
        return repeat(governd.answer, terms, governd.clock, governd.sleep)

    def in_a_task(governd: Governd, timeout: float) -> str:
        terms: CallTerms = {"timeout": timeout, "metadata": TRACE}
        work = repeat_async(governd.answer_async, terms, governd.clock, governd.sleep_async)
        return asyncio.run(work)

    return sync if request.param == "sync" else in_a_task


@pytest.mark.req("lc-5", part=True)
def test_a_call_comes_back_when_it_was_told_to(ask: Ask) -> None:
    governd = Governd([unavailable(1.0), unavailable(2.5)])
    assert ask(governd, 60.0) == "answer"
    assert governd.slept == [1.0, 2.5]


def test_each_attempt_has_what_is_left_of_the_time(ask: Ask) -> None:
    governd = Governd([unavailable(1.0), unavailable(2.0)], takes=0.5)
    ask(governd, 10.0)
    assert [each["timeout"] for each in governd.came] == [10.0, 8.5, 6.0]
    assert [each["metadata"] for each in governd.came] == [TRACE] * 3


@pytest.mark.parametrize("timeout", [0.3, 1.0])
def test_a_call_with_less_time_than_it_is_to_wait_fails_at_once(ask: Ask, timeout: float) -> None:
    error = unavailable(1.0)
    governd = Governd([error])
    with pytest.raises(UnavailableError) as raised:
        ask(governd, timeout)
    assert raised.value is error
    assert governd.slept == []


def test_a_call_ends_with_governds_own_error_when_its_time_is_over(ask: Ask) -> None:
    errors = [unavailable(1.0) for _ in range(9)]
    governd = Governd(errors, takes=0.5)
    with pytest.raises(UnavailableError) as raised:
        ask(governd, 5.0)
    assert raised.value is errors[3]
    assert governd.slept == [1.0] * 3


def test_who_slept_too_long_is_told_why_it_had_to_wait(ask: Ask) -> None:
    governd = Governd([error := unavailable(1.0)])

    def oversleep(seconds: float) -> None:
        governd.now += seconds + 10

    governd.sleep = oversleep  # type: ignore[method-assign]
    with pytest.raises(UnavailableError) as raised:
        ask(governd, 5.0)
    assert raised.value is error
    assert len(governd.came) == 1


def test_a_governd_that_says_next_to_nothing_is_not_asked_in_a_loop(ask: Ask) -> None:
    governd = Governd([unavailable(0.001) for _ in range(7)])
    ask(governd, 60.0)
    assert governd.slept[:3] == [FIRST_PAUSE_SECONDS * factor for factor in (1, 2, 4)]
    assert governd.slept[-2:] == [LONGEST_PAUSE_SECONDS] * 2


def of_code(kind: type[GoverndError], code: grpc.StatusCode) -> GoverndError:
    return kind("no", code=code, retry_after=1.0)


@pytest.mark.parametrize(
    "error",
    [
        unavailable(None),
        of_code(EvidenceInvalidError, grpc.StatusCode.PERMISSION_DENIED),
        of_code(UnavailableError, grpc.StatusCode.PERMISSION_DENIED),
        of_code(UnavailableError, grpc.StatusCode.UNAUTHENTICATED),
        of_code(LimitExceededError, grpc.StatusCode.RESOURCE_EXHAUSTED),
        of_code(DeadlineExceededError, grpc.StatusCode.DEADLINE_EXCEEDED),
        UnavailableError("the client is closed"),
    ],
)
def test_what_is_an_answer_is_never_asked_for_again(ask: Ask, error: GoverndError) -> None:
    governd = Governd([error])
    with pytest.raises(GoverndError) as raised:
        ask(governd, 60.0)
    assert raised.value is error
    assert len(governd.came) == 1


async def test_who_cancels_a_call_that_waits_makes_no_further_attempt() -> None:
    governd, waits = Governd([unavailable(1.0)]), asyncio.Event()

    async def sleep(_: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    terms: CallTerms = {"timeout": 60.0, "metadata": ()}
    asking = asyncio.ensure_future(repeat_async(governd.answer_async, terms, governd.clock, sleep))
    await waits.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(governd.came) == 1


@pytest.mark.parametrize(
    ("method", "safe"),
    [
        (EVALUATE, True),
        (EVALUATE_BATCH, True),
        (WHO_AM_I, True),
        (FILTER_TOOLS, True),
        (REGISTER_AGENT, True),
        (GET_AGENT, True),
        (GET_TOKEN, True),
        (EXCHANGE, True),
        (MINT, False),
        (EXTEND, False),
        (VERIFY, False),
        (REPORT_OUTCOME, False),
        (REGISTER_TOOLS, False),
        (EVALUATE_STREAM, False),
        (WATCH_EPOCH, False),
    ],
)
def test_only_what_may_happen_twice_is_made_again(
    method: Method[object, object],  # type: ignore[type-var]
    safe: bool,
) -> None:
    assert is_safe(method.path) is safe


def test_a_service_that_begins_like_a_safe_one_is_none() -> None:
    assert not is_safe("/governd.v1.TokenServices/GetToken")
    assert not is_safe("/governd.v1.PolicyService/Evaluate2")
