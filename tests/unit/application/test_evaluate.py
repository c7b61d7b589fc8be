"""A decision is on record before it is answered; what is not on record is not permitted."""

import json

import pytest

from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.evaluate import Evaluator
from governd.application.sync_policy import PolicyKeeper
from governd.errors import SubjectError
from governd.identity import Attestation, Caller, SpiffeId
from governd.observability.trace import TraceContext
from governd.policy.decision import DecisionCode
from governd.policy.delegated import Circumstances
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.policies import (
    ALICE,
    BOB,
    EXPIRES,
    PERMIT_ALL,
    READER,
    WRITER,
    acting,
    question,
    source_files,
)

TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
MAY_RESET = f'[[grant]]\nagents = ["{WRITER}"]\ndestructive = ["git/reset"]\n'
HARMLESS, DESTRUCTIVE = "tool:git/open", "tool:git/reset"


class _Free:
    def charge(self, count: int, now: float) -> None:
        """Costs nothing."""


def call(trace: TraceContext | None = None) -> Call:
    caller = Caller(SpiffeId.parse(WRITER), Attestation.STATIC)
    return Call(caller, trace, _Free(), lambda: 0.0)


class Watched:
    """An evaluator, its log, and the order in which things happened."""

    def __init__(self, keeper: PolicyKeeper, *, unsafe: bool = False, lease: float = 0.0) -> None:
        self.log = FakeDecisionLog()
        self.seen: list[Answer] = []
        self.on_record_when_seen: list[int] = []
        self._ticks = iter(range(1000))
        self.wall = EXPIRES
        self.evaluator = Evaluator(
            keeper,
            self.log,
            self,
            clock=lambda: 100 + next(self._ticks) * 0.001,
            wall_clock=lambda: self.wall,
            max_lease_seconds=lease,
            unsafe_answer_without_log=unsafe,
        )

    def decided(self, answer: Answer) -> None:
        self.seen.append(answer)
        self.on_record_when_seen.append(len(self.log.lines))

    async def ask(self, resource: str = HARMLESS, **asked: object) -> Answer:
        return await self.evaluator.evaluate(call(), question(resource=resource, **asked))  # type: ignore[arg-type]


def keeper_of(source: FakePolicySource | None) -> PolicyKeeper:
    return PolicyKeeper(
        source,
        FakePolicyCompiler(),
        clock=lambda: 100.0,
        on_load=lambda _: None,
    )


@pytest.fixture
async def keeper() -> PolicyKeeper:
    keeper = keeper_of(FakePolicySource(source_files(PERMIT_ALL, grants=MAY_RESET)))
    await keeper.check()
    return keeper


async def test_the_record_is_written_before_the_answer(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper)
    answer = await watched.ask()
    assert answer.decision.allowed
    assert watched.on_record_when_seen == [1]
    assert watched.seen == [answer]
    record = json.loads(watched.log.lines[0])
    assert (record["decision_id"], record["decision"]) == (answer.decision_id, True)
    assert record["time"] == "2026-01-01T12:00:00.000000+00:00"
    assert record["latency_us"] == 1000


async def test_a_denial_is_put_on_record_too(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper)
    await watched.ask("tool:git/none")
    assert json.loads(watched.log.lines[0])["code"] == "UNKNOWN_RESOURCE"


async def test_a_record_says_for_whom_it_was_asked(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper)
    for user in (ALICE, BOB, ALICE):
        await watched.ask(circumstances=acting(user, expires=EXPIRES + 60))
        record = json.loads(watched.log.lines[-1])
        assert record["delegation"]["user"]["subject"] == user.partition("#")[2]


@pytest.mark.req("gi-3", part=True)
async def test_evidence_that_has_ended_decides_nothing_even_if_it_just_did(
    keeper: PolicyKeeper,
) -> None:
    watched = Watched(keeper, lease=10.0)
    ended = (acting(ALICE, expires=EXPIRES), Circumstances(3, until=EXPIRES - 1))
    for circumstances in ended:
        answer = await watched.ask(circumstances=circumstances)
        assert answer.decision.code is DecisionCode.EVIDENCE_EXPIRED
    asked = acting(ALICE, expires=EXPIRES + 5)
    first = (await watched.ask(circumstances=asked)).decision
    assert (first.allowed, first.lease_seconds) == (True, 5.0)
    watched.wall = EXPIRES + 4
    assert (await watched.ask(circumstances=asked)).decision.lease_seconds == 1.0
    watched.wall = EXPIRES + 5
    assert not (await watched.ask(circumstances=asked)).decision.allowed


