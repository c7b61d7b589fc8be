"""What is known of a workload's identity at one moment, and who is told."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from governd.errors import IdentityError, SourceAwayError
from governd.identity.svid import Workload, X509Svid


class Phase(enum.Enum):
    """How far a workload is on its way to an identity."""

    WAITING = "waiting"
    """It has none, or none any more."""
    READY = "ready"
    """It has at least one that counts."""


@dataclass(frozen=True, slots=True)
class IdentityState:
    """A workload's identity at one moment.

    Attributes:
        phase: Whether it has one.
        reason: While it waits: for what. While it is ready: why its identities may not be
            renewed; ``""`` where all is well.
        svids: Its X.509-SVIDs, the default one first; none while it waits.
        federates_with: The other trust domains whose bundles it is to have.
        error: While it waits: what kind of error that is for who needs one.
    """

    phase: Phase
    reason: str
    svids: tuple[X509Svid, ...] = ()
    federates_with: frozenset[str] = frozenset()
    error: type[IdentityError] = SourceAwayError

    @property
    def problem(self) -> IdentityError | None:
        """Why it has no identity, to be raised; ``None`` while it has one."""
        return self.error(self.reason) if self.phase is Phase.WAITING else None

    @property
    def ends(self) -> float:
        """When its first SVID expires, in seconds since 1970; infinity without any."""
        return min((svid.not_after.timestamp() for svid in self.svids), default=float("inf"))

    def at(self, now: float) -> "IdentityState":
        """The same without what has expired at ``now``, in seconds since 1970."""
        if now < self.ends:
            return self
        left = tuple(svid for svid in self.svids if now < svid.not_after.timestamp())
        if left:
            return replace(self, svids=left)
        why = f"; {self.reason}" if self.reason else ""
        return IdentityState(Phase.WAITING, f"the identity has expired and was not renewed{why}")


@dataclass(frozen=True, slots=True)
class Held:
    """What is held for all workloads together.

    Attributes:
        workloads: How many there are.
        ready: How many of them have an identity.
        svids: X.509-SVIDs.
        oldest: When the first of them began to count, in seconds since 1970; ``None`` for none.
        next_expiry: When the first of them ends, likewise.
    """

    workloads: int
    ready: int
    svids: int
    oldest: float | None
    next_expiry: float | None


class IdentityObserver(Protocol):
    """Counts and logs what happens to identities. Must not raise, nor keep an SVID."""

    def followed(self) -> None:
        """The source answers, for the first time or again."""

    def ready(self, workload: Workload, seconds: float) -> None:
        """The workload has an identity for the first time, so long after it was opened."""

    def issued(self, workload: Workload, svids: Sequence[X509Svid]) -> None:
        """These are new, for IDs that the workload did not have."""

    def rotated(self, workload: Workload, svids: Sequence[X509Svid]) -> None:
        """These took the place of others with the same ID."""

    def dropped(self, workload: Workload, svids: Sequence[X509Svid], reason: str) -> None:
        """The workload has no SVID with the IDs of these any more."""

    def failed(self, workload: Workload | None, error: IdentityError, *, again: bool) -> None:
        """A subscription broke, ``None``'s for the trust bundles.

        ``again``: for the same reason as the last time.
        """
