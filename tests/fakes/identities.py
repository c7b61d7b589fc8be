"""Identities kept of a fake source, in a time that tests move."""

from governd.application.keep_identities import IdentityKeeper
from tests.fakes.identity_observer import RecordingObserver
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import FakeTime


class FakeIdentities:
    """A keeper that was not started yet, its source and its time."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.source = FakeIdentitySource(self.time.wall_clock)
        self.keeper = IdentityKeeper(
            self.source,
            clock=self.time.clock,
            wall_clock=self.time.wall_clock,
            observer=RecordingObserver(),
            sleep=self.time.sleep,
        )
