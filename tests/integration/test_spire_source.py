"""A real SPIRE as the source of identities."""

import asyncio
import contextlib
import dataclasses
import itertools
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509

from governd.adapters import spire_agent
from governd.adapters.spire_agent import SpireAgent
from governd.errors import (
    IdentityError,
    InvalidIdentityError,
    NoIdentityError,
    NotDelegateError,
    PeerError,
    SourceAwayError,
)
from governd.identity.svid import Selector, Workload, WorkloadSvids, X509Svid
from governd.identity.verification import verify_svid
from tests.contracts.identity_source import (
    WEB,
    IdentitySourceContract,
    Subject,
    first_bundles,
    first_svids,
)
from tests.spire_parts import DELEGATE, TRUST_DOMAIN, Entry, Spire, StartSpire

SHOP = Workload("pod", (Selector("k8s", "ns:shop"), Selector("k8s", "sa:web")))
Item = TypeVar("Item")
_numbers = itertools.count()


def fresh() -> tuple[Workload, str]:
    """A workload that no entry matches yet, and a selector of it."""
    value = f"uid:{next(_numbers)}"
    return Workload(value, (Selector("k8s", "ns:x"), Selector("k8s", value))), f"k8s:{value}"


@pytest.fixture
async def source(spire: Spire) -> AsyncIterator[SpireAgent]:
    agent = SpireAgent(spire.agent.admin_socket, TRUST_DOMAIN)
    yield agent
    await agent.close()


@contextlib.asynccontextmanager
async def source_of(spire: Spire, socket: Path | None = None) -> AsyncIterator[SpireAgent]:
    agent = SpireAgent(socket or spire.agent.admin_socket, spire.server.trust_domain)
    try:
        yield agent
    finally:
        await agent.close()


async def next_that(said: AsyncGenerator[Item, None], fits: Callable[[Item], object]) -> Item:
    """The next item that fits, in good time."""
    async with asyncio.timeout(60):
        while not fits(item := await anext(said)):
            pass
    return item


async def until_issued(said: AsyncGenerator[WorkloadSvids, None], but: bytes = b"") -> X509Svid:
    """The next certificate, other than ``but``: an entry is told of before its certificate."""
    found = await next_that(said, lambda it: it.svids and it.svids[0].chain[0] != but)
    (svid,) = found.svids
    return svid


@pytest.fixture(scope="module")
def entry(spire: Spire) -> str:
    """The entry of the workload ``SHOP``."""
    return spire.server.create(Entry(WEB.path, ("k8s:ns:shop",)))[0]


class TestContract(IdentitySourceContract):
    @pytest.fixture
    async def subject(self, source: SpireAgent, entry: str) -> Subject:
        async with contextlib.aclosing(source.svids(SHOP)) as said:
            await until_issued(said)
        stranger = Workload("stranger", (Selector("k8s", "ns:bank"),))
        return Subject(source, SHOP, dataclasses.replace(SHOP, spiffe_id=WEB), stranger)


async def test_a_workload_must_have_every_selector_of_an_entry(
    spire: Spire, source: SpireAgent
) -> None:
    workload, selector = fresh()
    spire.server.create(
        Entry("/more", (selector, "k8s:sa:other")),
        Entry("/fits", ("k8s:ns:x", selector), hint="internal", dns_names=("fits.example.org",)),
    )
    async with contextlib.aclosing(source.svids(workload)) as said:
        svid = await until_issued(said)
    assert (svid.spiffe_id.path, svid.hint) == ("/fits", "internal")


@pytest.mark.req("sa-5", part=True)
async def test_new_certificates_come_before_the_old_ones_end(
    spire: Spire, source: SpireAgent
) -> None:
    workload, selector = fresh()
    spire.server.create(Entry("/short", (selector,), ttl=4))
    bundles = await first_bundles(source)
    async with contextlib.aclosing(source.svids(workload)) as said:
        seen = [await until_issued(said)]
        while seen[-1].not_after == seen[0].not_after:
            seen.append(await until_issued(said, but=seen[-1].chain[0]))
            peer = verify_svid(seen[-1].chain, bundles.x509, datetime.now(UTC))
            assert peer.spiffe_id.path == "/short"
    assert len({svid.key.reveal() for svid in seen}) == len(seen)
    assert seen[0].not_after < seen[-1].not_after


async def test_what_a_deleted_entry_issued_is_gone(spire: Spire, source: SpireAgent) -> None:
    workload, selector = fresh()
    ids = spire.server.create(Entry("/gone", (selector,)))
    async with contextlib.aclosing(source.svids(workload)) as said:
        await until_issued(said)
        assert await source.jwt_svids(workload, ["bank"])
        spire.server.delete(*ids)
        await next_that(said, lambda it: not it.svids)
    with pytest.raises(NoIdentityError):
        await source.jwt_svids(workload, ["bank"])


