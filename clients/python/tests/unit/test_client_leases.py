"""Which answers may be given again, and the many ways in which that ends."""

import math
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from governd_client import Decision, DecisionCode, Obligation, Policy
from governd_client.leases import MAX_BYTES, MAX_SECONDS, MAX_SILENCE_SECONDS, Leases
from governd_client.question import Key, key_of

KEY: Key = key_of("tools/call", ("tool", "git/git_log"), None, None)
ID = "0123456789abcdef0123456789abcdef"


def answer(epoch: str = "a:1", code: DecisionCode = DecisionCode.PERMITTED) -> Decision:
    return Decision(ID, code, policy=Policy("", 0, epoch, timedelta()))


def watched(epoch: str = "a:1", now: float = 0.0) -> Leases:
    """Leases whose WatchEpoch has just told the epoch."""
    leases = Leases()
    leases.watch()
    assert leases.heard(epoch, 1.2, now, now)
    return leases


def test_a_fresh_lease_is_used_with_the_same_decision_id() -> None:
    leases = watched()
    assert leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    used = leases.use(KEY, 0.2)
    assert used is not None
    assert (used.decision_id, used.allowed, used.leased) == (ID, True, True)


def test_only_the_identical_question_is_answered_by_a_lease() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    action, (kind, name) = "tools/call", ("tool", "git/git_log")
    others = [
        key_of("tools/list", (kind, name), None, None),
        key_of(action, ("resource", name), None, None),
        key_of(action, (kind, "git/git_add"), None, None),
        key_of(action, (kind, name), {}, None),
        key_of(action, (kind, name), None, "spiffe://example.org/a"),
    ]
    assert [leases.use(each, 0.2) for each in others] == [None] * 5


def test_stale_epoch_ends_every_lease() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    assert leases.heard("a:2", 1.2, 0.2, 0.2)
    assert (leases.use(KEY, 0.2), len(leases), leases.size) == (None, 0, 0)


def test_an_answer_that_arrives_after_the_epoch_changed_is_not_kept() -> None:
    leases = watched()
    assert leases.heard("a:2", 1.2, 0.1, 0.1)
    assert not leases.keep(KEY, answer("a:1"), 5.0, 0.0, 0.2)
    assert leases.use(KEY, 0.2) is None


def test_an_answer_of_another_epoch_ends_the_leases_before_watch_epoch_tells() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    other = key_of("tools/list", ("mcp_server", "git"), None, None)
    assert not leases.keep(other, answer("a:2", DecisionCode.FORBIDDEN), None, 0.1, 0.2)
    assert leases.use(KEY, 0.2) is None


def test_a_restarted_daemon_tells_another_boot_id_and_ends_every_lease() -> None:
    leases = watched("boot-a:1")
    leases.keep(KEY, answer("boot-a:1"), 5.0, 0.0, 0.1)
    assert leases.heard("boot-b:1", 1.2, 0.2, 0.2)
    assert leases.use(KEY, 0.2) is None


def test_silence_of_watch_epoch_ends_every_lease() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    assert leases.use(KEY, MAX_SILENCE_SECONDS - 0.001) is not None
    assert leases.use(KEY, MAX_SILENCE_SECONDS) is None


def test_what_comes_after_silence_revives_nothing() -> None:
    """It may have been queued while this process slept: a new stream must be begun."""
    leases = watched()
    leases.keep(KEY, answer(), 300.0, 0.0, 0.1)
    assert not leases.heard("a:1", 1.2, 1.2, 1.2)
    assert not leases.heard("a:1", 1.2, 1.3, 1.3)
    assert leases.use(KEY, 1.3) is None
    assert not leases.keep(KEY, answer(), 5.0, 1.3, 1.3)


def test_a_suspend_counts_as_silence() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 300.0, 0.0, 0.1)
    resumed = 8 * 3600.0  # by a clock that counts a suspend
    assert leases.use(KEY, resumed) is None


def test_silence_counts_from_when_nothing_was_unread() -> None:
    leases = Leases()
    leases.watch()
    assert leases.heard("a:1", 1.2, 4.0, 5.0)
    assert leases.keep(KEY, answer(), 300.0, 5.0, 5.0)
    assert leases.use(KEY, 5.199) is not None
    assert leases.use(KEY, 5.2) is None


@pytest.mark.parametrize("silence", [0.0, -1.0, math.nan])
def test_silence_that_cannot_be_understood_is_none_at_all(silence: float) -> None:
    leases = Leases()
    leases.watch()
    leases.heard("a:1", silence, 0.0, 0.0)
    assert not leases.keep(KEY, answer(), 5.0, 0.0, 0.0)


