"""What MCP servers registered, and what it amounts to under the policy in force.

Both are values: a registration or a new policy leads to new ones, and whoever holds the old
ones sees nothing of it.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeAlias

from governd.application.operate import Component
from governd.application.ports import RegistrationStore
from governd.application.registration_lines import not_kept
from governd.audit.ports import DecisionLog
from governd.errors import DecisionLogError, RegistrationsError
from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.offered import NOTHING
from governd.policy.offering import Offering, Standing, offer
from governd.policy.registration import Registration

Held: TypeAlias = Mapping[tuple[SpiffeId, str], Registration]
"""By who registered it, and as which server."""


class OfferObserver(Protocol):
    """Watches what servers offer, for metrics and logs."""

    def loaded(self, servers: int, pins: int) -> None:
        """So many servers' registrations, with so many pins, are back after a restart."""

    def offered(self, before: Offering, after: Offering) -> None:
        """Something else is offered from now on."""


class _Latest(NamedTuple):
    policy: CompiledPolicy
    held: Held
    offering: Offering


class Registrations:
    """What servers registered.

    Attributes:
        offering: What it amounts to under the policy in force.
    """

    def __init__(self, store: RegistrationStore, observer: OfferObserver) -> None:
        """Holds nothing yet; takes where registrations are kept, and who is told."""
        self._store = store
        self._observer = observer
        self._held: Held = {}
        self._latest: _Latest | None = None
        self.offering = Offering(NOTHING, {})
        self._active = self._quarantined = 0

    def load(self) -> None:
        """Takes what was registered before governd started.

        Raises:
            RegistrationsError: It cannot be read. Without it every definition would count
                as new, so that governd must not start.
        """
        found = self._store.load()
        self._held = {(one.spiffe_id, one.server): one for one in found}
        self._observer.loaded(len(found), sum(len(one.pins) for one in found))

    def find(self, spiffe_id: SpiffeId, server: str) -> Registration | None:
        """What a server registered last."""
        return self._held.get((spiffe_id, server))

    async def preview(self, policy: CompiledPolicy, registration: Registration) -> Offering:
        """What all would amount to, if a registration took its place among the others."""
        held = self._with(registration)
        offering = await self._offer(policy, held)
        self._latest = _Latest(policy, held, offering)
        return offering

    async def keep(self, registration: Registration, line: bytes, log: DecisionLog) -> None:
        """Takes a registration in place of the same server's before, on record and on disk.

        On record is only what is written to the disk already, and has but to take its
        place; where that fails all the same, that is on record, too. The registration
        counts from when the policy is dressed again.

        Args:
            registration: What is taken.
            line: Its record.
            log: Where that belongs.

        Raises:
            DecisionLogError: It cannot be put on record; the one before counts.
            RegistrationsError: It cannot be kept; the one before counts.
        """
        prepared = await self._store.prepare(registration)
        try:
            await log.append([line])
        except DecisionLogError:
            await prepared.abandon()
            raise
        try:
            await prepared.commit()
        except RegistrationsError:
            with contextlib.suppress(DecisionLogError):  # whoever asked hears of the first
                await log.append([not_kept(line)])
            raise
        self._held = self._with(registration)

    async def dress(self, policy: CompiledPolicy) -> CompiledPolicy:
        """The policy with what was registered. It must come into force at once."""
        offering = await self._offer(policy, self._held)
        self._latest = None
        before, self.offering = self.offering, offering
        self._quarantined = sum(bool(one.reasons) for one in offering.standings.values())
        self._active = sum(one.offered and not one.reasons for one in offering.standings.values())
        self._observer.offered(before, offering)
        return policy.offering(offering.offered)

    def of_server(self, server: str, offering: Offering | None = None) -> list[Standing]:
        """What a server registered, as it stands, in no particular order."""
        standings = (offering or self.offering).standings.values()
        return [one for one in standings if one.server == server]

    def state(self) -> Component:
        """How much is registered, for status; whatever it is, governd works."""
        detail = f"{self._active} definitions in force, {self._quarantined} quarantined"
        return Component("tools", ready=True, detail=detail)

    def _with(self, registration: Registration) -> Held:
        return {**self._held, (registration.spiffe_id, registration.server): registration}

    async def _offer(self, policy: CompiledPolicy, held: Held) -> Offering:
        latest = self._latest
        if latest is not None and latest.policy is policy and latest.held == held:
            return latest.offering
        # In a thread: 300 definitions take 5 ms, 10,000 a quarter of a second.
        return await asyncio.to_thread(offer, policy, list(held.values()))
