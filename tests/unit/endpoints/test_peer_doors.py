"""mTLS listeners open when they can, and say what they wait for until then."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import structlog

from governd.config import MtlsListener
from governd.endpoints.doors import Trust
from governd.endpoints.limits import Admissions
from governd.endpoints.listener import Listener
from governd.endpoints.listeners import Listeners
from governd.endpoints.methods import Methods
from governd.endpoints.occupant_interceptor import Always, OccupantInterceptor
from governd.endpoints.peer_doors import PeerDoors
from governd.endpoints.places import AddressPlace
from governd.errors import GoverndError, IdentityError, ListenerError
from governd.identity import OPERATOR, SpiffeId
from governd.identity.secret import Secret
from governd.identity.svid import X509Svid
from tests.fakes.authority import NOON
from tests.fakes.time import settle
from tests.unit.endpoints.doubles import Clock, Limits, chain, metrics

OURS, THEIRS = "example.org", "partner.example"
SERVED = X509Svid(
    SpiffeId.parse("spiffe://example.org/governd/server/n"), (), Secret(b""), "", NOON, NOON
)


class FakeIssued:
    """What issues identities, as far as a test lets it."""

    def __init__(self) -> None:
        self.is_ready = asyncio.Event()
        self.revoked = False
        self.heed: list[Callable[[], object]] = []
        self.told: asyncio.Queue[Mapping[str, tuple[bytes, ...]]] = asyncio.Queue()

    async def ready(self) -> None:
        await self.is_ready.wait()

    def serving(self) -> X509Svid:
        if self.is_ready.is_set() and not self.revoked:
            return SERVED
        message = "governd is not spiffe://example.org/governd/server/n: no answer yet"
        raise IdentityError(message)

    def on_change(self, heed: Callable[[], object]) -> None:
        self.heed.append(heed)

    async def revoke(self, *, revoked: bool) -> None:
        self.revoked = revoked
        for heed in self.heed:
            heed()
        await settle()

    async def bundles(self) -> AsyncIterator[Mapping[str, tuple[bytes, ...]]]:
        while True:
            yield await self.told.get()


class StillListener(Listener):
    """Takes no place; what a test sets keeps it from starting."""

    problem: ListenerError | None = None
    started = 0
    shut_for: GoverndError | None = None

    async def start(self) -> None:
        self.started += 1
        if self.problem:
            raise self.problem

    async def shut(self, why: Callable[[], GoverndError]) -> None:
        self.shut_for = why()


def still(name: str) -> StillListener:
    limits, counted, clock = Limits(), metrics(), Clock()
    interceptor = OccupantInterceptor(
        Always(OPERATOR),
        methods=Methods([], chain(counted)),
        admissions=Admissions(limits),
        metrics=counted,
        clock=clock,
    )
    options = (("grpc.max_allowed_incoming_connections", 1),)
    return StillListener(name, AddressPlace("host:1"), interceptor=interceptor, options=options)


class House:
    """Doors of two listeners, one for our callers and one for a partner's."""

    def __init__(self) -> None:
        self.issued = FakeIssued()
        self.listeners = Listeners()
        self.made = {"ours": still("ours"), "theirs": still("theirs")}
        self.asked: list[str] = []
        self.changes = 0
        place: dict[str, Any] = {"address": "host:1"}
        entries = [
            MtlsListener(attestation="mtls", name="ours", trust_domains=(OURS,), **place),
            MtlsListener(attestation="mtls", name="theirs", trust_domains=(THEIRS,), **place),
        ]
        self.doors = PeerDoors(
            entries,
            self.issued,
            self.listeners,
            make=self._make,
            log=structlog.get_logger("test"),
            on_change=self._changed,
        )
        self.tasks = [
            asyncio.ensure_future(self.doors.follow()),
            asyncio.ensure_future(self.doors.tend()),
        ]

    def _make(self, entry: MtlsListener, trust: Trust) -> Listener:
        self.asked.append(entry.name)
        if not any(domain in trust.verifier.bundles for domain in entry.trust_domains):
            message = f"no trust bundle of {entry.trust_domains[0]} is known"
            raise ListenerError(message)
        return self.made[entry.name]

    def _changed(self) -> None:
        self.changes += 1

    async def tell(self, *domains: str) -> None:
        self.issued.told.put_nowait(dict.fromkeys(domains, ()))
        await settle()

    @property
    def open(self) -> list[str]:
        return [listener.name for listener in self.listeners]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    yield made
    await made.close()