@pytest.mark.parametrize(("silence", "wanted"), [(None, 1.2), (600.0, 1.2), (0.5, 0.5)])
def test_no_message_makes_silence_longer(silence: float | None, wanted: float) -> None:
    leases = Leases()
    leases.watch()
    leases.heard("a:1", silence, 0.0, 0.0)
    leases.keep(KEY, answer(), 5.0, 0.0, 0.0)
    assert leases.use(KEY, wanted - 0.001) is not None
    assert leases.use(KEY, wanted) is None


@pytest.mark.parametrize("valid_for", [None, 0.0, -5.0, math.nan, math.inf, -math.inf])
def test_a_lease_without_a_sane_duration_is_none(valid_for: float | None) -> None:
    assert not watched().keep(KEY, answer(), valid_for, 0.0, 0.1)


def test_a_lease_longer_than_sane_is_cut() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 1e12, 0.0, 0.1)
    now = 0.1
    while now < MAX_SECONDS:
        assert leases.use(KEY, now) is not None
        leases.heard("a:1", 1.2, now, now)
        now += 1.0
    leases.heard("a:1", 1.2, MAX_SECONDS - 0.5, MAX_SECONDS - 0.5)
    assert leases.use(KEY, MAX_SECONDS) is None


def test_a_lease_counts_from_when_its_question_was_sent() -> None:
    leases = watched(now=9.0)
    assert not leases.keep(KEY, answer(), 5.0, 4.0, 9.0)
    assert leases.keep(KEY, answer(), 5.0, 4.5, 9.0)
    assert leases.use(KEY, 9.49) is not None
    assert leases.use(KEY, 9.5) is None


@pytest.mark.parametrize(
    "decision",
    [
        answer(code=DecisionCode.FORBIDDEN),
        answer(code=DecisionCode.OBLIGATION_UNSUPPORTED),
        answer(code=DecisionCode.UNRECOGNISED),
        answer(epoch=""),
        Decision(
            ID,
            DecisionCode.PERMITTED,
            obligations=(Obligation("step-up", "p", {}),),
            policy=Policy("", 0, "a:1", timedelta()),
        ),
    ],
    ids=["deny", "unsupported-obligation", "unrecognised", "no-epoch", "obligation"],
)
def test_a_lease_from_a_deny_or_with_obligations_is_ignored(decision: Decision) -> None:
    leases = watched(decision.policy.epoch)
    assert not leases.keep(KEY, decision, 5.0, 0.0, 0.1)
    assert leases.use(KEY, 0.1) is None


def test_a_later_deny_takes_the_lease_back() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    leases.keep(KEY, answer(code=DecisionCode.NOT_PERMITTED), None, 0.1, 0.2)
    assert leases.use(KEY, 0.2) is None


def test_nothing_is_kept_before_watch_epoch_speaks_or_after_it_ends() -> None:
    leases = Leases()
    assert not leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    leases.watch()
    assert not leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    leases.heard("a:1", 1.2, 0.1, 0.1)
    assert leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    leases.end()
    assert not leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    assert leases.use(KEY, 0.2) is None


def test_a_closed_client_keeps_nothing() -> None:
    leases = watched()
    leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    leases.close()
    leases.watch()
    assert not leases.heard("a:1", 1.2, 0.1, 0.1)
    assert leases.use(KEY, 0.2) is None


def test_an_answer_from_the_future_is_not_kept() -> None:
    assert not watched().keep(KEY, answer(), 5.0, 0.2, 0.1)


def question(number: int, size: int = 0) -> Key:
    return key_of("tools/call", ("tool", f"git/{number}"), {"text": "x" * size}, None)


def test_thousands_of_distinct_questions_are_bounded_in_number() -> None:
    leases = watched()
    for number in range(10_000):
        assert leases.keep(question(number), answer(), 5.0, 0.0, 0.1)
    assert len(leases) == 4096
    assert leases.use(question(0), 0.2) is None
    assert leases.use(question(9_999), 0.2) is not None


def test_large_questions_are_bounded_in_bytes() -> None:
    leases = watched()
    for number in range(1000):
        leases.keep(question(number, 60_000), answer(), 5.0, 0.0, 0.1)
    assert 100 < len(leases) < 150
    assert leases.size <= MAX_BYTES
    assert not Leases(max_bytes=10).keep(KEY, answer(), 5.0, 0.0, 0.1)


