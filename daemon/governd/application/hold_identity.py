"""Holds the identities of one workload while it is there, and not a moment longer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from governd.application.identity_state import IdentityObserver, IdentityState, Phase
from governd.application.latest import Latest
from governd.application.subscribe import Time, subscribe
from governd.errors import IdentityError, NoIdentityError, NotRegisteredError, SourceAwayError
from governd.identity import SpiffeId, own
from governd.identity.ports import IdentitySource
from governd.identity.svid import JwtSvid, Workload, WorkloadSvids, X509Svid

NO_ENTRY = "no registration entry matches"
CLOSED = "the workload is gone"


class HeldIdentity:
    """A workload's identities: what its source says, for as long as that counts.

    Promises:
        * What the source no longer says is gone at once; so is all if it refuses governd, and
          if it issues one of governd's own IDs to another workload.
        * One ID names the workload, and goes on to for as long as it is issued: at first the
          smallest in the order of ``SpiffeId``, and again where it is revoked.
        * While the source is away, an SVID stays to its end and no longer, whoever looks.
        * Nothing is left after ``close``.

    Attributes:
        workload: Whose they are.
        task: Follows the source.
    """

    def __init__(
        self,
        workload: Workload,
        source: IdentitySource,
        observer: IdentityObserver,
        *,
        time: Time,
        on_close: Callable[["HeldIdentity"], None],
    ) -> None:
        """Subscribes to the workload's identities.

        Args:
            workload: Who.
            source: Issues them.
            observer: Told what happens.
            time: Tells when they expire, and waits.
            on_close: Told once, when this is closed.
        """
        self.workload = workload
        self._source = source
        self._observer = observer
        self._time = time
        self._on_close = on_close
        self._heed: list[Callable[[], object]] = []
        self._closed = False
        self._name: SpiffeId | None = None
        self._last_problem = ""
        self._opened: float | None = time.clock()
        first = IdentityState(Phase.WAITING, f"no answer yet from {source.name}")
        self._latest = Latest(first)
        following = subscribe(lambda: source.svids(workload), self._take, self._fail, time)
        self.task = asyncio.ensure_future(following)

    @property
    def state(self) -> IdentityState:
        """What counts now."""
        self.expire()
        return self._latest.value

    def at(self, now: float) -> IdentityState:
        """What counts at ``now``, in seconds since 1970. Any thread may ask: nobody is told."""
        return self._latest.value.at(now)

    def changes(self) -> AsyncGenerator[IdentityState, None]:
        """The state now and whenever it is another one; ends when this is closed."""
        self.expire()
        return self._latest.follow()

    def on_change(self, heed: Callable[[], object]) -> None:
        """Has ``heed`` called, at once, whenever the state is another one. It must not raise."""
        self._heed.append(heed)

    def expire(self) -> None:
        """Drops what has expired."""
        before = self._latest.value
        after = before.at(self._time.wall_clock())
        if after is not before:
            self._set(after, "expired")

    async def jwt_svids(
        self, audiences: Sequence[str], spiffe_id: SpiffeId | None = None
    ) -> tuple[JwtSvid, ...]:
        """JWT-SVIDs for the IDs that the workload has now; none is kept here.

        Args:
            audiences: Who will accept them.
            spiffe_id: The only ID to have one for; all of the workload's if left out.

        Raises:
            IdentityError: There are none to be had; the message says why.
        """
        self._check(spiffe_id)
        found = await self._source.jwt_svids(self.workload, audiences)
        held = self._check(spiffe_id)  # the workload may be gone, or an ID revoked, by now
        svids = tuple(svid for svid in found if svid.spiffe_id in held)
        if not svids:
            raise NoIdentityError(NO_ENTRY)
        return svids

    def close(self) -> None:
        """Forgets everything and ends the subscription. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        self.task.cancel()
        self._tell(self._latest.value.svids, (), CLOSED)
        self._latest.close(IdentityState(Phase.WAITING, CLOSED, error=NoIdentityError))
        self._on_close(self)
        self._changed()

    def _check(self, spiffe_id: SpiffeId | None) -> set[SpiffeId]:
        state = self.state
        if state.problem is not None:
            raise state.problem
        held = {svid.spiffe_id for svid in state.svids}
        if spiffe_id is None:
            return held
        if spiffe_id not in held:
            message = f"{spiffe_id} is not issued to this workload"
            raise NoIdentityError(message)
        return {spiffe_id}

    def _take(self, said: WorkloadSvids) -> None:
        own.check_issued(self.workload, {svid.spiffe_id for svid in said.svids})
        self._last_problem = ""
        if said.svids:
            state = IdentityState(Phase.READY, "", self._ordered(said.svids), said.federates_with)
            state = state.at(self._time.wall_clock())
        else:
            state = IdentityState(Phase.WAITING, NO_ENTRY, error=NotRegisteredError)
        self._set(state, "revoked")
        if state.phase is Phase.READY and self._opened is not None:
            self._observer.ready(self.workload, self._time.clock() - self._opened)
            self._opened = None

    def _ordered(self, svids: Sequence[X509Svid]) -> tuple[X509Svid, ...]:
        """That which names the workload first: a source promises no order."""
        ids = {svid.spiffe_id for svid in svids}
        name = self._name = self._name if self._name in ids else min(ids)
        return tuple(sorted(svids, key=lambda svid: (svid.spiffe_id != name, svid.spiffe_id)))

    def _fail(self, error: IdentityError) -> None:
        problem = str(error)
        self._observer.failed(self.workload, error, again=problem == self._last_problem)
        self._last_problem = problem
        state = self.state
        if state.svids and isinstance(error, SourceAwayError):
            self._set(replace(state, reason=problem), "")
        else:
            self._set(IdentityState(Phase.WAITING, problem, error=type(error)), problem)

    def _set(self, state: IdentityState, why: str) -> None:
        before = self._latest.value.svids
        if self._latest.set(state):
            self._tell(before, state.svids, why)
            self._changed()

    def _changed(self) -> None:
        for heed in self._heed:
            heed()

    def _tell(self, before: Sequence[X509Svid], after: Sequence[X509Svid], why: str) -> None:
        had = {svid.spiffe_id for svid in before}
        has = {svid.spiffe_id for svid in after}
        fresh = [svid for svid in after if svid not in before]
        issued = [svid for svid in fresh if svid.spiffe_id not in had]
        rotated = [svid for svid in fresh if svid.spiffe_id in had]
        dropped = [svid for svid in before if svid.spiffe_id not in has]
        if issued:
            self._observer.issued(self.workload, issued)
        if rotated:
            self._observer.rotated(self.workload, rotated)
        if dropped:
            self._observer.dropped(self.workload, dropped, why)