@pytest.mark.req("gi-3", part=True)
async def test_a_decision_for_one_user_is_never_given_to_another() -> None:
    text = (
        '@id("alice") permit (principal, action, resource) when'
        f' {{ context has delegation && context.delegation.user == User::"{ALICE}" }};'
    )
    keeper = keeper_of(FakePolicySource(source_files(text)))
    await keeper.check()
    watched = Watched(keeper)
    for user in (ALICE, BOB, ALICE, BOB):
        answer = await watched.ask(circumstances=acting(user, expires=EXPIRES + 60))
        assert answer.decision.allowed is (user == ALICE)
    assert not (await watched.ask()).decision.allowed


async def test_each_decision_has_an_id_of_its_own(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper)
    ids = {(await watched.ask()).decision_id for _ in range(10)}
    assert len(ids) == 10
    assert all(len(name) == 32 for name in ids)


async def test_a_record_carries_a_digest_and_no_argument(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper)
    await watched.ask(arguments={"text": "s3cr3t"})
    (line,) = watched.log.lines
    assert b"s3cr3t" not in line
    assert json.loads(line)["arguments_digest"].startswith("sha-256:")


@pytest.mark.req("ob-1", part=True)
async def test_a_record_carries_the_trace_of_the_call(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper)
    answers = [watched.evaluator.decide(call(TRACE), question())]
    await watched.evaluator.put_on_record(answers)
    record = json.loads(watched.log.lines[0])
    assert (record["trace_id"], record["span_id"]) == (TRACE.trace_id, TRACE.parent_span_id)
    assert record["caller"] == WRITER


@pytest.mark.parametrize(
    ("unsafe", "resource", "code"),
    [
        (False, HARMLESS, DecisionCode.LOG_UNAVAILABLE),
        (False, DESTRUCTIVE, DecisionCode.LOG_UNAVAILABLE),
        (True, DESTRUCTIVE, DecisionCode.LOG_UNAVAILABLE),
        (True, HARMLESS, DecisionCode.PERMITTED),
        (True, "tool:git/none", DecisionCode.UNKNOWN_RESOURCE),
        (False, "tool:git/none", DecisionCode.UNKNOWN_RESOURCE),
    ],
)
async def test_what_cannot_be_put_on_record_is_denied(
    keeper: PolicyKeeper, unsafe: bool, resource: str, code: DecisionCode
) -> None:
    watched = Watched(keeper, unsafe=unsafe)
    assert (await Watched(keeper).ask(resource)).decision.code is not DecisionCode.LOG_UNAVAILABLE
    watched.log.full = True
    answer = await watched.ask(resource)
    assert answer.decision.code is code
    assert watched.seen == [answer], "what is told is what is answered"


async def test_a_refused_permit_keeps_nothing_of_it(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper, lease=60)
    assert (await watched.ask()).decision.lease_seconds == 60
    watched.log.full = True
    decision = (await watched.ask()).decision
    assert (decision.reasons, decision.obligations, decision.lease_seconds) == ((), (), 0)


async def test_a_permit_that_is_not_on_record_is_not_leased(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper, lease=60, unsafe=True)
    watched.log.full = True
    decision = (await watched.ask()).decision
    assert (decision.allowed, decision.lease_seconds) == (True, 0)


async def test_a_batch_is_put_on_record_whole(keeper: PolicyKeeper) -> None:
    watched = Watched(keeper)
    asked = [question(resource=name) for name in (HARMLESS, DESTRUCTIVE, "tool:git/none")]
    answers = await watched.evaluator.put_on_record(
        [watched.evaluator.decide(call(), one) for one in asked]
    )
    assert [answer.decision.allowed for answer in answers] == [True, True, False]
    assert len(watched.log.lines) == 3


@pytest.mark.parametrize("source", [None, FakePolicySource({})], ids=["none", "bad"])
async def test_without_a_policy_everything_is_denied(source: FakePolicySource | None) -> None:
    keeper = keeper_of(source)
    await keeper.check()
    watched = Watched(keeper)
    answer = await watched.ask()
    assert answer.decision.code is DecisionCode.NO_POLICY
    assert answer.policy.digest == ""
    assert json.loads(watched.log.lines[0])["code"] == "NO_POLICY"


async def test_a_subject_that_is_not_the_callers_to_name_is_no_decision(
    keeper: PolicyKeeper,
) -> None:
    watched = Watched(keeper)
    with pytest.raises(SubjectError):
        await watched.ask(subject=READER, asserted_by=WRITER)
    assert not watched.log.lines


async def test_the_policys_age_counts(keeper: PolicyKeeper) -> None:
    text = PERMIT_ALL.replace("permit", '@max_staleness("0s") permit')
    stale = keeper_of(FakePolicySource(source_files(text)))
    await stale.check()
    answer = await Watched(stale).ask()
    assert answer.decision.code is DecisionCode.PERMITTED
    watched = Watched(stale)
    await watched.ask()
    assert (await watched.ask()).decision.code is DecisionCode.POLICY_STALE
