"""governd's own identities: renewed ahead of their end, never each other, never expired."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from governd.application.identity_state import Phase
from governd.application.own_identity import OwnIdentities, OwnIdentity, OwnServingIdentity
from governd.errors import IdentityError, NotDelegateError, RequestError, SourceAwayError
from governd.identity import jose
from governd.identity.svid import Selector
from governd.identity.verification import verify_svid
from tests.fakes.identities import FakeIdentities
from tests.fakes.identity_source import LIFETIME, FakeIdentitySource
from tests.fakes.time import settle

SERVER, SIGNER = "/governd/server/node-1", "/governd/signer/node-1"
SERVER_SELECTOR, SIGNER_SELECTOR = "governd:identity:server", "governd:identity:signer"
AWAY = SourceAwayError("SPIRE agent is away: there is no socket")


class Governd(FakeIdentities):
    """A governd that holds its own identities, in a time that tests move."""

    def open(
        self, *, serving: str = SERVER_SELECTOR, signing: str = SIGNER_SELECTOR
    ) -> OwnIdentities:
        self.keeper.start()
        own = OwnIdentities.of(
            self.keeper,
            trust_domain="example.org",
            node="node-1",
            serving_selectors=[Selector.parse(serving)],
            signing_selectors=[Selector.parse(signing)],
        )
        own.start()
        return own

    def register(self) -> None:
        self.source.register(SERVER, SERVER_SELECTOR)
        self.source.register(SIGNER, SIGNER_SELECTOR)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time.wall, UTC)


@pytest.fixture
async def governd() -> AsyncIterator[Governd]:
    made = Governd()
    yield made
    await made.keeper.close()


@pytest.fixture
async def own(governd: Governd) -> OwnIdentities:
    governd.register()
    made = governd.open()
    await settle()
    return made


def refused(identity: OwnIdentity, now: datetime) -> str:
    """Why there is neither a signer nor a certificate to serve with."""
    with pytest.raises(IdentityError) as refusal:
        identity.current(now)
    if isinstance(identity, OwnServingIdentity):
        with pytest.raises(IdentityError) as other:
            identity.svid(now)
        assert str(other.value) == str(refusal.value)
    return str(refusal.value)


async def test_each_has_its_own_id_and_key(governd: Governd, own: OwnIdentities) -> None:
    server, signer = own.serving.current(governd.now), own.signing.current(governd.now)
    assert str(server.spiffe_id) == f"spiffe://example.org{SERVER}"
    assert str(signer.spiffe_id) == f"spiffe://example.org{SIGNER}"
    assert not set(server.certificate_chain) & set(signer.certificate_chain)
    assert signer.sign(b"message") != server.sign(b"message")
    assert own.serving.svid(governd.now).chain == server.certificate_chain


@pytest.mark.req("r-2", part=True)
async def test_the_key_that_signs_is_given_to_nobody(own: OwnIdentities) -> None:
    public = {name for name in dir(own.signing) if not name.startswith("_")}
    assert public == {"current", "on_change", "ready", "spiffe_id", "start"}


async def test_the_signing_identity_is_never_the_serving_one_though_one_entry_fits_both(
    governd: Governd,
) -> None:
    governd.source.register(SERVER, "k8s:sa:governd")
    own = governd.open(serving="k8s:sa:governd", signing="k8s:sa:governd")
    await settle()
    assert own.serving.current(governd.now).spiffe_id.path == SERVER
    assert "no registration entry matches" in refused(own.signing, governd.now)
    governd.source.register(SIGNER, "k8s:sa:governd")
    await settle()
    assert own.signing.current(governd.now).spiffe_id.path == SIGNER
    assert own.serving.current(governd.now).spiffe_id.path == SERVER


async def test_a_signer_is_verified_by_the_trust_bundle_that_it_comes_with(
    governd: Governd, own: OwnIdentities
) -> None:
    signer = own.signing.current(governd.now)
    bundles = {"example.org": signer.trust_bundle}
    assert verify_svid(signer.certificate_chain, bundles, governd.now).spiffe_id == signer.spiffe_id


async def test_the_same_signer_is_given_as_long_as_nothing_changes(
    governd: Governd, own: OwnIdentities
) -> None:
    assert own.signing.current(governd.now) is own.signing.current(governd.now)


@pytest.mark.req("sa-5", part=True)
async def test_a_renewed_identity_is_used_at_once_and_the_old_signer_stays_what_it_was(
    governd: Governd, own: OwnIdentities
) -> None:
    before = own.signing.current(governd.now)
    await governd.time.advance(30)
    governd.source.register(SIGNER, SIGNER_SELECTOR)
    await settle()
    after = own.signing.current(governd.now)
    assert after.certificate_chain != before.certificate_chain
    assert after.not_after - before.not_after == LIFETIME / 2
    assert before.sign(b"message")


async def test_an_expired_identity_is_given_to_nobody_while_the_source_is_away(
    governd: Governd, own: OwnIdentities
) -> None:
    governd.source.breaks(AWAY)
    await governd.time.advance(59)
    assert own.signing.current(governd.now).not_after > governd.now
    await governd.time.advance(1)
    assert refused(own.signing, governd.now) == (
        f"governd is not spiffe://example.org{SIGNER}: "
        f"the identity has expired and was not renewed; {AWAY}"
    )


async def test_who_asks_for_a_later_time_is_given_nothing_that_has_ended_then(
    governd: Governd, own: OwnIdentities
) -> None:
    later = governd.now + LIFETIME
    assert "has expired" in refused(own.serving, later)
    assert own.serving.current(governd.now).spiffe_id.path == SERVER


async def test_an_identity_that_was_revoked_is_gone_at_once(
    governd: Governd, own: OwnIdentities
) -> None:
    own.signing.current(governd.now)
    governd.source.unregister(SIGNER)
    await settle()
    assert "no registration entry matches" in refused(own.signing, governd.now)
    assert own.serving.current(governd.now).spiffe_id.path == SERVER, "which was not"


async def test_a_governd_that_may_not_ask_any_more_is_nobody(
    governd: Governd, own: OwnIdentities
) -> None:
    governd.source.breaks(NotDelegateError("governd is not an authorized delegate"))
    await settle()
    assert "not an authorized delegate" in refused(own.serving, governd.now)


async def test_without_a_trust_bundle_there_is_no_signer(governd: Governd) -> None:
    governd.register()
    own = OwnIdentities.of(
        governd.keeper,  # which was not started, so it follows no trust bundles
        trust_domain="example.org",
        node="node-1",
        serving_selectors=[Selector.parse(SERVER_SELECTOR)],
        signing_selectors=[Selector.parse(SIGNER_SELECTOR)],
    )
    own.start()
    await settle()
    with pytest.raises(IdentityError, match=r"trust bundle of example\.org has not come yet"):
        own.signing.current(governd.now)


async def test_a_trust_bundle_that_changes_makes_another_signer_of_the_same_certificate(
    governd: Governd, own: OwnIdentities, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own.signing.current(governd.now)
    other = FakeIdentitySource(governd.time.wall_clock)
    monkeypatch.setattr(governd.source, "_authority", other._authority)
    governd.source.federate("example.com")  # has everything told anew
    await settle()
    after = own.signing.current(governd.now)
    assert after.trust_bundle != before.trust_bundle
    assert after.certificate_chain == before.certificate_chain


async def test_any_thread_may_ask(governd: Governd, own: OwnIdentities) -> None:
    found: list[str] = []
    thread = threading.Thread(
        target=lambda: found.append(str(own.serving.svid(governd.now).spiffe_id.path))
    )
    thread.start()
    thread.join()
    assert found == [SERVER]


async def test_whoever_waits_goes_on_when_both_are_there(governd: Governd) -> None:
    own = governd.open()
    waiting = asyncio.ensure_future(own.ready())
    governd.source.register(SERVER, SERVER_SELECTOR)
    await settle()
    assert not waiting.done()
    governd.source.register(SIGNER, SIGNER_SELECTOR)
    await settle()
    assert waiting.done()
    await waiting
    assert own.signing.current(governd.now).spiffe_id.path == SIGNER


async def test_nobody_waits_for_what_is_held_no_more(governd: Governd) -> None:
    waiting = asyncio.ensure_future(governd.open().ready())
    await settle()
    await governd.keeper.close()
    with pytest.raises(IdentityError, match="not held any more"):
        await waiting


async def test_they_are_workloads_like_others_with_names_of_their_own(
    governd: Governd, own: OwnIdentities
) -> None:
    found = [(workload.name, state.phase) for workload, state in governd.keeper.states()]
    assert found == [
        ("governd/server/node-1", Phase.READY),
        ("governd/signer/node-1", Phase.READY),
    ]


async def test_before_it_is_started_governd_is_nobody(governd: Governd) -> None:
    own = OwnIdentities.of(
        governd.keeper,
        trust_domain="example.org",
        node="node-1",
        serving_selectors=[],
        signing_selectors=[],
    )
    assert "has not asked yet" in refused(own.serving, governd.now)
    assert governd.keeper.states() == []


@pytest.mark.parametrize("node", ["", "..", "a b"])
async def test_a_node_with_no_name_for_a_path_is_refused(governd: Governd, node: str) -> None:
    with pytest.raises(RequestError):
        OwnIdentities.of(
            governd.keeper,
            trust_domain="example.org",
            node=node,
            serving_selectors=[],
            signing_selectors=[],
        )


@pytest.mark.req("r-2", part=True)
async def test_governd_has_a_token_of_the_identity_that_it_serves_with(
    governd: Governd, own: OwnIdentities
) -> None:
    svid = await own.serving.jwt_svid("https://login.example")
    assert str(svid.spiffe_id) == f"spiffe://example.org{SERVER}"
    said = jose.read_token(svid.token.reveal().decode())[1]
    assert said["aud"] == ["https://login.example"]


@pytest.mark.req("r-2", part=True)
async def test_there_is_no_token_of_an_identity_that_was_revoked(
    governd: Governd, own: OwnIdentities
) -> None:
    governd.source.unregister(SERVER)
    await settle()
    with pytest.raises(IdentityError, match="no registration entry matches"):
        await own.serving.jwt_svid("https://login.example")


async def test_there_is_no_token_before_governd_has_asked_who_it_is(governd: Governd) -> None:
    own = OwnIdentities.of(
        governd.keeper,
        trust_domain="example.org",
        node="node-1",
        serving_selectors=[Selector.parse(SERVER_SELECTOR)],
        signing_selectors=[Selector.parse(SIGNER_SELECTOR)],
    )
    with pytest.raises(IdentityError, match="has not asked yet"):
        await own.serving.jwt_svid("https://login.example")
