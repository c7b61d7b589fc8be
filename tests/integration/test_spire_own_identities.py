"""governd's own identities from a real SPIRE: renewed, never failing, never somebody else's."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from prometheus_client import CollectorRegistry
from structlog.testing import CapturingLogger

from governd.adapters.identity_parts import IdentityParts
from governd.application.operate import Component, RotatingIdentity
from governd.config import parse
from governd.endpoints.tls import ServerTls, SvidServing
from governd.errors import IdentityError
from governd.identity.ports import Signer
from governd.identity.verification import Verifier, verify_svid
from governd.observability.identity_metrics import RESULTS, IdentityMetrics
from governd.services.workload_stubs import messages
from tests.spire_parts import DELEGATE, Entry, Spire, StartSpire

SERVER, SIGNER = "/governd/server/node", "/governd/signer/node"
SERVER_SELECTOR, SIGNER_SELECTOR = "governd:identity:server", "governd:identity:signer"
MESSAGE = b"header.payload"
_FETCH = "/SpiffeWorkloadAPI/FetchX509SVID"
_INTENT = (("workload.spiffe.io", "true"),)


def entries(ttl: int = 0, *, dns_name: str = "") -> list[Entry]:
    """What an operator registers for governd on one node."""
    names = (dns_name,) if dns_name else ()
    return [
        Entry(SERVER, (SERVER_SELECTOR,), ttl=ttl, dns_names=names),
        Entry(SIGNER, (SIGNER_SELECTOR,), ttl=ttl),
    ]


class Governd:
    """A governd's identities, put together as by its configuration.

    Attributes:
        parts: Issue and hold them.
        events: What was logged.
    """

    def __init__(self, spire: Spire) -> None:
        config = parse(
            f'trust_domain = "{spire.server.trust_domain}"\n[identity]\nsource = "spire"\n'
            f'spire_admin_socket = "{spire.agent.admin_socket}"\nnode = "node"\n',
            file="governd.toml",
            base=Path("/"),
            environ={},
        )
        self.registry = CollectorRegistry()
        self.changes = 0
        log: Any = CapturingLogger()
        self.events = log.calls
        self.parts = IdentityParts(config, IdentityMetrics(self.registry), log, self._changed)
        self.parts.start()

    def _changed(self) -> None:
        self.changes += 1

    @property
    def serving(self) -> RotatingIdentity:
        return self.parts.own.serving

    @property
    def signing(self) -> RotatingIdentity:
        return self.parts.own.signing

    @property
    def health(self) -> Component:
        assert self.parts.own.state is not None
        return self.parts.own.state()

    async def ready(self) -> None:
        async with asyncio.timeout(60):
            await self.parts.ready()
            await until(lambda: is_there(self.signing))

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"governd_{name}", labels) or 0.0


Begin = Callable[[Spire], Awaitable[Governd]]


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    begun: list[Governd] = []

    async def start(spire: Spire) -> Governd:
        begun.append(Governd(spire))
        return begun[-1]

    yield start
    for one in begun:
        await one.parts.close()


def now() -> datetime:
    return datetime.now(UTC)


def signs(signer: Signer) -> None:
    """Signs, and verifies as a receiver does: the chain, then the signature with its leaf."""
    signature = signer.sign(MESSAGE)
    assert now() < signer.not_after
    bundles = {signer.spiffe_id.trust_domain: signer.trust_bundle}
    assert verify_svid(signer.certificate_chain, bundles, now()).spiffe_id == signer.spiffe_id
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    public_key(signer).verify(encode_dss_signature(r, s), MESSAGE, ec.ECDSA(hashes.SHA256()))


def public_key(signer: Signer) -> ec.EllipticCurvePublicKey:
    key = x509.load_der_x509_certificate(signer.certificate_chain[0]).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


async def until(fits: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not fits():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def is_there(identity: RotatingIdentity) -> bool:
    with contextlib.suppress(IdentityError):
        identity.current(now())
        return True
    return False


@pytest.mark.req("sa-5", part=True)
async def test_identities_are_renewed_ahead_of_their_end_and_no_signature_fails(
    start_spire: StartSpire, begin: Begin
) -> None:
    # SPIRE dates back by 10 s and renews at half: 5 s after it was issued, with 15 s left.
    governd = await begin(start_spire(entries=entries(ttl=20)))
    await governd.ready()
    seen: dict[bytes, timedelta] = {}
    last: dict[RotatingIdentity, Signer] = {}
    signatures, began = 0, time.monotonic()
    while time.monotonic() - began < 17:
        for identity in (governd.signing, governd.serving):
            signer = identity.current(now())
            before = last.setdefault(identity, signer)
            if signer.certificate_chain != before.certificate_chain:
                seen[before.certificate_chain[0]] = before.not_after - now()
            last[identity] = signer
            signs(signer)
            signatures += 1
        await asyncio.sleep(0.005)
    print(f"{signatures} signatures, left at renewal: {[str(one) for one in seen.values()]}")  # noqa: T201
    assert len(seen) >= 4
    assert min(seen.values()) > timedelta(seconds=10)
    assert governd.count("identity_rotations_total") >= len(seen)
    failed = [governd.count("identity_issued_total", result=one) for one in RESULTS[1:]]
    assert not any(failed)
    assert "identity dropped" not in [call.args[0] for call in governd.events]
    assert governd.count("identity_next_expiry_seconds") > 10


async def test_signing_and_serving_are_two_identities_with_keys_of_their_own(
    start_spire: StartSpire, begin: Begin
) -> None:
    governd = await begin(start_spire(entries=entries()))
    await governd.ready()
    serving, signing = governd.serving.current(now()), governd.signing.current(now())
    assert (serving.spiffe_id.path, signing.spiffe_id.path) == (SERVER, SIGNER)
    keys = {public_key(signer).public_numbers() for signer in (serving, signing)}
    assert len(keys) == 2
    assert governd.health.ready


@pytest.mark.req("r-2", part=True)
async def test_no_process_gets_governds_identities_from_the_agents_own_workload_api(
    start_spire: StartSpire, begin: Begin
) -> None:
    spire = start_spire(entries=entries())
    governd = await begin(spire)
    await governd.ready()
    async with grpc.aio.insecure_channel(f"unix:{spire.agent.workload_socket}") as channel:
        fetch: Any = channel.unary_stream(
            _FETCH,
            request_serializer=messages.X509SVIDRequest.SerializeToString,
            response_deserializer=messages.X509SVIDResponse.FromString,
        )
        call = fetch(messages.X509SVIDRequest(), metadata=_INTENT, timeout=10)
        found = await call.read()
        call.cancel()
    assert [one.spiffe_id for one in found.svids] == [spire.server.id_of(DELEGATE)]


@pytest.mark.req("r-5", part=True)
async def test_an_identity_whose_entry_has_another_node_for_a_parent_is_not_had_here(
    start_spire: StartSpire, begin: Begin
) -> None:
    here, there = entries()
    spire = start_spire(entries=[here])
    spire.server.create(
        Entry(SIGNER, there.selectors, parent="/node-2"),
        Entry("/governd/signer/node-2", there.selectors, parent="/node-2"),
    )
    governd = await begin(spire)
    await until(lambda: is_there(governd.serving))
    await asyncio.sleep(1)  # five times what the agent takes to hear of entries
    with pytest.raises(IdentityError, match="no registration entry matches"):
        governd.signing.current(now())


@pytest.mark.req("sa-6", part=True)
@pytest.mark.req("avail-1", part=True)
async def test_while_the_agent_is_away_governd_signs_to_the_end_of_its_identity_and_not_beyond(
    start_spire: StartSpire, begin: Begin
) -> None:
    spire = start_spire(entries=entries(ttl=8))
    governd = await begin(spire)
    await governd.ready()
    spire.agent.kill()
    await until(lambda: "SPIRE agent is away" in governd.health.detail)
    assert not governd.health.ready
    end = governd.signing.current(now()).not_after
    while now() < end - timedelta(milliseconds=50):
        signs(governd.signing.current(now()))
        await asyncio.sleep(0.02)
    await until(lambda: now() >= end)
    with pytest.raises(IdentityError, match="has expired and was not renewed; SPIRE agent is away"):
        governd.signing.current(now())
    spire.agent.start()
    await until(lambda: is_there(governd.signing))
    signs(governd.signing.current(now()))
    await until(lambda: governd.health.ready)


async def test_an_entry_that_is_deleted_takes_the_identity_away(
    start_spire: StartSpire, begin: Begin
) -> None:
    spire = start_spire(entries=entries())
    governd = await begin(spire)
    await governd.ready()
    spire.server.delete(*spire.server.ids_of(SIGNER))
    await until(lambda: not is_there(governd.signing))
    assert is_there(governd.serving)


@contextlib.asynccontextmanager
async def serving(governd: Governd) -> AsyncIterator[Path]:
    """A server with governd's own identity, that answers any call."""

    async def answer(_request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return b"yes"

    handlers: dict[str, Any] = {"Ask": grpc.unary_unary_rpc_method_handler(answer)}
    verifier = Verifier(governd.parts.keeper.bundles.x509)
    served = SvidServing(governd.parts.serving, verifier, ["example.org"])
    with tempfile.TemporaryDirectory() as directory:
        server = grpc.aio.server()
        server.add_registered_method_handlers("test.Any", handlers)
        path = Path(directory) / "mtls.sock"
        server.add_secure_port(f"unix:{path}", ServerTls(served).credentials())
        await server.start()
        try:
            yield path
        finally:
            await server.stop(0)


async def ask(governd: Governd, path: Path) -> bytes:
    """Asks as a stock gRPC client does, over a connection of its own."""
    mine = SvidServing(
        governd.parts.serving,
        Verifier(governd.parts.keeper.bundles.x509),
        ["example.org"],
    ).material()
    credentials = grpc.ssl_channel_credentials(
        mine.roots, mine.private_key.reveal(), mine.certificate_chain
    )
    options = [
        ("grpc.ssl_target_name_override", "governd"),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    async with grpc.aio.secure_channel(f"unix:{path}", credentials, options) as channel:
        call: Any = channel.unary_unary("/test.Any/Ask")
        answer: bytes = await call(b"", timeout=5)
        return answer


@pytest.mark.req("sa-5", part=True)
async def test_the_serving_identity_is_renewed_and_no_handshake_of_a_stock_client_fails(
    start_spire: StartSpire, begin: Begin
) -> None:
    governd = await begin(start_spire(entries=entries(ttl=6, dns_name="governd")))
    await governd.ready()
    async with serving(governd) as path:
        seen, began = set[bytes](), time.monotonic()
        while time.monotonic() - began < 8:
            assert await ask(governd, path) == b"yes"
            seen.add(governd.parts.serving().chain[0])
    assert len(seen) >= 2


async def test_a_serving_identity_without_a_dns_name_is_none_for_stock_clients(
    start_spire: StartSpire, begin: Begin
) -> None:
    governd = await begin(start_spire(entries=entries()))
    await governd.ready()
    async with serving(governd) as path:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(governd, path)
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "Hostname Verification" in (refusal.value.details() or "")