@pytest.mark.req("sa-5", part=True)
async def test_a_rotated_authority_is_trusted_before_it_signs_and_not_after_it_is_revoked(
    start_spire: StartSpire,
) -> None:
    spire = start_spire(entries=[Entry("/web", ("k8s:ns:shop",))])
    async with source_of(spire) as source, contextlib.aclosing(source.bundles()) as said:
        before = await anext(said)
        async with contextlib.aclosing(source.svids(SHOP)) as svids:
            old = await until_issued(svids)
            authority = spire.server.rotate_authority()
            both = await next_that(said, lambda it: len(it.x509[TRUST_DOMAIN]) == 2)
            assert set(before.x509[TRUST_DOMAIN]) < set(both.x509[TRUST_DOMAIN])
            spire.server.taint_authority(authority)
            new = await until_issued(svids, but=old.chain[0])
        spire.server.revoke_authority(authority)
        after = await next_that(said, lambda it: len(it.x509[TRUST_DOMAIN]) == 1)
    assert not set(before.x509[TRUST_DOMAIN]) & set(after.x509[TRUST_DOMAIN])
    now = datetime.now(UTC)
    assert verify_svid(new.chain, after.x509, now).spiffe_id == old.spiffe_id
    with pytest.raises(PeerError):
        verify_svid(old.chain, after.x509, now)


@pytest.mark.req("sa-2", part=True)
async def test_federated_trust_bundles_are_kept_apart_and_go_when_federation_ends(
    start_spire: StartSpire,
) -> None:
    ours, theirs = start_spire(), start_spire("example.com")
    ours.server.federate(theirs.server)
    ours.server.create(Entry("/web", ("k8s:ns:shop",), federates_with=("example.com",)))
    async with source_of(ours) as source, source_of(theirs) as foreign:
        their_own = await first_bundles(foreign)
        async with contextlib.aclosing(source.bundles()) as said:
            bundles = await next_that(said, lambda it: "example.com" in it.x509)
            assert bundles.x509["example.com"] == their_own.x509["example.com"]
            assert not set(bundles.x509["example.com"]) & set(bundles.x509["example.org"])
            assert bundles.jwt["example.com"] == their_own.jwt["example.com"]
            async with contextlib.aclosing(source.svids(SHOP)) as svids:
                told = await next_that(svids, lambda it: it.svids)
            assert told.federates_with == {"example.com"}
            ours.server.defederate(theirs.server)
            bundles = await next_that(said, lambda it: "example.com" not in it.x509)
    assert list(bundles.x509) == list(bundles.jwt) == ["example.org"]


async def test_an_agent_of_another_trust_domain_gives_nothing_that_is_taken(
    spire: Spire,
) -> None:
    agent = SpireAgent(spire.agent.admin_socket, "example.com")
    with pytest.raises(InvalidIdentityError, match=r"example\.com is missing"):
        await first_bundles(agent)
    await agent.close()


async def refusals(source: SpireAgent) -> list[IdentityError]:
    """How each of the three questions is refused: SVIDs, trust bundles, tokens."""
    with pytest.raises(IdentityError) as svids:
        await first_svids(source, SHOP)
    with pytest.raises(IdentityError) as bundles:
        await first_bundles(source)
    with pytest.raises(IdentityError) as tokens:
        await source.jwt_svids(SHOP, ["bank"])
    return [svids.value, bundles.value, tokens.value]


@pytest.mark.req("sa-7", part=True)
async def test_an_agent_that_is_away_is_told_from_one_that_was_never_there(
    start_spire: StartSpire,
) -> None:
    spire = start_spire()
    async with source_of(spire) as source, contextlib.aclosing(source.svids(SHOP)) as said:
        await anext(said)
        spire.agent.kill()
        with pytest.raises(SourceAwayError, match="SPIRE agent is away"):
            await anext(said)
        for error in await refusals(source):
            assert "nobody listens on" in str(error)
    async with source_of(spire, spire.server.directory / "nowhere.sock") as source:
        for error in await refusals(source):
            assert "there is no socket at" in str(error)