def test_what_is_used_stays_and_what_is_not_used_goes_first() -> None:
    leases = Leases(max_leases=2)
    leases.watch()
    leases.heard("a:1", 1.2, 0.0, 0.0)
    for number in (1, 2):
        leases.keep(question(number), answer(), 5.0, 0.0, 0.1)
    leases.use(question(1), 0.2)
    leases.keep(question(3), answer(), 5.0, 0.0, 0.3)
    assert leases.use(question(1), 0.4) is not None
    assert leases.use(question(2), 0.4) is None


def test_a_lease_larger_than_all_room_is_not_kept() -> None:
    leases = Leases(max_bytes=2000)
    leases.watch()
    leases.heard("a:1", 1.2, 0.0, 0.0)
    leases.keep(KEY, answer(), 5.0, 0.0, 0.1)
    assert not leases.keep(question(1, 5000), answer(), 5.0, 0.0, 0.1)
    assert leases.use(KEY, 0.2) is not None


@dataclass
class Model:
    """One lease as the rules tell it: every end that it has."""

    epoch: str
    until: float
    watch: int


class LeaseMachine(RuleBasedStateMachine):
    """Answers, epochs, silences, beats, expiry and close in any order."""

    KEYS = st.integers(0, 2)
    EPOCHS = st.sampled_from(["a:1", "a:2", "b:1"])

    def __init__(self) -> None:
        super().__init__()
        self.leases = Leases()
        self.now = 0.0
        self.watch = 0  # which stream; its leases end with it
        self.open = self.closed = False
        self.told: str | None = None
        self.silent_at = 0.0
        self.held: dict[int, Model] = {}

    @property
    def live(self) -> bool:
        return self.open and self.told is not None and self.now < self.silent_at

    def lapse(self) -> None:
        """Silence that somebody notices ends the stream."""
        if self.told is not None and self.now >= self.silent_at:
            self.open, self.told = False, None

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 1.1, 1.2, 7.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_stream_begins(self) -> None:
        self.leases.watch()
        self.watch += 1
        self.open, self.told = not self.closed, None

    @rule()
    def the_stream_ends(self) -> None:
        self.leases.end()
        self.open, self.told = False, None

    @rule(
        epoch=EPOCHS,
        silence=st.sampled_from([None, 0.3, 1.2, 60.0, -1.0, math.nan]),
        age=st.sampled_from([0.0, 0.0, 0.2, 1.1, 5.0]),
    )
    def watch_epoch_speaks(self, epoch: str, silence: float | None, age: float) -> None:
        self.lapse()
        assert self.leases.heard(epoch, silence, self.now - age, self.now) == self.open
        if self.open:
            if epoch != self.told:
                self.held.clear()
            self.told = epoch
            given = 1.2 if silence is None else silence
            self.silent_at = self.now - age + (min(given, 1.2) if given > 0 else 0.0)

    @rule(
        key=KEYS,
        epoch=EPOCHS,
        code=st.sampled_from([DecisionCode.PERMITTED] * 3 + [DecisionCode.FORBIDDEN]),
        valid_for=st.sampled_from([None, 0.5, 5.0, 5.0, 5.0, 1e9, -1.0, math.nan]),
        took=st.sampled_from([0.0, 0.01, 0.4, 6.0]),
    )
    def an_answer_comes(
        self, key: int, epoch: str, code: DecisionCode, valid_for: float | None, took: float
    ) -> None:
        self.lapse()
        kept = self.leases.keep(
            question(key), answer(epoch, code), valid_for, self.now - took, self.now
        )
        self.held.pop(key, None)
        if self.live and epoch != self.told:
            self.held.clear()
        sane = valid_for is not None and valid_for > 0 and code is DecisionCode.PERMITTED
        until = self.now - took + min(valid_for or 0.0, 300.0)
        wanted = self.live and epoch == self.told and sane and self.now < until
        assert kept == wanted
        if wanted:
            self.held[key] = Model(epoch, until, self.watch)

    @rule()
    def the_client_closes(self) -> None:
        self.leases.close()
        self.open, self.told, self.closed = False, None, True

    @invariant()
    def a_lease_is_used_before_all_its_ends_and_never_after(self) -> None:
        for key in range(3):
            lease = self.held.get(key)
            holds = (
                lease is not None
                and self.live
                and lease.watch == self.watch
                and lease.epoch == self.told
                and self.now < lease.until
            )
            used = self.leases.use(question(key), self.now)
            assert (used is not None) == holds
            if lease is not None and not holds:
                if self.now >= self.silent_at:
                    self.lapse()
                del self.held[key]


TestLeasesOutliveNothing = LeaseMachine.TestCase
