"""Keeps the policy in force the newest that is good.

Watches the source, reads and compiles a change outside the event loop, and swaps it in
with one assignment. A source that is refused or away leaves the last good policy in
force, and its age grows.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from governd.errors import PolicyError, Problem
from governd.policy.compiler import CompiledPolicy, compile_policy
from governd.policy.decision import PolicyInfo
from governd.policy.ports import PolicySourcePort
from governd.policy.source import read_source

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What is known of the policy at one moment.

    Attributes:
        policy: In force; ``None`` while none was ever good.
        epoch: Changes with the policy in force.
        verified: When the source was last seen to hold it, in monotonic seconds.
        problems: Why the source's newest state was refused; empty where it was not.
    """

    policy: CompiledPolicy | None
    epoch: str
    verified: float
    problems: tuple[Problem, ...] = ()

    def info(self, now: float) -> PolicyInfo:
        """What answers say of the policy."""
        if self.policy is None:
            return PolicyInfo(epoch=self.epoch)
        return PolicyInfo(
            self.policy.digest,
            self.policy.manifest.version,
            self.epoch,
            max(0.0, now - self.verified),
        )


class PolicyKeeper:
    """Holds the policy in force."""

    def __init__(
        self,
        source: PolicySourcePort | None,
        *,
        base_schema: str,
        base_policy: str,
        clock: Callable[[], float],
        on_load: Callable[[PolicyState], None],
    ) -> None:
        """Loads nothing yet.

        Args:
            source: Where policy comes from; ``None`` denies everything.
            base_schema: The text of governd's schema.
            base_policy: The text of governd's base policy.
            clock: Monotonic seconds.
            on_load: Told of each new state that the source led to.
        """
        self._source = source
        self._base_schema = base_schema
        self._base_policy = base_policy
        self._clock = clock
        self._on_load = on_load
        self._boot = secrets.token_hex(8)
        self._counter = 0
        self._signature: object = None
        self._loading = asyncio.Lock()
        missing = () if source else (Problem("policy", 0, "no policy source is configured"),)
        self.state = PolicyState(None, self._epoch(), clock(), missing)

    async def reload(self) -> bool:
        """Reads the source now; says whether the policy in force changed.

        Raises:
            PolicyError: The source was refused; the last good policy stays.
        """
        async with self._loading:
            if self._source is None:
                raise PolicyError(self.state.problems)
            return await self._take(self._source)

    async def watch(self, interval_seconds: float) -> None:
        """Reloads whenever the source changes, for ever."""
        while True:
            await asyncio.sleep(interval_seconds)
            await self.check()

    async def check(self) -> None:
        """Reloads if the source changed since it was last read."""
        async with self._loading:
            if self._source is not None:
                await self._check(self._source)

    async def _check(self, source: PolicySourcePort) -> None:
        before = self._clock()
        try:
            signature = await asyncio.to_thread(_guarded, source.signature)
        except PolicyError as error:
            self._signature = None  # when it is back, it is read again
            self._refuse(error)
            return
        if signature != self._signature:
            with contextlib.suppress(PolicyError):  # kept in the state and reported by it
                await self._take(source)
        elif not self.state.problems:
            self.state = replace(self.state, verified=before)

    async def _take(self, source: PolicySourcePort) -> bool:
        before, self._signature = self._clock(), None  # until it is read
        try:
            signature, files = await asyncio.to_thread(_guarded, source.read)
            # Remembered before it is judged: a refused state is not read again each second.
            self._signature = signature
            policy = await asyncio.to_thread(_guarded, lambda: self._compile(files))
        except PolicyError as error:
            self._refuse(error)
            raise
        return self._accept(policy, before)

    def _compile(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        return compile_policy(read_source(files, self._base_policy), self._base_schema)

    def _accept(self, policy: CompiledPolicy, verified: float) -> bool:
        current = self.state.policy
        if current is not None and current.digest == policy.digest:
            recovered = self.state.problems
            self.state = replace(self.state, verified=verified, problems=())
            if recovered:
                self._on_load(self.state)
            return False
        self.state = PolicyState(policy, self._epoch(), verified)
        self._on_load(self.state)
        return True

    def _refuse(self, error: PolicyError) -> None:
        if error.problems != self.state.problems:
            self.state = replace(self.state, problems=error.problems)
            self._on_load(self.state)

    def _epoch(self) -> str:
        self._counter += 1
        return f"{self._boot}-{self._counter}"


def _guarded(step: Callable[[], _Result]) -> _Result:
    """Refuses a source on which a step fails in a way that nobody foresaw.

    Whatever a source trips over, in Cedar for example, must not take the last good
    policy down with it.
    """
    try:
        return step()
    except PolicyError:
        raise
    except Exception as error:
        problem = Problem("policy", 0, f"cannot be read: {type(error).__name__}: {error}")
        raise PolicyError([problem]) from error
