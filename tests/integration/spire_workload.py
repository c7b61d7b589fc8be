"""A workload whose identities a real SPIRE issues, whatever serves it the Workload API."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tests.contracts.workload_api import PARTNER
from tests.fakes.workloads import ACCOUNT, SHOP
from tests.spiffe_parts import PATIENCE_SECONDS
from tests.spire_parts import TRUST_DOMAIN, Entry, Spire, SpireServer

SHORT_SECONDS = 6
POLICY = """
@id("bank") permit (
  principal == Agent::"spiffe://example.org/web",
  action == Action::"identity/jwt-svid",
  resource == ExternalService::"bank"
);
@id("shop") permit (
  principal == Agent::"spiffe://example.org/web",
  action == Action::"identity/jwt-svid",
  resource == ExternalService::"https://shop.example/api"
);
"""
"""What the contract of the Workload API wants to be permitted."""


class Served(Protocol):
    """Whoever serves the workload, which has the selectors ``SHOP`` and ``ACCOUNT``."""

    @property
    def address(self) -> str:
        """Of its Workload API, as SPIFFE_ENDPOINT_SOCKET has it."""

    @property
    def ids(self) -> Sequence[str]:
        """What the workload has."""


class OfSpire:
    """Registers the workload; implements ``tests.contracts.workload_api.ServedWorkload``."""

    def __init__(self, spire: Spire, partner: SpireServer, served: Served) -> None:
        self._spire = spire.server
        self._partner = partner
        self._served = served
        self._entries: dict[str, str] = {}

    @property
    def address(self) -> str:
        return self._served.address

    def rotate(self) -> None:
        """Nothing to do: it is renewed at half of its life."""

    def register(self, spiffe_id: str) -> None:
        entry = Entry(path_of(spiffe_id), (SHOP,), ttl=SHORT_SECONDS)
        (self._entries[spiffe_id],) = self._spire.create(entry)
        self._until(lambda: spiffe_id in self._served.ids)

    def revoke(self, spiffe_id: str) -> None:
        self._spire.delete(self._entries.pop(spiffe_id))
        self._until(lambda: spiffe_id not in self._served.ids)

    def federate(self, *, trusted: bool) -> None:
        if trusted:
            self._spire.federate(self._partner)
            entry = Entry("/web", (SHOP, ACCOUNT), federates_with=(PARTNER,))
            (self._entries[PARTNER],) = self._spire.create(entry)
        else:
            self.revoke(PARTNER)

    def close(self) -> None:
        """Leaves no entry."""
        for spiffe_id in list(self._entries):
            self.revoke(spiffe_id)

    def _until(self, seen: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not seen():
            assert time.monotonic() < end, f"SPIRE's word does not come: {self._served.ids}"
            time.sleep(0.02)


def path_of(spiffe_id: str) -> str:
    """The path of an ID of the test's trust domain."""
    return spiffe_id.removeprefix(f"spiffe://{TRUST_DOMAIN}")
