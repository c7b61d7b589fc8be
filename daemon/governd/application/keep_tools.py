"""Keeps what MCP servers say of themselves: registrations, and approvals of them.

Each is written, put on record, kept, then in force; what fails on the way leaves everything
as it was. What is on record and could not be kept is on record as that. They are taken
one after the other, each to its end even if its caller hangs up meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from governd.application.calling_server import find_server
from governd.application.list_tools import unknown
from governd.application.registration_lines import (
    Counts,
    approval_line,
    registration_line,
)
from governd.application.registrations import Registrations
from governd.application.sync_policy import PolicyKeeper
from governd.audit.ports import DecisionLog
from governd.errors import (
    ApprovalError,
    DecisionLogError,
    RegistrationsError,
    ServerUnknownError,
)
from governd.identity import Caller
from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import PolicyInfo
from governd.policy.definitions import Definition, Kind
from governd.policy.offering import Standing
from governd.policy.registration import PinOrigin, Registration, approve, register
from governd.policy.tools import Tool

_RETRY_SECONDS = 1.0

_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class RegistrationOutcome:
    """What became of a registration.

    Attributes:
        server: Its name in the policy source.
        active: How many definitions are in force.
        quarantined: The others.
        changed: Whether anything differs from the registration before.
        policy: In force now.
    """

    server: str
    active: int
    quarantined: tuple[Standing, ...]
    changed: bool
    policy: PolicyInfo


class ToolObserver(Protocol):
    """Watches registrations and approvals, for metrics and logs."""

    def registered(self, outcome: RegistrationOutcome) -> None:
        """A registration was taken, or is the same as before."""

    def approved(self, standing: Standing, before: str) -> None:
        """An operator pinned a definition; ``before`` is the digest that it was held to."""

    def not_kept(self, error: RegistrationsError) -> None:
        """What was to be taken cannot be kept on disk, so it was not taken."""


class ToolKeeper:
    """The use case behind RegisterTools and ApproveTool."""

    def __init__(
        self,
        policies: PolicyKeeper,
        registrations: Registrations,
        log: DecisionLog,
        observer: ToolObserver,
        *,
        accept_first: bool,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """Takes its parts.

        Args:
            policies: Holds the policy in force, which ``registrations`` dress.
            registrations: What servers registered.
            log: Where registrations and approvals are put on record.
            observer: Told of each.
            accept_first: Whether what was never seen before is taken as it is.
            clock: Monotonic seconds.
            wall_clock: Seconds since the epoch.
        """
        self._policies = policies
        self._registrations = registrations
        self._log = log
        self._observer = observer
        self._accept_first = accept_first
        self._clock = clock
        self._wall_clock = wall_clock
        self._turn = asyncio.Lock()
        self._working: asyncio.Future[Any] | None = None

    def server_of(self, caller: Caller, name: str) -> str:
        """The server that a caller is; ``name`` is what it calls itself, or ``""``.

        Raises:
            ServerUnknownError: The policy source declares no such server.
            ServerNotAllowedError: The caller is not that server.
            RequestError: The caller can be several servers and names none.
        """
        return find_server(self._policy(), caller.spiffe_id, name)

    async def register(
        self, caller: Caller, server: str, definitions: Sequence[Definition]
    ) -> RegistrationOutcome:
        """Takes all that the calling server offers, in place of what it offered before.

        Args:
            caller: Who registers.
            server: Which server it is, as ``server_of`` says.
            definitions: What it offers, in the order of its list.

        Raises:
            ServerUnknownError: The policy source does not declare the server any more.
            ServerNotAllowedError: The caller is not that server any more.
            RegistrationTooLargeError: With what was registered before, it is too much.
            DecisionLogError: It cannot be put on record, or not be kept.
        """
        return await self._in_turn(lambda: self._register(caller, server, definitions))

    async def approve(
        self, server: str, kind: Kind, name: str, digest: str, *, drop: tuple[str, ...] = ()
    ) -> tuple[Standing, PolicyInfo]:
        """Pins a definition as it is registered now; how it stands then, and what decides.

        What was required once stays required, but for the capabilities in ``drop``.

        Raises:
            DefinitionUnknownError: Nothing of that name is registered.
            ApprovalError: What is registered has another digest, cannot be approved, or
                requires what is to be dropped.
            DecisionLogError: It cannot be put on record, or not be kept.
        """
        return await self._in_turn(lambda: self._approve((server, kind, name), digest, drop))

    async def _in_turn(self, work: Callable[[], Awaitable[_Done]]) -> _Done:
        """Does one thing after the other, and to its end, whoever hangs up."""
        await self._turn.acquire()
        self._working = task = asyncio.ensure_future(work())
        task.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(task)

    async def _register(
        self, caller: Caller, server: str, definitions: Sequence[Definition]
    ) -> RegistrationOutcome:
        now, policy, owner = self._wall_clock(), self._policy(), caller.spiffe_id
        find_server(policy, owner, server)  # the policy may be another since it was read
        old = self._registrations.find(owner, server)
        new = register(
            old,
            owner,
            server,
            definitions,
            now=now,
            accept_first=self._accept_first,
            declared=policy.servers[server].tools,
        )
        if new != old:
            offering = await self._registrations.preview(policy, new)
            standings = self._registrations.of_server(server, offering)
            counts, info = Counts.between(old, new), self._info()
            line = registration_line(caller, server, counts, standings, time=now, policy=info)
            await self._take(line, new)
        outcome = self._outcome(server, changed=new != old)
        self._observer.registered(outcome)
        return outcome

    async def _approve(
        self, target: tuple[str, Kind, str], digest: str, drop: tuple[str, ...]
    ) -> tuple[Standing, PolicyInfo]:
        server, kind, name = target
        standing = self._registrations.offering.standings.get(target)
        old = self._owner(server)
        if standing is None or old is None:
            raise unknown(server, kind, name)
        new = approve(old, (kind, name), digest, drop, declared=self._declared(*target))
        _check_source(standing, digest)
        if new != old:
            before = old.pins.get((kind, name))
            now, info = self._wall_clock(), self._info()
            line = approval_line(standing, digest, before, drop, time=now, policy=info)
            await self._take(line, new)
            standing = self._registrations.offering.standings.get(target, standing)
            self._observer.approved(standing, before.definition.digest if before else "")
        return standing, self._info()

    async def _take(self, line: bytes, registration: Registration) -> None:
        """Puts a registration on record, on disk and in force."""
        try:
            await self._registrations.keep(registration, line, self._log)
        except RegistrationsError as error:
            self._observer.not_kept(error)
            raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
        except DecisionLogError as error:
            raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
        await self._policies.redress()

    def _policy(self) -> CompiledPolicy:
        policy = self._policies.state.policy
        if policy is None:
            message = "no policy is loaded, so that no MCP server is declared"
            raise ServerUnknownError(message)
        return policy

    def _declared(self, server: str, kind: Kind, name: str) -> Tool | None:
        return self._policy().servers[server].tools.get(name) if kind is Kind.TOOL else None

    def _owner(self, server: str) -> Registration | None:
        policy = self._policies.state.policy
        declared = policy.servers.get(server) if policy else None
        return self._registrations.find(declared.spiffe_id, server) if declared else None

    def _outcome(self, server: str, *, changed: bool) -> RegistrationOutcome:
        standings = self._registrations.of_server(server)
        quarantined = tuple(one for one in standings if one.reasons)
        active = sum(one.offered and not one.reasons for one in standings)
        return RegistrationOutcome(server, active, quarantined, changed, self._info())

    def _info(self) -> PolicyInfo:
        return self._policies.state.info(self._clock())


def _check_source(standing: Standing, digest: str) -> None:
    """What the policy source pins, nobody here can overrule."""
    pin = standing.pin
    if pin is None or pin.origin is not PinOrigin.POLICY_SOURCE:
        return
    if pin.definition.digest != digest:
        message = "the policy source pins another definition: change it there"
        raise ApprovalError(message, metadata={"digest": digest, "pinned": pin.definition.digest})
