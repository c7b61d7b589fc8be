"""An observer of identities that writes down what it is told."""

from collections.abc import Sequence

from governd.errors import IdentityError
from governd.identity.svid import Workload, X509Svid


class RecordingObserver:
    """Implements ``governd.application.identity_state.IdentityObserver``.

    Attributes:
        told: One text for each thing that happened, e.g. ``issued /web to pod``.
        follows: How often the source began to answer.
        waits: Who became ready for the first time, and after how many seconds.
    """

    def __init__(self) -> None:
        """Was told nothing."""
        self.told: list[str] = []
        self.follows = 0
        self.waits: list[tuple[str, float]] = []

    def followed(self) -> None:
        """The source answers."""
        self.follows += 1

    def ready(self, workload: Workload, seconds: float) -> None:
        """The workload has its first identity."""
        self.waits.append((workload.name, seconds))

    def issued(self, workload: Workload, svids: Sequence[X509Svid]) -> None:
        """These are new."""
        self.told.append(f"issued {_paths(svids)} to {workload.name}")

    def rotated(self, workload: Workload, svids: Sequence[X509Svid]) -> None:
        """These took the place of others."""
        self.told.append(f"rotated {_paths(svids)} of {workload.name}")

    def dropped(self, workload: Workload, svids: Sequence[X509Svid], reason: str) -> None:
        """The workload has these no more."""
        self.told.append(f"dropped {_paths(svids)} of {workload.name}: {reason}")

    def failed(self, workload: Workload | None, error: IdentityError, *, again: bool) -> None:
        """A subscription broke."""
        name = workload.name if workload else "bundles"
        self.told.append(f"failed {name}: {error}{' again' if again else ''}")


def _paths(svids: Sequence[X509Svid]) -> str:
    return ",".join(svid.spiffe_id.path for svid in svids)
