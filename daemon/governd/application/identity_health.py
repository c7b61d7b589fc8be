"""Whether identities can be issued and renewed, in words and for readiness.

Ready means both that governd has its own identities and that what issues identities can be
followed. A workload that waits to be registered is nobody's fault and changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from governd.application.keep_identities import Held, IdentityKeeper
from governd.application.operate import Component, RotatingIdentity
from governd.errors import IdentityError
from governd.identity.path_template import PathTemplate

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class IdentityHealth:
    """Tells the state of the component ``identity``."""

    def __init__(
        self,
        keeper: IdentityKeeper,
        own: Mapping[str, RotatingIdentity],
        *,
        wall_clock: Callable[[], float],
        template: PathTemplate | None = None,
    ) -> None:
        """Takes its parts.

        Args:
            keeper: Holds identities.
            own: governd's own, by what they are for, e.g. ``sign``.
            wall_clock: Seconds since 1970.
            template: The path template that is in force.
        """
        self._keeper = keeper
        self._own = own
        self._wall_clock = wall_clock
        self._template = [f"path template {template}"] if template else []

    def component(self) -> Component:
        """The state now."""
        problems = [*self._source_problem(), *self._own_problems()]
        detail = "; ".join([*problems, self._held(), *self._template])
        return Component("identity", ready=not problems, detail=detail)

    def _source_problem(self) -> Iterator[str]:
        problem = self._keeper.problem
        if problem:
            since = datetime.fromtimestamp(self._keeper.problem_since, UTC)
            yield f"{problem} (since {since:%Y-%m-%d %H:%M:%S} UTC)"

    def _own_problems(self) -> Iterator[str]:
        now = datetime.fromtimestamp(self._wall_clock(), UTC)
        for purpose, identity in self._own.items():
            try:
                identity.current(now)
            except IdentityError as error:
                said = self._keeper.problem and self._keeper.problem in str(error)
                yield f"nothing to {purpose} with{'' if said else f': {error}'}"

    def _held(self) -> str:
        held = self._keeper.held
        said = f"{self._keeper.source}: {_count(held.svids, 'identity', 'identities')} held"
        return f"{said}{self._end(held)}{_waiting(held)}"

    def _end(self, held: Held) -> str:
        if held.next_expiry is None:
            return ""
        left = span(held.next_expiry - self._wall_clock())
        return f", {'the first expires' if held.svids > 1 else 'it expires'} in {left}"


def _waiting(held: Held) -> str:
    waiting = held.workloads - held.ready
    verb = "waits" if waiting == 1 else "wait"
    return f", {_count(waiting, 'workload', 'workloads')} {verb} for one" if waiting else ""


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def span(seconds: float) -> str:
    """A time to come as people say it, in its largest unit."""
    left = max(0, round(seconds))
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if left >= 2 * size:
            return f"{left // size} {unit}"
    return f"{left} s"
