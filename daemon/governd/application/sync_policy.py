"""Keeps the policy in force the newest that is good.

Watches the source, reads a change outside the event loop, has it compiled, and swaps it in
with one assignment. A source that is refused or away, or that the compiler trips over,
leaves the last good policy in force, and its age grows.
"""

import asyncio
import contextlib
import math
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from governd.application.ports import CompilerError, PolicyCompilerPort
from governd.errors import PolicyError, Problem
from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import PolicyInfo
from governd.policy.ports import PolicySourcePort

Dress: TypeAlias = "Callable[[CompiledPolicy], Awaitable[CompiledPolicy]]"
"""Adds to a policy what stands beside its source."""

_LONGEST_WAIT_SECONDS = 60.0


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


async def as_it_is(policy: CompiledPolicy) -> CompiledPolicy:
    """Adds nothing."""
    return policy


def dressed_by(*dresses: Dress) -> Dress:
    """Adds what each of them adds, in this order."""

    async def dress(policy: CompiledPolicy) -> CompiledPolicy:
        for one in dresses:
            policy = await one(policy)
        return policy

    return dress


class PolicyKeeper:
    """Holds the policy in force."""

    def __init__(
        self,
        source: PolicySourcePort | None,
        compiler: PolicyCompilerPort,
        *,
        clock: Callable[[], float],
        on_load: Callable[[PolicyState], None],
        on_redress: Callable[[PolicyState], None] = lambda _: None,
        dress: Dress = as_it_is,
    ) -> None:
        """Loads nothing yet.

        Args:
            source: Where policy comes from; ``None`` denies everything.
            compiler: Makes a policy of its files.
            clock: Monotonic seconds.
            on_load: Told of each new state that the source led to.
            on_redress: Told of each new state that ``redress`` led to.
            dress: Run on each policy before it comes into force.
        """
        self._source = source
        self._compiler = compiler
        self._clock = clock
        self._on_load = on_load
        self._on_redress = on_redress
        self._dress = dress
        self._boot = secrets.token_hex(8)
        self._counter = 0
        self._signature: object = None
        self._failures = 0
        self._not_before = -math.inf
        self._loading = asyncio.Lock()
        self._swapping = asyncio.Lock()
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

    async def redress(self) -> None:
        """Dresses the policy in force anew, because what is added to it changed.

        That is a new epoch. It says nothing of the source, so its age goes on.
        """
        async with self._swapping:
            old = self.state.policy
            if old is None:
                return
            policy = await self._dress(old)
            self.state = replace(self.state, policy=policy, epoch=self._epoch())
            self._on_redress(self.state)
        await _step_by_step(old.forget_asked())

    async def _check(self, source: PolicySourcePort) -> None:
        before = self._clock()
        try:
            with _refused():
                signature = await asyncio.to_thread(source.signature)
        except PolicyError as error:
            self._signature = None  # when it is back, it is read again
            self._refuse(error)
            return
        if signature != self._signature and before >= self._not_before:
            with contextlib.suppress(PolicyError):  # kept in the state and reported by it
                await self._take(source)
        elif signature == self._signature and not self.state.problems:
            self.state = replace(self.state, verified=before)

    async def _take(self, source: PolicySourcePort) -> bool:
        # Whatever ends this before it is judged, a caller's deadline too: it is read again.
        before, self._signature, read = self._clock(), None, None
        try:
            with _refused():
                read, files = await asyncio.to_thread(source.read)
                replaced = await self._accept(await self._compile(files), before)
        except PolicyError as error:
            # A refused state is not read again each second; what failed is tried again.
            if isinstance(error, CompilerError):
                self._put_off()
            else:
                self._signature = read
            self._refuse(error)
            raise
        self._signature, self._failures = read, 0
        if replaced is not None and replaced.policy is not None:
            await _step_by_step(replaced.policy.forget())
        return replaced is not None

    def _put_off(self) -> None:
        """Tries again by itself, later each time."""
        self._failures += 1
        self._not_before = self._clock() + min(_LONGEST_WAIT_SECONDS, 2.0**self._failures)

    async def _compile(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        """The policy in the files: the one in force, where they are still the same."""
        digest = await asyncio.to_thread(self._compiler.digest, files)
        current = self.state.policy
        if current is not None and current.digest == digest:
            return current
        return await self._compiler.compile(files)

    async def _accept(self, policy: CompiledPolicy, verified: float) -> PolicyState | None:
        """Puts a policy in force; the state that it replaced, if it is not in force already."""
        async with self._swapping:
            old = self.state
            if old.policy is None or old.policy.digest != policy.digest:
                dressed = await self._dress(policy)
                self.state = PolicyState(dressed, self._epoch(), verified)
                self._on_load(self.state)
                return old
            self.state = replace(old, verified=verified, problems=())
            if old.problems:
                self._on_load(self.state)
            return None

    def _refuse(self, error: PolicyError) -> None:
        if error.problems != self.state.problems:
            self.state = replace(self.state, problems=error.problems)
            self._on_load(self.state)

    def _epoch(self) -> str:
        self._counter += 1
        return f"{self._boot}-{self._counter}"


async def _step_by_step(steps: Iterator[None]) -> None:
    for _ in steps:
        await asyncio.sleep(0)


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    """Refuses a source on which a step fails in a way that nobody foresaw.

    Whatever a source trips over must not take the last good policy down with it.
    """
    try:
        yield
    except PolicyError:
        raise
    except Exception as error:
        problem = Problem("policy", 0, f"cannot be read: {type(error).__name__}: {error}")
        raise PolicyError([problem]) from error
