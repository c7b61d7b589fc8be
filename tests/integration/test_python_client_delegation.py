"""The Python client and the command line act for a user, before a running governd."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from governd_client import (
    Acceptance,
    ActingAs,
    AsyncActingAs,
    AsyncClient,
    Binding,
    BoundRequest,
    Client,
    Delegation,
    Evidence,
    EvidenceInvalidError,
    EvidenceKind,
    KyaLevel,
    MintRefusedError,
    Resource,
    TokenRejectedError,
)
from governd_client.acting import acting
from governd_client.http_client import ActingAsHook
from governd_client.receiving import receive
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.integration.delegating import GIT, PLANNER, ROUTER, WORKLOADS, id_token, write_policy

ORIGIN = "https://router.example"
TOOK = Acceptance(origin=ORIGIN, least_binding=Binding.BODY)
CALL = BoundRequest.of("POST", "https://git.example/mcp", b"{}")
SCOPES = ["tools:call:git/open", "tools:call:git/reset"]


class Node:
    """A daemon, and a client for each of its workloads."""

    def __init__(self, daemon: DaemonProcess, idp: TokenIssuer) -> None:
        self.daemon, self.idp = daemon, idp
        self.planner, self.router, self.git = (
            Client(str(daemon.sockets[name]), timeout=10.0) for name in WORKLOADS
        )

    def login(self) -> Evidence:
        return Evidence(EvidenceKind.ID_TOKEN, id_token(self.idp))

    def source(self) -> ActingAs:
        return ActingAs(self.planner, audience=ROUTER, scopes=SCOPES, evidence=self.login)

    def close(self) -> None:
        for one in (self.planner, self.router, self.git):
            one.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One daemon for all tests: none of them changes it."""
    folder, idp = tmp_path_factory.mktemp("delegation"), TokenIssuer()
    daemon = prepare(folder / "governd", "", WORKLOADS, write_policy(folder / "policy", idp))
    try:
        daemon.start()
        node = Node(daemon, idp)
        yield node
        node.close()
        assert daemon.stop() == 0
    finally:
        daemon.kill()