@contextlib.contextmanager
def nobody_special() -> Iterator[None]:
    """Takes root's right to open everything away, if that is who runs the tests."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


async def test_a_socket_that_governd_may_not_open(spire: Spire) -> None:
    mode = spire.agent.admin_socket.stat().st_mode
    spire.agent.admin_socket.chmod(0)
    try:
        async with source_of(spire) as source:
            with nobody_special():
                found = await refusals(source)
    finally:
        spire.agent.admin_socket.chmod(mode)
    for error in found:
        assert isinstance(error, SourceAwayError)
        assert "governd may not open" in str(error)


async def test_the_workload_api_is_not_the_admin_socket(spire: Spire) -> None:
    async with source_of(spire, spire.agent.workload_socket) as source:
        for error in await refusals(source):
            assert isinstance(error, NotDelegateError)
            assert "is not the admin socket" in str(error)


async def test_who_is_not_a_delegate_gets_nothing(start_spire: StartSpire) -> None:
    entries = [Entry("/web", ("k8s:ns:shop",))]
    async with source_of(start_spire(delegates=["/somebody"], entries=entries)) as source:
        found = await refusals(source)
        async with asyncio.timeout(60):  # the agent may not have heard of governd's entry yet
            while "itself" in str(found[0]):
                found = await refusals(source)
        for error in found:
            assert isinstance(error, NotDelegateError)
            assert "not an authorized delegate" in str(error)


async def test_a_governd_without_an_entry_of_its_own_gets_nothing(
    start_spire: StartSpire,
) -> None:
    spire = start_spire(delegates=())
    spire.server.delete(*spire.server.ids_of(DELEGATE))
    async with source_of(spire) as source:
        found = await refusals(source)
        async with asyncio.timeout(60):  # the agent may not have heard of it yet
            while "itself" not in str(found[0]):
                found = await refusals(source)
        kinds = [type(error) for error in found]
        assert kinds == [NotDelegateError, NotDelegateError, NoIdentityError]


async def test_who_is_no_delegate_any_more_is_told_at_the_next_change(
    start_spire: StartSpire,
) -> None:
    spire = start_spire()
    async with source_of(spire) as source, contextlib.aclosing(source.svids(SHOP)) as said:
        await anext(said)
        spire.server.delete(*spire.server.ids_of(DELEGATE))
        spire.server.create(Entry("/web", ("k8s:ns:shop",)))
        with pytest.raises(NotDelegateError, match="governd itself"):
            await next_that(said, lambda it: it.svids)


async def test_an_agent_that_does_not_answer_is_not_waited_for_long(
    spire: Spire, source: SpireAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spire_agent, "FETCH_SECONDS", 0.2)
    await first_bundles(source)
    spire.agent.signal(signal.SIGSTOP)
    try:
        with pytest.raises(SourceAwayError, match="DEADLINE_EXCEEDED"):
            await source.jwt_svids(SHOP, ["bank"])
    finally:
        spire.agent.signal(signal.SIGCONT)


@pytest.mark.req("sa-7", part=True)
async def test_an_agent_that_is_there_and_says_nothing_is_away(
    spire: Spire, source: SpireAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, it neither closes its socket nor answers: nothing of TCP's or gRPC's tells."""
    monkeypatch.setattr(spire_agent, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(spire_agent, "ANSWER_SECONDS", 0.5)
    async with (
        contextlib.aclosing(source.bundles()) as bundles,
        contextlib.aclosing(source.svids(SHOP)) as svids,
    ):
        await anext(bundles)
        await anext(svids)
        spire.agent.signal(signal.SIGSTOP)
        try:
            with pytest.raises(SourceAwayError, match="does not answer"):
                await next_that(bundles, lambda _: False)
            with pytest.raises(SourceAwayError, match="does not answer"):
                await next_that(svids, lambda _: False)
        finally:
            spire.agent.signal(signal.SIGCONT)
    monkeypatch.setattr(spire_agent, "ANSWER_SECONDS", 20)
    assert (await first_bundles(source)).x509
    await first_svids(source, SHOP)


async def test_an_agent_that_is_quiet_because_nothing_happens_is_not_away(
    spire: Spire, source: SpireAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spire_agent, "QUIET_SECONDS", 0.05)
    workload, selector = fresh()
    async with (
        contextlib.aclosing(source.bundles()) as bundles,
        contextlib.aclosing(source.svids(workload)) as svids,
    ):
        await anext(svids)
        for _ in range(20):
            assert (await anext(bundles)).x509
        spire.server.create(Entry("/patient", (selector,)))
        assert (await until_issued(svids)).spiffe_id.path == "/patient"


async def test_who_no_longer_wants_to_know_is_not_kept_by_an_agent_that_says_nothing(
    spire: Spire, source: SpireAgent
) -> None:
    await first_bundles(source)
    spire.agent.signal(signal.SIGSTOP)
    try:
        waiting = [
            asyncio.ensure_future(first_svids(source, SHOP)),
            asyncio.ensure_future(first_bundles(source)),
        ]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        done, _ = await asyncio.wait(waiting, timeout=20)
        assert [task.cancelled() for task in done] == [True, True]
    finally:
        spire.agent.signal(signal.SIGCONT)


async def test_a_workload_of_which_nothing_is_known_is_not_asked_for(source: SpireAgent) -> None:
    with pytest.raises(NoIdentityError, match="nothing is known"):
        await first_svids(source, Workload("static", spiffe_id=WEB))
    with pytest.raises(NoIdentityError, match="nothing is known"):
        await source.jwt_svids(Workload("static"), ["bank"])


def test_certificates_of_a_trust_bundle_are_authorities(spire: Spire) -> None:
    roots = x509.load_pem_x509_certificates(spire.server.bundle("pem").encode())
    assert all(
        root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for root in roots
    )
