"""What an operator asks of governd: its state, why it decides so, a reload."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from governd.application.sync_policy import PolicyKeeper
from governd.errors import IdentityError, Problem
from governd.identity import Caller, SpiffeId
from governd.identity.ports import Signer
from governd.policy.analysis import ExplainedDecision, explain
from governd.policy.decision import Decision, DecisionCode, PolicyInfo
from governd.policy.question import Question
from governd.policy.subject import check_subject


@dataclass(frozen=True, slots=True)
class Component:
    """State of one part of governd.

    Attributes:
        name: The part.
        ready: Whether it works.
        detail: Why not, or what it is doing.
    """

    name: str
    ready: bool
    detail: str


@dataclass(frozen=True, slots=True)
class CallerUsage:
    """A caller's use of its limits.

    Attributes:
        caller: Who.
        listener: The socket it calls on.
        calls_in_flight: Being served now.
        calls: Answered since the listener opened.
        refused: Refused by a limit since then.
        idle_seconds: Since its last call; ``None`` before the first.
        tenant: Its tenant; ``""`` for none.
    """

    caller: Caller
    listener: str
    calls_in_flight: int
    calls: int
    refused: int
    idle_seconds: float | None
    tenant: str = ""


class RotatingIdentity(Protocol):
    """An identity of governd's that renews itself."""

    def current(self, now: datetime) -> Signer:
        """The signer to use at ``now``.

        Raises:
            IdentityError: There is none.
        """


@dataclass(frozen=True, slots=True)
class Identities:
    """Who governd is.

    Attributes:
        serving: The identity it serves with.
        signing: The identity it signs with.
        source: Where both come from.
        state: Tells how they are; ``None`` where they are always there.
    """

    serving: RotatingIdentity
    signing: RotatingIdentity
    source: str
    state: Callable[[], Component] | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What this governd is and holds; ``admin_service.proto`` documents each."""

    version: str
    started: datetime
    ready: bool
    components: tuple[Component, ...]
    policy: PolicyInfo
    policies: int
    policy_problems: tuple[Problem, ...]
    listeners: int
    unsafe_settings: tuple[str, ...]
    serving_identity: str
    signing_identity: str
    identity_source: str
    production: bool


class Operator:
    """The use case behind the admin socket."""

    def __init__(
        self,
        keeper: PolicyKeeper,
        identities: Identities | None,
        *,
        version: str,
        production: bool,
        unsafe_settings: tuple[str, ...],
        started: datetime,
        clock: Callable[[], float],
        usage: Callable[[], Iterable[CallerUsage]],
        listeners: Callable[[], int],
        components: Sequence[Callable[[], Component]],
    ) -> None:
        """Takes its parts.

        Args:
            keeper: Holds the policy in force.
            identities: Who governd is; ``None`` where nothing gives it an identity.
            version: governd's.
            production: Whether ``production = true``.
            unsafe_settings: Settings in force that relax a rule.
            started: When governd began.
            clock: Monotonic seconds.
            usage: Every caller's use of its limits.
            listeners: How many are open, the operator's not among them.
            components: Each tells the state of one part, beside the policy.
        """
        self._keeper = keeper
        self._identities = identities
        self._version = version
        self._production = production
        self._unsafe_settings = unsafe_settings
        self._started = started
        self._clock = clock
        self._usage = usage
        self._listeners = listeners
        self._components = components

    def status(self) -> Status:
        """The state of everything."""
        state, identities = self._keeper.state, self._identities
        parts = (self._policy(), self._identity(), *(part() for part in self._components))
        now = datetime.now(UTC)
        return Status(
            version=self._version,
            started=self._started,
            ready=all(part.ready for part in parts),
            components=parts,
            policy=state.info(self._clock()),
            policies=len(state.policy.policies) if state.policy else 0,
            policy_problems=state.problems,
            listeners=self._listeners(),
            unsafe_settings=self._unsafe_settings,
            serving_identity=_id(identities.serving, now) if identities else "",
            signing_identity=_id(identities.signing, now) if identities else "",
            identity_source=identities.source if identities else "",
            production=self._production,
        )

    def explain(self, question: Question) -> tuple[ExplainedDecision, PolicyInfo]:
        """A question's answer and why, without a record.

        Raises:
            SubjectError: The caller could not name that subject.
        """
        state = self._keeper.state
        check_subject(state.policy, question)
        info = state.info(self._clock())
        if state.policy is None:
            return ExplainedDecision(Decision(DecisionCode.NO_POLICY)), info
        return explain(state.policy, question, age_seconds=info.age_seconds), info

    async def reload(self) -> tuple[PolicyInfo, bool]:
        """Reads the policy source; the policy in force and whether it changed.

        Raises:
            PolicyError: The source was refused.
        """
        changed = await self._keeper.reload()
        return self._keeper.state.info(self._clock()), changed

    def callers(self) -> list[CallerUsage]:
        """Every caller, with its tenant, by listener."""
        usage = (replace(one, tenant=self.tenant_of(one.caller.spiffe_id)) for one in self._usage())
        return sorted(usage, key=lambda one: one.listener)

    def tenant_of(self, spiffe_id: SpiffeId) -> str:
        """The tenant of a SPIFFE ID under the policy in force."""
        policy = self._keeper.state.policy
        return policy.manifest.tenant_of(spiffe_id) if policy else ""

    def _identity(self) -> Component:
        if self._identities is None:
            return Component("identity", ready=False, detail="nothing gives governd an identity")
        if self._identities.state is not None:
            return self._identities.state()
        return Component("identity", ready=True, detail=self._identities.source)

    def _policy(self) -> Component:
        state = self._keeper.state
        if state.policy is None:
            return Component("policy", ready=False, detail=_first(state.problems))
        detail = f"{len(state.policy.policies)} policies in force"
        if state.problems:
            detail = f"{detail}; the source was refused since: {_first(state.problems)}"
        return Component("policy", ready=True, detail=detail)


def _id(identity: RotatingIdentity, now: datetime) -> str:
    """Who it is; ``""`` while it is nobody."""
    try:
        return str(identity.current(now).spiffe_id)
    except IdentityError:
        return ""


def _first(problems: tuple[Problem, ...]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}" if problems else "not loaded yet"
