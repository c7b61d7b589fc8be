"""The Python client's access tokens: what its fake does, a running governd does, too.

``TokenContract`` is kept by ``FakeGovernd`` and by a daemon before a real authorization server.
The client of HTTP is shown against a server that checks the tokens that it is shown.
"""

import asyncio
import json
import ssl
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from governd_client import (
    AsyncClient,
    Client,
    Evidence,
    EvidenceInvalidError,
    EvidenceKind,
    InvalidRequestError,
    MintRefusedError,
    TokenRefusedError,
    UnavailableError,
    UpstreamUnknownError,
)
from governd_client.http_auth import AsyncGoverndAuth, GoverndAuth
from governd_client.testing import FakeGovernd, FakeUpstream
from tests.fakes.authorization_server import AuthorizationServer, authorization_server
from tests.fakes.authorization_server_checks import Client as Known
from tests.fakes.authorization_server_http import Request, TlsAuthority, listening
from tests.fakes.https_issuer import response
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.integration.test_cli_tokens import trust_bundle
from tests.policies import source_files

PLANNER = "spiffe://example.org/agent/planner"
ROUTER = "spiffe://example.org/agent/router"
SERVING = "spiffe://example.org/governd/server/one"
POLICY = f"""
@id("tokens") permit (principal, action == Action::"token/exchange", resource)
  when {{ principal == Agent::"{PLANNER}" }};
"""
MANIFEST = """
[[authorization_server]]
name = "corp"
issuer = "{issuer}"
client_authentication = "jwt-spiffe"

[[upstream]]
name = "crm"
resource = "{resource}"
audience = "crm"
send = ["resource"]
authorization_server = "corp"
grant = "token-exchange"
scopes = ["write", "read"]

[[upstream]]
name = "jobs"
audience = "jobs"
authorization_server = "corp"
grant = "client-credentials"
scopes = ["read"]

[[issuer]]
name = "corp"
issuer = "{issuer}"
audiences = ["governd"]
kinds = ["id_token"]

[[issuer.key]]
{key}
"""
SETTINGS = """
[identity]
node = "one"

[issuers]
networks = ["127.0.0.0/8", "::1/128"]
ca_file = "{ca_file}"

[tokens]
negative_seconds = 0.1
retries = 0
"""
PATIENCE_SECONDS = 60.0


class Crm:
    """The upstream: it takes what its authorization server issued for it, and revokes some.

    Attributes:
        resource: Where it is.
        corp: Whose tokens it takes.
        revoked: Tokens that it takes no more.
        shown: The tokens that it was shown, in order.
    """

    def __init__(self, port: int) -> None:
        self.resource = f"https://localhost:{port}/mcp"
        self.corp: AuthorizationServer | None = None
        self.revoked: set[str] = set()
        self.shown: list[str] = []

    async def handle(self, request: Request) -> bytes:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.shown.append(token)
        claims = self._claims(token)
        if claims is None:
            challenge = 'Bearer error="invalid_token"'
            return response(b"{}", "401 Unauthorized", www_authenticate=challenge)
        return response(json.dumps(claims).encode(), "200 OK")

    def _claims(self, token: str) -> dict[str, object] | None:
        if token in self.revoked or self.corp is None:
            return None
        keys = KeySet.import_key_set(json.loads(self.corp.signer.key_set()))
        try:
            claims = jwt.decode(token, keys, algorithms=["ES256"]).claims
        except ValueError:
            return None
        good = claims["aud"] == self.resource and claims["exp"] > time.time()
        return claims if good else None


class World:
    """An authorization server and an upstream, in a thread of their own."""

    def __init__(self, directory: Path) -> None:
        self.authority = TlsAuthority(directory)
        self._started = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(30)

    async def _serve(self) -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(ended.set)
        crms: list[Crm] = []

        async def handle(request: Request) -> bytes:
            return await crms[0].handle(request)

        async with (
            authorization_server(self.authority, "/realms/corp") as self.corp,
            listening(handle, self.authority.context()) as port,
        ):
            self.crm = Crm(port)
            self.crm.corp = self.corp
            crms.append(self.crm)
            self._started.set()
            await ended.wait()

    def manifest(self) -> str:
        jwk = self.corp.signer.jwk().items()
        key = "\n".join(f"{name} = {json.dumps(value)}" for name, value in jwk)
        return MANIFEST.format(issuer=self.corp.issuer, resource=self.crm.resource, key=key)

    def close(self) -> None:
        self._stop()
        self._thread.join()


