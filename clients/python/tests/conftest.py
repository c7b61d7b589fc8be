"""What the tests of the Python client share: one settable governd, in memory or served."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mcp.server.lowlevel import Server
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from governd_client import AsyncClient, Client, Decision, Outcome, Resource, Stats
from governd_client.testing import FakeGovernd

WAIT_SECONDS = 10.0
LOG = Resource("tool", "git/git_log")
MODERN = "2026-07-28"
Send = Callable[..., Any]


@pytest.fixture
def governd() -> FakeGovernd:
    """A governd that denies everything until told otherwise."""
    return FakeGovernd()


@pytest.fixture
def socket(governd: FakeGovernd, tmp_path: Path) -> Iterator[str]:
    """The same governd behind a real gRPC server on a Unix socket."""
    with governd.serve(tmp_path / "governd.sock") as path:
        yield path


class Asker(Protocol):
    """Either client, seen from a coroutine, so that each test holds for both."""

    async def evaluate(self, resource: Resource = LOG, **terms: Any) -> Decision:
        """Asks one question."""

    async def close(self) -> None:
        """Closes the client."""

    def report(
        self, decision: Decision, outcome: Outcome, *, duration: float | None = None
    ) -> None:
        """Tells what became of a decision."""

    def stats(self) -> Stats:
        """What the client did so far."""


class _Threads:
    """A ``Client``, each of whose calls gets a thread of its own."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.report = client.report
        self.stats = client.stats

    async def evaluate(self, resource: Resource = LOG, **terms: Any) -> Decision:
        answer: Decision = await _in_thread(
            lambda: self._client.evaluate("tools/call", resource, **terms)
        )
        return answer

    async def close(self) -> None:
        await _in_thread(self._client.close)


async def _in_thread(work: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:  # noqa: BLE001 - whoever awaits gets it
            error = caught
        loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done


class _Tasks:
    """An ``AsyncClient``."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.report = client.report
        self.stats = client.stats
        self.close = client.close

    async def evaluate(self, resource: Resource = LOG, **terms: Any) -> Decision:
        return await self._client.evaluate("tools/call", resource, **terms)


Open = Callable[..., Asker]


@pytest.fixture(params=["sync-memory", "sync-wire", "async-memory", "async-wire"])
async def connect(
    request: pytest.FixtureRequest, governd: FakeGovernd, tmp_path: Path
) -> AsyncIterator[Open]:
    """Opens either client, in memory or over a socket: there is no telling them apart."""
    kind, where = request.param.split("-")
    made: list[Asker] = []
    before = set(threading.enumerate())  # tests that leave their client open have some

    with governd.serve(tmp_path / "governd.sock") as path:

        def connect(**terms: Any) -> Asker:
            terms = {"timeout": 5.0, **terms}
            if kind == "sync":
                port = governd.port() if where == "memory" else None
                made.append(_Threads(Client(path, port=port, **terms)))
            else:
                aport = governd.async_port() if where == "memory" else None
                made.append(_Tasks(AsyncClient(path, port=aport, **terms)))
            return made[-1]

        yield connect
        for each in made:
            await each.close()
        threads = {each.name for each in set(threading.enumerate()) - before}
        tasks = [each.get_name() for each in asyncio.all_tasks()]
        assert not [each for each in (*threads, *tasks) if each.startswith("governd-")]


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something holds, and fails if it never does."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - of threads, too
            await asyncio.sleep(0.002)


async def until_leased(asker: Asker, **terms: Any) -> Decision:
    """Asks the same question until a lease answers it."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (decision := await asker.evaluate(**terms)).leased:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.002)
        return decision


@pytest.fixture
def wait() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """``until``, for tests."""
    return until


@pytest.fixture
def lease() -> Callable[..., Awaitable[Decision]]:
    """``until_leased``, for tests."""
    return until_leased


@asynccontextmanager
async def connected(server: Server[Any], revision: str) -> AsyncIterator[Send]:
    """A client's end of a connection: sends one raw message, returns the raw answer."""
    to_server, from_client = create_context_streams[SessionMessage | Exception](8)
    to_client, from_server = create_context_streams[SessionMessage](8)

    async def send(method: str, params: Any = None, *, request_id: int | None = 1) -> Any:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if revision == MODERN and request_id is not None:
            params = {**(params or {})}
            params["_meta"] = {**params.get("_meta", {}), **_envelope()}
        if params is not None:
            message["params"] = params
        if request_id is not None:
            message["id"] = request_id
        parsed: JSONRPCMessage = jsonrpc_message_adapter.validate_python(message, by_name=False)
        await to_server.send(SessionMessage(parsed))
        if request_id is None:
            return None
        with anyio.fail_after(5):
            answer = await from_server.receive()
        return answer.message.model_dump(by_alias=True, exclude_none=True)

    async with anyio.create_task_group() as group:
        group.start_soon(server.run, from_client, to_client, server.create_initialization_options())
        if revision != MODERN:
            hello = {
                "protocolVersion": revision,
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            }
            answer = await send("initialize", hello)
            assert answer["result"]["protocolVersion"] == revision
            await send("notifications/initialized", request_id=None)
        yield send
        group.cancel_scope.cancel()
    for stream in (to_server, from_server):
        await stream.aclose()


def _envelope() -> dict[str, Any]:
    prefix = "io.modelcontextprotocol/"
    return {
        f"{prefix}protocolVersion": MODERN,
        f"{prefix}clientCapabilities": {},
        f"{prefix}clientInfo": {"name": "test", "version": "1"},
    }


class Svid(NamedTuple):
    """A certificate that vouches for itself, and its key, both in PEM."""

    certificate: bytes
    key: bytes


@pytest.fixture
def make_svid() -> Callable[[str], Svid]:
    """Makes X.509-SVIDs that are valid now."""
    return svid


def svid(spiffe_id: str) -> Svid:
    """One, for ``localhost`` as well."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spiffe_id)])
    uri, dns = x509.UniformResourceIdentifier(spiffe_id), x509.DNSName("localhost")
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([uri, dns]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Svid(made.public_bytes(pem), private)


@pytest.fixture
def connect_mcp() -> Callable[..., Any]:
    """``connected``, for tests."""
    return connected