class RouterServer:
    """The router's server of HTTP, which takes tokens by the client's helper."""

    def __init__(self, node: Node) -> None:
        self.client = node.router
        self.seen: list[httpx2.Request] = []
        self.took: list[Delegation | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        self.took.append(self.take(request))
        return httpx2.Response(200)

    def take(self, request: httpx2.Request, peer: str = PLANNER) -> Delegation | None:
        target = request.url.raw_path.decode()
        came = TOOK.http(request.method, target, request.headers.raw, request.content, peer=peer)
        return receive(self.client, TOOK, came)


def sent(node: Node) -> tuple[RouterServer, Delegation]:
    """The planner asks the router in the user's name."""
    server = RouterServer(node)
    hook = ActingAsHook(node.source(), origin=ORIGIN)
    transport = httpx2.MockTransport(server)
    with httpx2.Client(transport=transport, event_hooks={"request": [hook]}) as http:
        http.post(f"{ORIGIN}/a2a?task=1", json={"ask": "open"})
    [delegation] = server.took
    assert delegation is not None
    return server, delegation


@pytest.mark.req("gi-3", part=True)
@pytest.mark.req("sdk-6", part=True)
def test_a_user_s_request_goes_through_two_agents_to_a_server(node: Node) -> None:
    _, first = sent(node)
    assert (first.user, first.actors, first.binding) == ("alice", (PLANNER,), Binding.BODY)
    node.router.evaluate(
        "agent/invoke", Resource("agent", ROUTER), subject=PLANNER, evidence=first.evidence
    ).require()
    with acting(first):
        token = ActingAs(node.router, audience=GIT, scopes=SCOPES[:1]).token(CALL)
    last = node.git.delegation.verify(token.token, request=CALL, peer=ROUTER)
    assert (last.actors, last.scopes) == ((ROUTER, PLANNER), (SCOPES[0],))
    assert last.transaction == first.transaction


@pytest.mark.req("gi-3", part=True)
def test_attack_what_was_sent_is_sent_again(node: Node) -> None:
    server, _ = sent(node)
    with pytest.raises(TokenRejectedError) as raised:
        server.take(server.seen[0])
    assert raised.value.rejection == "REPLAYED"


@pytest.mark.req("gi-3", part=True)
def test_attack_another_sender_another_body_and_another_user(node: Node) -> None:
    bound = BoundRequest.of("POST", f"{ORIGIN}/a2a", b"{}")
    token = node.source().token(bound).token
    server = RouterServer(node)
    rejections = []
    for text, peer, body in (
        (token, GIT, b"{}"),
        (token, PLANNER, b"[]"),
        (in_carols_name(token), PLANNER, b"{}"),
    ):
        headers = {"Acting-As-Token": text}
        other = httpx2.Request("POST", f"{ORIGIN}/a2a", headers=headers, content=body)
        with pytest.raises(TokenRejectedError) as raised:
            server.take(other, peer)
        rejections.append(raised.value.rejection)
    assert rejections == ["CALLER", "REQUEST_BODY", "SIGNATURE"]


def in_carols_name(token: str) -> str:
    head, payload, signature = token.split(".")
    claims = base64.urlsafe_b64decode(payload + "==")
    assert b'"alice"' in claims
    forged = base64.urlsafe_b64encode(claims.replace(b'"alice"', b'"carol"'))
    return f"{head}.{forged.decode().rstrip('=')}.{signature}"


@pytest.mark.req("gi-3", part=True)
def test_attack_a_token_is_widened(node: Node) -> None:
    _, first = sent(node)
    with pytest.raises(MintRefusedError) as raised:
        node.router.delegation.extend(GIT, first, scopes=[*SCOPES, "tools:call:git/push"])
    assert raised.value.metadata["rule"] == "SCOPE_WIDENED"


def test_what_policy_does_not_permit_is_not_minted(node: Node) -> None:
    with pytest.raises(MintRefusedError) as raised:
        node.planner.delegation.mint("spiffe://example.org/agent/elsewhere", node.login())
    assert raised.value.metadata["decision_id"]
    forged = Evidence(EvidenceKind.ID_TOKEN, id_token(TokenIssuer()))
    with pytest.raises(EvidenceInvalidError):
        node.planner.delegation.mint(ROUTER, forged)


async def test_the_asynchronous_client_does_the_same(node: Node) -> None:
    async with (
        AsyncClient(str(node.daemon.sockets["planner"]), timeout=10.0) as planner,
        AsyncClient(str(node.daemon.sockets["router"]), timeout=10.0) as router,
    ):
        source = AsyncActingAs(planner, audience=ROUTER, scopes=SCOPES, evidence=node.login)
        token = await source.token(CALL)
        found = await router.delegation.verify(token.token, request=CALL, peer=PLANNER)
        assert (await router.delegation.extend(GIT, found, scopes=SCOPES)).token


def test_a_card_is_registered(node: Node) -> None:
    card = {
        "name": "Planner",
        "description": "Plans.",
        "version": "1",
        "supportedInterfaces": [
            {"url": "https://a.example/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ],
        "capabilities": {},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [],
    }
    agent = node.planner.register_agent(json.dumps(card).encode())
    assert (agent.spiffe_id, agent.name, agent.level) == (PLANNER, "Planner", KyaLevel.UNKNOWN)
    assert agent.problems
    assert node.planner.get_agent() == agent


def governd(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("governd")), "delegation"]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.req("gi-3", part=True)
def test_the_command_line_mints_and_draws_the_chain(node: Node, tmp_path: Path) -> None:
    (tmp_path / "login").write_text(id_token(node.idp))
    socket = node.daemon.sockets["planner"]
    ask = ("mint", ROUTER, "--id-token", tmp_path / "login", "--socket", socket, "--scope", "x")
    minted = governd(*ask, "--token")
    assert minted.returncode == 0, minted.stderr
    (tmp_path / "token").write_text(minted.stdout)
    drawn = governd("show", tmp_path / "token")
    assert [
        line.split()[-5 if index == 0 else 1] if index else line.split()[0]
        for index, line in enumerate(drawn.stdout.splitlines()[2:5])
    ] == ["alice", PLANNER, ROUTER]
    wrong = ("mint", "spiffe://example.org/agent/elsewhere", *ask[2:])
    refused = governd(*wrong)
    assert (refused.returncode, "MINT_REFUSED" in refused.stderr) == (1, True)
