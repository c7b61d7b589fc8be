"""Revokes on this node: what is revoked counts at once, for decisions and for tokens.

Agents, servers and users are on the deny-list of the policy in force, beside those of its
source: the policy is dressed anew, which is a new epoch, so that no lease and nothing that
is remembered outlives it. Chains and tokens are refused by whoever receives them.

Promises:
    * A revocation is in force before it is put on record and on disk, and where that fails
      it stays in force, until governd restarts: an operator who stops somebody must not
      wait for a full disk.
    * What was revoked is in force again before a restarted governd answers anything.
    * One thing is done after the other, and to its end, whoever hangs up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from governd.application.operate import Component
from governd.application.revocation_lines import revocation_line
from governd.application.sync_policy import PolicyKeeper
from governd.audit.ports import DecisionLog
from governd.delegation.revocation_list import Kind, Revocation, RevocationList, Target, revocation
from governd.delegation.revocations import NOTHING, Revocations
from governd.errors import DecisionLogError, GoverndError
from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import PolicyInfo
from governd.policy.revoking import revoking

LOOK_SECONDS = 5.0
"""How often is looked for revocations that have ended."""
_RETRY_SECONDS = 5.0


class RevocationsError(GoverndError):
    """What was revoked cannot be read back or kept."""

    reason = "LOG_UNAVAILABLE"


class RevocationStore(Protocol):
    """Keeps what is revoked."""

    def load(self) -> RevocationList:
        """What was kept last; nothing where nothing ever was.

        Raises:
            RevocationsError: It cannot be read, or is not what was written.
        """

    async def save(self, revoked: RevocationList) -> None:
        """Keeps this and nothing else.

        Raises:
            RevocationsError: It is not certain to outlive a restart.
        """


class RevocationObserver(Protocol):
    """Watches revocations, for metrics and logs."""

    def revoked(self, one: Revocation) -> None:
        """Something is revoked."""

    def not_kept(self, error: GoverndError) -> None:
        """What is revoked is not on record, or not on disk."""


class RevokedHere:
    """What is revoked on this node."""

    def __init__(
        self,
        store: RevocationStore,
        observer: RevocationObserver,
        *,
        wall_clock: Callable[[], float],
    ) -> None:
        """Holds nothing yet.

        Args:
            store: Where it is kept.
            observer: Told of each.
            wall_clock: Seconds since 1970.
        """
        self._store = store
        self._observer = observer
        self._wall_clock = wall_clock
        self._list = RevocationList()
        self.value: Revocations = NOTHING

    def load(self) -> None:
        """Takes what was revoked before governd started.

        Raises:
            RevocationsError: It cannot be read. Without it what was revoked would count, so
                that governd must not start.
        """
        self._put(self._store.load().at(self._wall_clock()))

    async def dress(self, policy: CompiledPolicy) -> CompiledPolicy:
        """The policy, with what is revoked here on its deny-list."""
        here = self._list
        return revoking(policy, frozenset((*here.names(Kind.WORKLOAD), *here.names(Kind.USER))))

    def current(self) -> tuple[Revocation, ...]:
        """All that is revoked, the latest first."""
        return self._list.at(self._wall_clock()).entries[::-1]

    def state(self) -> Component:
        """How much is revoked, for status; whatever it is, governd works."""
        detail = f"{len(self._list.entries)} in force on this node"
        return Component("revocations", ready=True, detail=detail)

    def take(self, one: Revocation) -> None:
        """Holds one more; it counts in decisions when the policy is dressed again.

        Raises:
            RequestError: There are too many.
        """
        self._put(self._list.at(self._wall_clock()).adding(one))
        self._observer.revoked(one)

    def forget_ended(self) -> bool:
        """Forgets what has ended; says whether anything had."""
        before = self._list
        self._put(before.at(self._wall_clock()))
        return self._list is not before

    async def keep(self) -> None:
        """Brings to disk what is held.

        Raises:
            RevocationsError: It is not certain to outlive a restart.
        """
        try:
            await self._store.save(self._list)
        except RevocationsError as error:
            self._observer.not_kept(error)
            raise

    def not_on_record(self, error: DecisionLogError) -> None:
        """Tells that a revocation is in force without a record."""
        self._observer.not_kept(error)

    def _put(self, revoked: RevocationList) -> None:
        if revoked is not self._list:
            self._list, self.value = revoked, revoked.value()


class Revoker:
    """The use case behind Revoke."""

    def __init__(
        self,
        policies: PolicyKeeper,
        here: RevokedHere,
        log: DecisionLog,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Takes its parts.

        Args:
            policies: Holds the policy in force, which ``here`` dresses.
            here: What is revoked.
            log: Where revocations are put on record.
            clock: Monotonic seconds.
            wall_clock: Seconds since 1970.
            sleep: Waits.
        """
        self._policies = policies
        self._here = here
        self._log = log
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._working: asyncio.Future[Any] | None = None

    async def revoke(
        self, target: Target, *, seconds: float, reason: str
    ) -> tuple[Revocation, PolicyInfo]:
        """Revokes something from now on; that, and the policy that decides then.

        Raises:
            RequestError: A name, the reason or the lifetime is malformed, or there are too
                many.
            DecisionLogError: It is in force, and not on record.
            RevocationsError: It is in force, and ends with this process.
        """
        one = revocation(target, now=self._wall_clock(), seconds=seconds, reason=reason)
        await self._turn.acquire()
        self._working = task = asyncio.ensure_future(self._revoke(one))
        task.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(task)

    async def tend(self) -> None:
        """Lets what was revoked count again when its time is over, for ever."""
        while True:
            await self._sleep(LOOK_SECONDS)
            async with self._turn:
                if self._here.forget_ended():
                    await self._policies.redress()

    async def _revoke(self, one: Revocation) -> tuple[Revocation, PolicyInfo]:
        self._here.take(one)
        info = self._policies.state.info(self._clock())
        await self._policies.redress()
        try:
            await self._log.append_durably([revocation_line(one, policy=info)])
        except DecisionLogError as error:
            self._here.not_on_record(error)
            message = f"in force until a restart, but not on record: {error}"
            raise DecisionLogError(message, retry_after=_RETRY_SECONDS) from error
        finally:
            await self._here.keep()
        return one, self._policies.state.info(self._clock())
