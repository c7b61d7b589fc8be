"""What a reader that lags may believe: nothing that was told before it had read all."""

import threading
from collections import deque
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from governd_client import Decision, DecisionCode, Policy
from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.freshness import LATE_SECONDS, SETTLE_SECONDS, TICK_SECONDS, Freshness
from governd_client.leases import MAX_SILENCE_SECONDS, Leases
from governd_client.question import Key, key_of
from governd_client.watching import Watch

KEY: Key = key_of("tools/call", ("tool", "git/git_log"), None, None)
BEAT = 0.45
TRANSIT = 0.001  # the resolution of time here


class World:
    """A governd that beats into a queue, and a client that reads it when a test says so.

    Times are milliseconds, so that they add up.
    """

    def __init__(self) -> None:
        self.ms = 0
        self.epoch = 1
        self.changed: dict[int, float] = {}  # when each epoch ended
        self.queue: deque[tuple[float, int]] = deque()
        self.told_at = 0.0
        self.leases = Leases()
        self.watch = Watch(threading.Lock(), lambda: self.now, self.leases)
        self.going = False

    @property
    def now(self) -> float:
        return self.ms / 1000

    def open(self) -> None:
        self.watch.wanted = True
        self.going = self.watch.begin()
        self.queue.clear()
        self.tell()

    def tell(self) -> None:
        self.told_at = self.now
        self.queue.append((self.now, self.epoch))

    def change(self) -> None:
        self.changed[self.epoch] = self.now
        self.epoch += 1
        self.tell()

    def pass_time(self, seconds: float) -> None:
        """The client does nothing; governd goes on."""
        for _ in range(round(seconds * 1000)):
            self.ms += 1
            if self.now >= self.told_at + BEAT:
                self.tell()

    def read(self) -> None:
        """The client reads one message, if it can."""
        if not self.going or not self.queue:
            return
        _, epoch = self.queue.popleft()
        message = policy_service_pb2.WatchEpochResponse(
            policy=types_pb2.PolicyInfo(epoch=str(epoch))
        )
        if not self.watch.heard(message):
            self.watch.end(None)
            self.going = False

    def keep(self) -> bool:
        """The client asks, and gets a long lease of the epoch now."""
        policy = Policy("", 0, str(self.epoch), timedelta())
        decision = Decision("0" * 32, DecisionCode.PERMITTED, policy=policy)
        return self.leases.keep(KEY, decision, 300.0, self.now, self.now)

    def used(self) -> int | None:
        """The epoch of the lease that is used now."""
        decision = self.leases.use(KEY, self.now)
        self.watch.used_at = self.now
        return None if decision is None else int(decision.policy.epoch)

    def on_time(self, seconds: float) -> None:
        """The client reads whatever comes, and ticks."""
        for ms in range(1, round(seconds * 1000) + 1):
            self.pass_time(0.001)
            self.read()
            if ms % round(TICK_SECONDS * 1000) == 0:
                self.watch.tick()


def leased() -> World:
    """A client that is on time and holds a lease."""
    world = World()
    world.open()
    world.on_time(1.0)
    assert world.keep()
    return world


def test_a_client_on_time_keeps_its_lease_from_beat_to_beat() -> None:
    world = leased()
    for _ in range(600):
        world.on_time(TICK_SECONDS)
        assert world.used() == 1


def test_a_backlog_read_one_message_a_second_makes_no_lease_longer() -> None:
    world = leased()
    for second in range(12):
        if second == 5:
            world.change()
        world.pass_time(1.0)
        world.read()
        world.watch.tick()
        assert second == 0 or world.used() is None


def test_a_reader_that_lags_a_little_more_than_a_beat_ends_its_leases() -> None:
    """No gap that it sees is ever as long as the silence, but what it reads grows old."""
    world = leased()
    for _ in range(10):
        world.pass_time(BEAT + 0.1)
        world.read()
        world.watch.tick()
    assert world.used() is None


def test_without_ticks_a_lease_ends_with_the_first_silence() -> None:
    world = World()
    world.open()
    world.read()
    assert world.keep()
    world.pass_time(MAX_SILENCE_SECONDS - 0.001)
    while world.queue:
        world.read()
    assert world.used() == 1
    world.pass_time(0.001)
    assert world.used() is None


def test_a_stream_that_begins_anew_is_fresh() -> None:
    world = leased()
    world.pass_time(60.0)
    while world.going:
        world.read()
    world.open()
    world.read()
    assert world.keep()
    assert world.used() == 1


def test_a_suspend_between_two_ticks_counts_as_lateness() -> None:
    freshness = Freshness()
    freshness.begin(0.0)
    for tenth in range(1, 6):
        freshness.tick(tenth / 10)
    assert freshness.since == 0.5 - SETTLE_SECONDS
    freshness.tick(3600.0)
    freshness.tick(3600.1)
    assert freshness.since == 0.5 - SETTLE_SECONDS


LAGS = [0.001, 0.1, 0.1, 0.15, 0.2, 0.201, 0.3, 0.46, 0.55, 1.0, 1.19]
TURN = st.tuples(st.sampled_from(LAGS), st.integers(0, 2), st.integers(0, 3))
"""Time passes, so many messages are read, governd says the same so many times again."""
TURNS = st.builds(
    lambda turns, times: turns * times, st.lists(TURN, max_size=4), st.integers(1, 12)
)


class Lagging(World):
    """A client whose ticks and reads come as late as a test says.

    The one thing taken for granted is what ``SETTLE_SECONDS`` says: while ticks are on time, a
    message reaches a reader that waits for it in less than that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ticked = self.on_time_since = self.waits = 0.0
        self.open()

    @property
    def overdue(self) -> bool:
        settled = self.now - SETTLE_SECONDS + 2 * TRANSIT
        return bool(self.queue) and settled >= max(self.on_time_since, self.waits, self.queue[0][0])

    def read(self) -> None:
        super().read()
        self.waits = self.now

    def turn(self, lag: float, reads: int, says: int) -> None:
        """Ends with a tick, on time or not."""
        late = self.now + lag - self.ticked > LATE_SECONDS
        for _ in range(round(lag * 1000)):
            self.pass_time(0.001)
            self.check()
            if self.overdue and not late:
                self.read()
        for _ in range(reads):
            self.read()
            self.check()
        for _ in range(says):
            self.tell()
        self.tick()

    def tick(self) -> None:
        if self.now - self.ticked > LATE_SECONDS:
            self.on_time_since = self.now
        self.ticked = self.now
        self.watch.tick()

    def check(self) -> None:
        used = self.used()
        if used is not None and used != self.epoch:
            assert self.now < self.changed[used] + MAX_SILENCE_SECONDS + TRANSIT


@settings(deadline=None)  # no time is measured
@given(TURNS, TURNS)
def test_however_the_reader_lags_no_lease_is_used_for_longer_than_the_silence(
    before: list[tuple[float, int, int]], after: list[tuple[float, int, int]]
) -> None:
    world = Lagging()
    for turn in [(TICK_SECONDS, 1, 0), *before]:
        world.keep()
        world.turn(*turn)
    world.change()
    for turn in after:
        world.turn(*turn)
