"""A caller's identities, from a source of identities and a policy that a test writes.

    workload = FakeWorkload("permit (principal, action, resource);")
    await workload.open()
    workload.source.register("/web", "k8s:ns:shop")

Time passes when the test says so; what is issued is real.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.evaluate import Evaluator
from governd.application.issue_jwt_svid import JwtSvidIssuer
from governd.application.keep_identities import HeldIdentity, IdentityKeeper
from governd.application.sync_policy import PolicyKeeper
from governd.application.workload_view import WorkloadViews
from governd.errors import IdentityError, RateLimitedError
from governd.identity import Attestation, Caller, SpiffeId, Who
from governd.identity.ports import IdentitySource
from governd.identity.svid import JwtSvid, Selector, Workload
from governd.services.workload_api import WorkloadApiServicer
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.identity_observer import RecordingObserver
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.time import FakeTime, settle
from tests.policies import source_files

SHOP = "k8s:ns:shop"
ACCOUNT = "k8s:sa:web"
POD = Workload("pod", (Selector.parse(SHOP), Selector.parse(ACCOUNT)))
WEB = SpiffeId.parse("spiffe://example.org/web")


class MintingSource(FakeIdentitySource):
    """A source that lets something happen while it mints tokens.

    Attributes:
        minted: The audiences of every request for tokens.
        meanwhile: Happens with each.
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        """Nothing happens."""
        super().__init__(wall_clock)
        self.minted: list[list[str]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def jwt_svids(self, workload: Workload, audiences: Sequence[str]) -> tuple[JwtSvid, ...]:
        """JWT-SVIDs of the workload as it is after what happened.

        Raises:
            IdentityError: As ``FakeIdentitySource`` has it.
        """
        self.minted.append(list(audiences))
        self.meanwhile()
        await settle()
        return await super().jwt_svids(workload, audiences)


class Purse:
    """A caller's rate.

    Attributes:
        charged: What was taken from it.
        left: What may still be taken.
    """

    def __init__(self) -> None:
        self.charged = 0
        self.left = 1_000_000

    def charge(self, count: int, now: float) -> None:
        if count > self.left:
            message = "used up"
            raise RateLimitedError(message)
        self.charged += count
        self.left -= count


class Passing(Protocol):
    """Time, whoever lets it pass."""

    def clock(self) -> float:
        """Monotonic seconds."""

    def wall_clock(self) -> float:
        """Seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Returns when so many seconds have passed."""


class WorkloadParts:
    """One workload, all that is held for it, and what it may do.

    Attributes:
        keeper: Holds identities.
        held: The workload's; ``None`` where nothing is held for it.
        views: Shows them.
        log: Of decisions.
        policies: What decides.
        issuer: Issues JWT-SVIDs.
        servicer: Serves all of it.
    """

    def __init__(
        self,
        source: IdentitySource,
        time: Passing,
        policy: str = "",
        *,
        patience_seconds: float,
        unsafe_answer_without_log: bool = False,
    ) -> None:
        """Holds nothing yet."""
        self.keeper = IdentityKeeper(
            source,
            clock=time.clock,
            wall_clock=time.wall_clock,
            observer=RecordingObserver(),
            sleep=time.sleep,
        )
        self.held: HeldIdentity | None = None
        self.views = WorkloadViews(self.keeper, patience_seconds=patience_seconds)
        self.log = FakeDecisionLog()
        self.policies = PolicyKeeper(
            FakePolicySource(source_files(policy)),
            FakePolicyCompiler(),
            clock=time.clock,
            on_load=lambda _: None,
        )
        evaluator = Evaluator(
            self.policies,
            self.log,
            self,
            clock=time.clock,
            wall_clock=time.wall_clock,
            max_lease_seconds=60,
            unsafe_answer_without_log=unsafe_answer_without_log,
        )
        self.issuer = JwtSvidIssuer(evaluator, self.views)
        self.servicer = WorkloadApiServicer(self.views, self.issuer, wall_clock=time.wall_clock)

    def decided(self, answer: Answer) -> None:
        """Takes note of nothing."""

    async def open(self) -> HeldIdentity:
        """Begins to hold the workload's identities; loads the policy."""
        await self.policies.check()
        self.keeper.start()
        held = self.held = self.keeper.open(POD)
        await settle()
        return held

    async def close(self) -> None:
        """Holds nothing any more."""
        await self.keeper.close()

    @property
    def records(self) -> list[dict[str, Any]]:
        """What is on record."""
        return [json.loads(line) for line in self.log.lines]


class FakeWorkload(WorkloadParts):
    """A workload in a time that a test moves: what is there is told at once, or never.

    Attributes:
        time: Passes when a test says so.
        source: Issues identities.
        rate: The caller's.
    """

    def __init__(
        self,
        policy: str = "",
        *,
        before: Callable[[FakeIdentitySource], None] = lambda _: None,
        unsafe_answer_without_log: bool = False,
    ) -> None:
        """Registers what ``before`` registers."""
        self.time = FakeTime()
        self.source = MintingSource(self.time.wall_clock)
        self.rate = Purse()
        super().__init__(
            self.source,
            self.time,
            policy,
            patience_seconds=0,
            unsafe_answer_without_log=unsafe_answer_without_log,
        )
        before(self.source)

    async def breaks(self, problem: IdentityError | None) -> None:
        """The source breaks, or is mended."""
        self.source.breaks(problem)
        await settle()

    def call(self, caller: Who | None = None) -> Call:
        """A call of the workload's."""
        caller = caller or Caller(WEB, Attestation.SPIRE, {"pod": "web-1"})
        return Call(caller, None, self.rate, self.time.clock, held=self.held)