async def test_nothing_opens_before_governd_has_an_identity(house: House) -> None:
    await house.tell(OURS, THEIRS)
    assert (house.open, house.asked) == ([], [])
    assert list(house.doors.waiting()) == [
        f"listener {name} waits: governd is not spiffe://example.org/governd/server/n: "
        "no answer yet"
        for name in ("ours", "theirs")
    ]


async def test_each_opens_with_the_first_trust_bundle_that_it_can_verify_by(house: House) -> None:
    house.issued.is_ready.set()
    await house.tell(OURS)
    assert house.open == ["ours"]
    assert list(house.doors.waiting()) == [
        f"listener theirs waits: no trust bundle of {THEIRS} is known"
    ]
    await house.tell(OURS, THEIRS)
    assert house.open == ["ours", "theirs"]
    assert list(house.doors.waiting()) == []
    assert house.changes


async def test_a_place_that_cannot_be_had_is_told_and_tried_again(house: House) -> None:
    theirs = house.made["theirs"]
    theirs.problem = ListenerError("address host:1: cannot bind")
    house.issued.is_ready.set()
    await house.tell(OURS, THEIRS)
    assert house.open == ["ours"], "the other one's fault is not its"
    assert list(house.doors.waiting()) == ["listener theirs waits: address host:1: cannot bind"]
    theirs.problem = None
    await house.tell(OURS, THEIRS)
    assert house.open == ["ours", "theirs"]
    assert house.asked.count("theirs") <= 2, "it is made once that can be"


@pytest.fixture
async def standing(house: House) -> House:
    """Both are open."""
    house.issued.is_ready.set()
    await house.tell(OURS, THEIRS)
    assert house.open == ["ours", "theirs"]
    return house


async def test_what_governd_is_no_longer_serves_nobody_and_opens_again_with_the_next(
    standing: House,
) -> None:
    ours, changes = standing.made["ours"], standing.changes
    await standing.issued.revoke(revoked=True)
    assert standing.open == []
    assert isinstance(ours.shut_for, IdentityError), "and those who call are told why"
    assert [line.split(":")[0] for line in standing.doors.waiting()] == [
        "listener ours waits",
        "listener theirs waits",
    ]
    assert standing.changes > changes, "governd is not ready any more"
    await standing.issued.revoke(revoked=False)
    assert standing.open == ["ours", "theirs"]
    assert list(standing.doors.waiting()) == []


async def test_each_reason_to_wait_is_told_once(house: House) -> None:
    house.issued.is_ready.set()
    theirs = house.made["theirs"]
    theirs.problem = ListenerError("address host:1: cannot bind")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await house.tell(OURS)
        for _ in range(3):
            await house.tell(OURS, THEIRS)
        theirs.problem = None
        await house.tell(OURS, THEIRS)
    assert [(line["event"], line["listener"], line.get("error")) for line in logs] == [
        ("listener waits", "theirs", f"no trust bundle of {THEIRS} is known"),
        ("listener waits", "theirs", "address host:1: cannot bind"),
        ("listener waits no longer", "theirs", None),
    ]


async def test_a_name_that_is_another_listeners_is_no_reason_to_wait(house: House) -> None:
    house.doors.check()
    await house.listeners.add(still("theirs"))
    with pytest.raises(ListenerError, match="listener theirs: another one has that name"):
        house.doors.check()
