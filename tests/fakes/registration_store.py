"""A store of registrations in memory.

Implements ``governd.application.ports.RegistrationStore``. A test breaks it with ``full``,
``broken`` or ``unreadable``, and stops it half-way with ``saving``.
"""

import asyncio

from governd.errors import RegistrationsError
from governd.identity import SpiffeId
from governd.policy.registration import Registration


class FakeRegistrationStore:
    """What is kept.

    Attributes:
        kept: By SPIFFE ID and server.
        full: Whether nothing more can be written.
        broken: Whether what is written cannot be kept.
        abandoned: How often what was written was not to be kept.
        unreadable: Whether what is kept cannot be read.
        saving: Set while something is being kept.
        go_on: Cleared by a test that wants ``commit`` to wait.
    """

    def __init__(self, *registrations: Registration) -> None:
        """Begins with these."""
        self.kept: dict[tuple[SpiffeId, str], Registration] = {
            (one.spiffe_id, one.server): one for one in registrations
        }
        self.full = False
        self.broken = False
        self.abandoned = 0
        self.unreadable = False
        self.saving = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def load(self) -> list[Registration]:
        """All that is kept.

        Raises:
            RegistrationsError: It is unreadable.
        """
        if self.unreadable:
            message = "registrations: cannot be read"
            raise RegistrationsError(message)
        return list(self.kept.values())

    async def prepare(self, registration: Registration) -> "FakePrepared":
        """Takes a registration that may be kept.

        Raises:
            RegistrationsError: It is full.
        """
        if self.full:
            message = "registrations: cannot be written: no space left on device"
            raise RegistrationsError(message)
        return FakePrepared(self, registration)


class FakePrepared:
    """A registration that may be kept."""

    def __init__(self, store: FakeRegistrationStore, registration: Registration) -> None:
        """Takes it, and where it may be kept."""
        self._store = store
        self._registration = registration

    async def commit(self) -> None:
        """Keeps it in place of the same server's before.

        Raises:
            RegistrationsError: The store is broken.
        """
        if self._store.broken:
            message = "registrations: cannot be written: input/output error"
            raise RegistrationsError(message)
        self._store.saving.set()
        await self._store.go_on.wait()
        one = self._registration
        self._store.kept[one.spiffe_id, one.server] = one

    async def abandon(self) -> None:
        """Leaves what was kept before as it is."""
        self._store.abandoned += 1
