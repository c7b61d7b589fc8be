"""An agent's HTTP server takes acting-as tokens by the middleware, before a running governd.

The server is uvicorn. Each of its callers has a Unix socket of its own, which says who it is.
"""

import base64
import contextlib
import json
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from governd_client import (
    Acceptance,
    ActingAs,
    AsyncActingAs,
    AsyncClient,
    Binding,
    BoundRequest,
    Client,
    Evidence,
    EvidenceKind,
    Question,
    current_delegation,
)
from governd_client.asgi import ActingAsMiddleware, Scope
from governd_client.http_client import ActingAsHook
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.integration.delegating import GIT, PLANNER, ROUTER, WORKLOADS, id_token, write_policy

ORIGIN = "http://router.example"
TOOK = Acceptance(origin=ORIGIN, least_binding=Binding.BODY)
OPEN, RESET = "tools:call:git/open", "tools:call:git/reset"
NEXT = BoundRequest.of("POST", "https://git.example/mcp", b"{}")
MAX_BODY = 4096


class Router:
    """The router's server: it goes on to the next one in the user's name."""

    def __init__(self, daemon: DaemonProcess, callers: dict[str, str]) -> None:
        self.ran = 0
        self._socket = str(daemon.sockets["router"])
        self._callers = callers

    def app(self) -> Any:
        """The application, as the router would build it."""
        app = Starlette(routes=[Route("/a2a", self._handle, methods=["POST"])])
        return ActingAsMiddleware(
            app,
            AsyncClient(self._socket, timeout=10.0),
            delegation=TOOK,
            caller=self._caller,
            question=lambda _: Question("agent/invoke", ("agent", ROUTER)),
            max_body=MAX_BODY,
        )

    def _caller(self, scope: Scope) -> str:
        return self._callers[scope["server"][0]]

    async def _handle(self, request: Request) -> JSONResponse:
        self.ran += 1
        delegation = current_delegation()
        assert delegation is not None
        async with AsyncClient(self._socket, timeout=10.0) as governd:
            token = await AsyncActingAs(governd, audience=GIT, scopes=[OPEN]).token(NEXT)
        said = {"user": delegation.user, "actors": delegation.actors, "next": token.token}
        return JSONResponse({**said, "body": (await request.body()).decode()})


@contextlib.contextmanager
def serving(factory: Any, paths: list[str]) -> Iterator[None]:
    """Serves what a factory makes, on Unix sockets, in a thread of its own."""
    listening = [socket.socket(socket.AF_UNIX) for _ in paths]
    for one, path in zip(listening, paths, strict=True):
        one.bind(path)
        one.listen()
    server = uvicorn.Server(uvicorn.Config(factory, factory=True, log_level="warning", ws="none"))

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        server.run(sockets=listening)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


class Node(NamedTuple):
    """A daemon, the router's server, and who calls it."""

    router: Router
    idp: TokenIssuer
    planner: Client
    git: Client
    paths: dict[str, str]

    def source(self, subject: str = "alice") -> ActingAs:
        """The planner's tokens, in the user's name."""
        login = Evidence(EvidenceKind.ID_TOKEN, id_token(self.idp, sub=subject))
        return ActingAs(self.planner, audience=ROUTER, scopes=[OPEN, RESET], evidence=lambda: login)

    def client(self, caller: str = PLANNER, **options: Any) -> httpx2.Client:
        """Whoever that is, as a client of the router's server."""
        transport = httpx2.HTTPTransport(uds=self.paths[caller])
        return httpx2.Client(transport=transport, base_url=ORIGIN, **options)

    def post(self, token: str | None, content: bytes, caller: str = PLANNER) -> tuple[int, str]:
        """What is said to a request with that token."""
        headers = {"Acting-As-Token": token} if token is not None else {}
        with self.client(caller) as http:
            answer = http.post("/a2a", content=content, headers=headers)
        return answer.status_code, answer.json().get("error", "")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder, idp = tmp_path_factory.mktemp("asgi"), TokenIssuer()
    daemon = prepare(folder / "governd", "", WORKLOADS, write_policy(folder / "policy", idp))
    paths = {PLANNER: str(folder / "planner.sock"), GIT: str(folder / "git.sock")}
    try:
        daemon.start()
        router = Router(daemon, {path: caller for caller, path in paths.items()})
        planner, git = (
            Client(str(daemon.sockets[name]), timeout=10.0) for name in ("planner", "git")
        )
        with serving(router.app, list(paths.values())), planner, git:
            yield Node(router, idp, planner, git, paths)
        assert daemon.stop() == 0
    finally:
        daemon.kill()


@pytest.mark.req("gi-3", part=True)
@pytest.mark.req("sdk-6", part=True)
def test_a_server_goes_on_in_the_name_of_the_user_whose_request_it_handles(node: Node) -> None:
    hook = ActingAsHook(node.source(), origin=ORIGIN)
    with node.client(event_hooks={"request": [hook]}) as http:
        answer = http.post("/a2a?task=1", content=iter([b'{"ask":', b'"open"}'])).json()
    assert (answer["user"], answer["actors"]) == ("alice", [PLANNER])
    assert answer["body"] == '{"ask":"open"}'
    last = node.git.delegation.verify(answer["next"], request=NEXT, peer=ROUTER)
    assert (last.user, last.actors, last.scopes) == ("alice", (ROUTER, PLANNER), (OPEN,))


@pytest.mark.req("gi-3", part=True)
def test_attack_what_was_sent_is_sent_again_changed_or_by_somebody_else(node: Node) -> None:
    bound, ran = BoundRequest.of("POST", f"{ORIGIN}/a2a", b"{}"), node.router.ran
    token = node.source().token(bound).token
    not_taken = (401, "token_not_taken")
    assert node.post(token, b"{}", GIT) == not_taken
    assert node.post(token, b"[]") == not_taken
    assert node.post(None, b"{}") == not_taken
    assert node.post(f"{token},{token}", b"{}") == not_taken
    assert node.post(token, b"{}") == (200, "")
    assert node.post(token, b"{}") == not_taken
    assert node.router.ran == ran + 1


def test_what_policy_denies_for_a_user_never_reaches_the_server(node: Node) -> None:
    ran = node.router.ran
    bound = BoundRequest.of("POST", f"{ORIGIN}/a2a", b"{}")
    token = node.source("carol").token(bound).token
    assert node.post(token, b"{}") == (403, "denied")
    assert node.router.ran == ran


def test_a_body_that_is_too_large_is_not_read_to_its_end(node: Node) -> None:
    body = base64.b64encode(bytes(MAX_BODY))
    bound = BoundRequest.of("POST", f"{ORIGIN}/a2a", body)
    assert node.post(node.source().token(bound).token, body) == (413, "body_too_large")


def test_attack_a_target_that_names_another_authority(node: Node) -> None:
    bound = BoundRequest.of("POST", f"{ORIGIN}/a2a", b"{}")
    token = node.source().token(bound).token
    request = (
        f"POST {ORIGIN}/a2a HTTP/1.1\r\nHost: router.example\r\nConnection: close\r\n"
        f"Acting-As-Token: {token}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(node.paths[PLANNER])
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate: Acting-As" in head
    assert json.loads(body)["error"] == "token_not_taken"
