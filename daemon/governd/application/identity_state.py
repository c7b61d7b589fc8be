"""What is known of a workload's identity at one moment, and who is told."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from governd.errors import IdentityError, SourceAwayError
from governd.identity import SpiffeId
from governd.identity.svid import Workload, X509Svid


class Phase(enum.Enum):
    """How far a workload is on its way to an identity."""

    WAITING = "waiting"
    """It is nobody: it has none, or that which named it has expired."""
    READY = "ready"
    """It is somebody: the ID of its first SVID names it."""


@dataclass(frozen=True, slots=True)
class IdentityState:
    """A workload's identity at one moment.

    Attributes:
        phase: Whether it has one.
        reason: While it waits: for what. While it is ready: why its identities may not be
            renewed; ``""`` where all is well.
        svids: Its X.509-SVIDs. While it is ready, the first one names it. While it waits:
            those that are left beside one that named it and has expired.
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
        """Why it is nobody, to be raised; ``None`` while it is somebody."""
        return self.error(self.reason) if self.phase is Phase.WAITING else None

    @property
    def spiffe_id(self) -> SpiffeId | None:
        """Who it is; ``None`` while it is nobody."""
        ready = self.phase is Phase.READY and self.svids
        return self.svids[0].spiffe_id if ready else None

    @property
    def ends(self) -> float:
        """When its first SVID expires, in seconds since 1970; infinity without any."""
        return min((svid.not_after.timestamp() for svid in self.svids), default=float("inf"))

    def at(self, now: float) -> "IdentityState":
        """The same without what has expired at ``now``, in seconds since 1970.

        Once the ID that named the workload has expired it is nobody. It never becomes the
        next ID by that: nobody said that it is another one.
        """
        if now < self.ends:
            return self
        left = tuple(svid for svid in self.svids if now < svid.not_after.timestamp())
        phase, reason = self.phase, self.reason
        if self.spiffe_id not in {None, *(svid.spiffe_id for svid in left)}:
            why = f"; {reason}" if reason else ""
            phase, reason = Phase.WAITING, f"the identity has expired and was not renewed{why}"
        if not left:
            return IdentityState(phase, reason)
        return replace(self, phase=phase, reason=reason, svids=left)


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