class Node(NamedTuple):
    """A daemon, and what is outside of it."""

    daemon: DaemonProcess
    corp: AuthorizationServer
    crm: Crm
    ca_file: Path

    def login(self, session: str = "", client: str = "governd") -> Evidence:
        """Alice, who has just logged in."""
        token = self.corp.id_token("alice", client, sid=session)
        return Evidence(EvidenceKind.ID_TOKEN, token)

    @property
    def tls(self) -> ssl.SSLContext:
        """Whom a client of the upstream trusts."""
        return ssl.create_default_context(cafile=self.ca_file)

    def client(self, name: str = "planner") -> Client:
        return Client(str(self.daemon.sockets[name]))


@pytest.fixture(scope="module")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One daemon for all tests: each logs in anew."""
    folder = tmp_path_factory.mktemp("tokens")
    world = World(folder)
    world.corp.trust.clients["governd"] = Known("governd", spiffe_id=SERVING)
    for name, content in source_files(POLICY, manifest=world.manifest()).items():
        path = folder / "policy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    settings = SETTINGS.format(ca_file=world.authority.ca_file)
    listeners = {"planner": PLANNER, "router": ROUTER}
    daemon = prepare(folder / "governd", settings, listeners, folder / "policy")
    try:
        daemon.start()
        world.corp.trust.bundles["example.org"] = trust_bundle(daemon)
        yield Node(daemon, world.corp, world.crm, world.authority.ca_file)
        assert daemon.stop() == 0
    finally:
        daemon.kill()
        world.close()


@pytest.fixture
def node(one_node: Node) -> Iterator[Node]:
    """The same, with servers that do as they should."""
    yield one_node
    one_node.corp.claims.clear()
    one_node.corp.answer = None
    one_node.crm.revoked.clear()
    one_node.crm.shown.clear()


class Subject(NamedTuple):
    """What keeps the contract.

    Attributes:
        client: Asks it.
        login: Evidence that it takes, of another login each time.
        resource: Of its upstream ``crm``, for users; its other one is ``jobs``.
    """

    client: Client
    login: Callable[[], Evidence]
    resource: str


class TokenContract:
    """What a client may rely on."""

    def test_a_token_says_until_when_what_for_and_where(self, subject: Subject) -> None:
        token = subject.client.token("crm", evidence=subject.login())
        assert token.headers == {"Authorization": f"Bearer {token.token}"}
        assert (token.scopes, token.resource) == (("read", "write"), subject.resource)
        assert timedelta(0) < token.expires_at - datetime.now(UTC) <= timedelta(hours=1)
        assert len(bytes.fromhex(token.decision_id)) == 16

    def test_a_token_is_held_for_its_user_and_its_scopes(self, subject: Subject) -> None:
        get, login = subject.client.token, subject.login()
        token = get("crm", evidence=login).token
        assert get("crm", evidence=login).token == token
        assert get("crm", evidence=login, scopes=["write", "read"]).token == token
        narrow = get("crm", evidence=login, scopes=["read"])
        assert narrow.scopes == ("read",)
        others = {narrow.token, get("crm", evidence=subject.login()).token, get("jobs").token}
        assert len(others - {token}) == 3

    def test_an_exchange_gives_the_token_that_is_held(self, subject: Subject) -> None:
        login = subject.login()
        held = subject.client.token("crm", evidence=login)
        by_resource = subject.client.exchange(login, resource=subject.resource)
        by_audience = subject.client.exchange(login, audience="crm", scopes=["read", "write"])
        assert by_resource.token == by_audience.token == held.token
        assert by_resource.scopes == ("read", "write")
        assert by_resource.expires_in > timedelta(0)

    def test_an_upstream_without_resource_says_none(self, subject: Subject) -> None:
        assert subject.client.token("jobs").resource == ""

    def test_an_upstream_that_nobody_names_is_unknown(self, subject: Subject) -> None:
        login, exchange = subject.login(), subject.client.exchange
        with pytest.raises(UpstreamUnknownError) as raised:
            subject.client.token("elsewhere")
        assert raised.value.field == "upstream"
        with pytest.raises(UpstreamUnknownError) as raised:
            exchange(login, resource="https://elsewhere.example/")
        assert raised.value.field == "resource"
        with pytest.raises(UpstreamUnknownError) as raised:
            exchange(login, audience="jobs")
        assert raised.value.field == "audience"
        with pytest.raises(InvalidRequestError) as invalid:
            exchange(login)
        assert invalid.value.field == "resource"

    def test_evidence_is_needed_or_refused(self, subject: Subject) -> None:
        for upstream, evidence in (("crm", None), ("jobs", subject.login())):
            with pytest.raises(InvalidRequestError) as raised:
                subject.client.token(upstream, evidence=evidence)
            assert raised.value.field == "evidence"

    @pytest.mark.parametrize("scopes", [["read", "admin"], ["read", "read"]])
    def test_scopes_are_the_upstreams(self, subject: Subject, scopes: list[str]) -> None:
        with pytest.raises(InvalidRequestError) as raised:
            subject.client.token("crm", evidence=subject.login(), scopes=scopes)
        assert raised.value.field == "scopes"


class TestFake(TokenContract):
    """In memory."""

    @pytest.fixture
    def subject(self) -> Subject:
        governd, count = FakeGovernd(), iter(range(100))
        resource = "https://crm.example.org/mcp"
        governd.upstreams = {
            "crm": FakeUpstream(resource, "crm", scopes=("write", "read"), for_user=True),
            "jobs": FakeUpstream(audience="jobs", scopes=("read",)),
        }

        def login() -> Evidence:
            return Evidence(EvidenceKind.ID_TOKEN, f"login-{next(count)}")

        return Subject(Client(port=governd.port()), login, resource)


class TestDaemon(TokenContract):
    """governd, and an authorization server that verifies whatever it is shown."""

    @pytest.fixture
    def subject(self, node: Node) -> Iterator[Subject]:
        with node.client() as client:
            yield Subject(client, lambda: node.login(uuid.uuid4().hex), node.crm.resource)


@pytest.mark.req("gi-1", part=True)
@pytest.mark.req("sdk-3", part=True)
def test_whoever_takes_the_token_sees_the_user_and_the_agent(node: Node) -> None:
    login = node.login()
    with node.client() as governd:
        auth = GoverndAuth(governd, "crm", evidence=lambda: login, scopes=["read"])
        with httpx2.Client(auth=auth, verify=node.tls) as http:
            claims = http.get(node.crm.resource).json()
    assert (claims["sub"], claims["act"], claims["scope"]) == ("alice", {"sub": PLANNER}, "read")


async def test_a_token_that_the_upstream_revoked_is_renewed(node: Node) -> None:
    """As soon as it is old enough that nobody can have governd ask all the time."""
    login = node.login()
    async with AsyncClient(str(node.daemon.sockets["planner"])) as governd:
        auth = AsyncGoverndAuth(governd, "crm", evidence=lambda: login)
        async with httpx2.AsyncClient(auth=auth, verify=node.tls) as http:
            assert (await http.get(node.crm.resource)).status_code == 200
            first = node.crm.shown[-1]
            node.crm.revoked.add(first)
            await until(lambda: answers(http, node.crm.resource))
    assert node.crm.shown[-1] in set(node.corp.issued) - {first}


async def answers(http: httpx2.AsyncClient, uri: str) -> bool:
    return (await http.get(uri)).status_code == 200


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.2)


def test_who_is_denied_gets_none_and_nobody_is_asked_for_one(node: Node) -> None:
    asked = len(node.corp.forms)
    with node.client("router") as governd, pytest.raises(MintRefusedError) as raised:
        governd.token("crm", evidence=node.login())
    assert len(bytes.fromhex(raised.value.metadata["decision_id"])) == 16
    assert len(node.corp.forms) == asked


def test_evidence_for_somebody_else_is_refused(node: Node) -> None:
    with node.client() as governd, pytest.raises(EvidenceInvalidError):
        governd.token("crm", evidence=node.login(client="elsewhere"))


def test_attack_a_token_that_does_not_say_who_acts_is_not_handed_on(node: Node) -> None:
    node.corp.claims["act"] = None
    with node.client() as governd, pytest.raises(TokenRefusedError) as raised:
        governd.token("crm", evidence=node.login("no act"))
    assert raised.value.metadata["rule"] == "act_missing"
    assert node.corp.issued[-1] not in repr(raised.value)


class Away:
    """What an authorization server says while it is away; it is back after so many requests."""

    def __init__(self, corp: AuthorizationServer, requests: int) -> None:
        self.left = requests
        self._corp = corp

    async def __call__(self, _: Request) -> bytes:
        self.left -= 1
        if self.left == 0:
            self._corp.answer = None
        return response(b"{}", "503 Service Unavailable", retry_after="1")


@pytest.mark.req("avail-3", part=True)
def test_a_server_that_is_away_for_a_while_is_waited_for(node: Node) -> None:
    node.corp.answer = away = Away(node.corp, 2)
    with node.client() as governd:
        token = governd.token("crm", evidence=node.login("patient"), timeout=PATIENCE_SECONDS)
    assert (token.token, away.left) == (node.corp.issued[-1], 0)


def test_who_cannot_wait_is_told_when_to_come_back(node: Node) -> None:
    node.corp.answer = Away(node.corp, 1000)
    with node.client() as governd, pytest.raises(UnavailableError) as raised:
        governd.token("crm", evidence=node.login("hasty"), timeout=2)
    assert raised.value.reason == "ISSUER_UNAVAILABLE"
    assert raised.value.retry_after is not None
