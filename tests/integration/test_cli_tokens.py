"""``governd upstream`` and ``governd token`` against a real governd and an authorization server."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from governd.services.workload_stubs import SERVICE, messages
from tests.fakes.authorization_server import AuthorizationServer, error
from tests.fakes.authorization_server_checks import Client
from tests.fakes.authorization_server_http import TlsAuthority
from tests.fakes.authorization_server_thread import in_background
from tests.integration.daemon_process import DaemonProcess, executable, prepare
from tests.integration.test_cli import answer, cli
from tests.integration.upstream_calls import client_key
from tests.policies import source_files

PLANNER = "spiffe://example.org/agent/planner"
ROUTER = "spiffe://example.org/agent/router"
CRM = "https://crm.example.org/mcp"
POLICY = f"""
@id("crm") permit (principal, action == Action::"token/exchange", resource)
  when {{ principal == Agent::"{PLANNER}" }};
"""
STYLE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def manifest(corp: AuthorizationServer) -> str:
    """Its users, and upstreams of every kind that the command line tells apart."""
    key = "".join(f"{name} = {json.dumps(one)}\n" for name, one in corp.signer.jwk().items())
    common = 'authorization_server = "corp"\nscopes = ["read", "write"]\n'
    return (
        f'[[authorization_server]]\nname = "corp"\nissuer = "{corp.issuer}"\n'
        'client_authentication = "private_key_jwt"\nclient_id = "governd"\nclient_key = "corp"\n'
        '[[authorization_server]]\nname = "gone"\nissuer = "https://localhost:1"\n'
        'client_authentication = "jwt-spiffe"\n'
        f'[[upstream]]\nname = "crm"\nresource = "{CRM}"\ngrant = "token-exchange"\n{common}'
        f'[[upstream]]\nname = "old"\naudience = "old"\ngrant = "token-exchange"\n'
        f'actor = "unsafe_none"\n{common}'
        f'[[upstream]]\nname = "jobs"\nresource = "https://jobs.example.org"\n'
        f'grant = "client-credentials"\n{common}'
        '[[upstream]]\nname = "lost"\nresource = "https://lost.example.org"\n'
        'grant = "client-credentials"\nauthorization_server = "gone"\n'
        f'[[issuer]]\nname = "corp"\nissuer = "{corp.issuer}"\naudiences = ["governd"]\n'
        f'kinds = ["id_token"]\n[[issuer.key]]\n{key}'
    )


def settings(key: Path, ca_file: Path) -> str:
    """What governd is configured with."""
    return (
        f'[issuers]\nnetworks = ["127.0.0.0/8", "::1/128"]\nca_file = "{ca_file}"\n'
        "[tokens]\nnegative_seconds = 0.0\nretries = 0\n"
        f'[[tokens.client_key]]\nname = "corp"\nfile = "{key}"\n'
    )


def trust_bundle(daemon: DaemonProcess) -> bytes:
    """With what JWT-SVIDs of the trust domain are verified; anybody may know."""
    with grpc.insecure_channel(daemon.target("planner")) as channel:
        stream = channel.unary_stream(
            f"/{SERVICE}/FetchJWTBundles",
            request_serializer=messages.JWTBundlesRequest.SerializeToString,
            response_deserializer=messages.JWTBundlesResponse.FromString,
        )(messages.JWTBundlesRequest(), metadata=(("workload.spiffe.io", "true"),), timeout=30)
        found: bytes = next(stream).bundles["spiffe://example.org"]
        stream.cancel()
    return found


class Node:
    """A daemon, its authorization server, and what a user came with."""

    def __init__(self, daemon: DaemonProcess, corp: AuthorizationServer, folder: Path) -> None:
        self.daemon, self.corp = daemon, corp
        self.admin = ("--admin-socket", daemon.admin_socket)
        self.planner = ("--socket", daemon.sockets["planner"])
        self.router = ("--socket", daemon.sockets["router"])
        self.login = folder / "login.jwt"
        self.log_in()

    def log_in(self, client: str = "governd") -> str:
        """Alice's ID token, in the file."""
        token = self.corp.id_token("alice", client)
        self.login.write_text(token)
        return token

    def get(self, upstream: str, *options: object, code: int = 0) -> str:
        return cli("token", "get", upstream, *self.planner, *options, code=code)

    def for_alice(self, upstream: str, *options: object, code: int = 0) -> str:
        return self.get(upstream, "--evidence-file", self.login, *options, code=code)


@pytest.fixture(scope="module")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One daemon for all tests: each has a login of its own, and so tokens of its own."""
    folder = tmp_path_factory.mktemp("tokens")
    authority, key = TlsAuthority(folder), folder / "corp.pem"
    with contextlib.ExitStack() as stack:
        corp = stack.enter_context(in_background(authority, "/realms/corp"))
        assert client_key(key), "it is there"
        keys = cli("upstream", "jwks", key, "--json").encode()
        corp.trust.clients["governd"] = Client("governd", keys=keys)
        policy = write_policy(folder / "policy", manifest(corp))
        listeners = {"planner": PLANNER, "router": ROUTER}
        said = settings(key, authority.ca_file)
        daemon = prepare(folder / "governd", said, listeners, policy)
        stack.callback(daemon.kill)
        daemon.start()
        corp.trust.bundles["example.org"] = trust_bundle(daemon)
        yield Node(daemon, corp, folder)
        assert daemon.stop() == 0


def write_policy(folder: Path, said: str) -> Path:
    """A policy source that lets the planner have tokens."""
    for name, content in source_files(POLICY, manifest=said).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def node(one_node: Node) -> Iterator[Node]:
    """The same, with a server that does as it should, and a user who has just logged in."""
    one_node.log_in()
    yield one_node
    corp = one_node.corp
    for parts in (corp.claims, corp.header, corp.reply, corp.metadata):
        parts.clear()
    corp.answer, corp.opaque = None, False


def terminal(*arguments: object, columns: int = 80) -> tuple[int, bytes]:
    """The exit code of a verb on a terminal, and what it wrote."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [executable(), *map(str, arguments)]
    environ = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environ
    ) as process:
        os.close(follower)
        said = b""
        try:
            while chunk := os.read(leader, 65536):
                said += chunk
        except OSError:  # nobody has the other end any more
            pass
        code = process.wait(60)
    os.close(leader)
    return code, said


def test_a_token_for_a_user_names_the_agent_and_is_not_shown_unasked(node: Node) -> None:
    said = node.for_alice("crm")
    for part in (
        *(PLANNER, "alice", node.corp.issuer, CRM, "read", "write", "act.sub", "not verified"),
    ):
        assert part in said
    token = node.for_alice("crm", "--show-token").strip()
    assert token == node.corp.issued[-1]
    assert not any(part in said for part in token.split(".")[1:])
    found = json.loads(node.for_alice("crm", "--json"))
    assert found["claims"]["act"] == {"sub": PLANNER}
    assert (found["caller"], found["user"]) == (PLANNER, "alice")
    assert (found["user_issuer"], found["scopes"]) == (node.corp.issuer, ["read", "write"])
    assert 0 < found["expires_in_seconds"] <= 300


def test_a_user_s_token_comes_over_standard_input_as_well(node: Node) -> None:
    token = node.login.read_bytes()
    options = ("--evidence-file", "-", "--scope", "read", "--json")
    found = answer("token", "get", "crm", *node.planner, *options, stdin=token)
    assert (found["scopes"], found["claims"]["scope"]) == (["read"], "read")


def test_a_token_that_the_upstream_refused_is_renewed(node: Node) -> None:
    first = node.for_alice("crm", "--show-token")
    assert node.for_alice("crm", "--show-token") == first
    assert node.for_alice("crm", "--renew", "--show-token") == first, "it is seconds old"


def test_an_agent_s_own_token_is_nobody_s(node: Node) -> None:
    found = json.loads(node.get("jobs", "--json"))
    assert (found["user"], found["claims"]["sub"]) == (None, "governd")
    assert "itself, and no user" in node.get("jobs")
    assert "(REQUEST_INVALID)" in node.for_alice("jobs", code=2)


def test_what_policy_denies_is_refused(node: Node) -> None:
    options = ("--evidence-file", node.login)
    said = cli("token", "get", "crm", *node.router, *options, code=1)
    assert "(MINT_REFUSED, NOT_PERMITTED)" in said


def test_evidence_that_does_not_hold_is_refused(node: Node) -> None:
    token = node.log_in("somebody-else")
    said = node.for_alice("crm", code=1)
    assert "(EVIDENCE_INVALID, audience)" in said
    assert token not in said
    assert "(REQUEST_INVALID)" in node.get("crm", code=2)


def test_an_upstream_that_nobody_names_is_told(node: Node) -> None:
    assert "(UPSTREAM_UNKNOWN)" in node.get("nope", code=3)
    said = cli("upstream", "check", "nope", *node.admin, code=3)
    assert "(UPSTREAM_UNKNOWN)" in said


def test_a_token_that_may_not_be_handed_on_is_told_with_its_rule(node: Node) -> None:
    node.corp.claims["act"] = None
    said = node.for_alice("crm", code=1)
    assert "(TOKEN_REFUSED, act_missing)" in said
    assert said.count("\n") == 1


def test_a_server_that_refuses_is_told_with_its_own_code(node: Node) -> None:
    node.corp.answer = error(
        "400 Bad Request",
        b'{"error": "invalid_target", "error_description": "\\u001b[2J"}',
        content_type="application/json",
    )
    said = node.for_alice("crm", code=1)
    assert "(TOKEN_REFUSED, refused, invalid_target)" in said
    assert "\x1b" not in said


@pytest.mark.req("avail-3", part=True)
def test_a_server_that_is_away_is_told_with_when_to_come_back(node: Node) -> None:
    said = node.get("lost", code=3)
    assert "; try again in " in said
    assert "(ISSUER_UNAVAILABLE)" in said


def test_the_cache_tells_what_is_held_and_never_a_token(node: Node) -> None:
    token = node.for_alice("crm", "--show-token").strip()
    found = answer("token", "cache", "--upstream", "crm", *node.admin)
    held = [one for one in found["tokens"] if one["user"] == f"{node.corp.issuer}#alice"]
    assert held
    assert {one["caller"] for one in held} == {PLANNER}
    records = [one for one in node.daemon.decisions() if one["kind"] == "token"]
    assert {one["digest"] for one in held} <= {one.get("digest") for one in records}
    said = cli("token", "cache", *node.admin)
    assert PLANNER in said
    assert not any(part in said for part in token.split(".")[1:])


@pytest.mark.req("avail-3", part=True)
def test_upstreams_are_listed_with_how_their_servers_do(node: Node) -> None:
    node.for_alice("crm")
    node.get("lost", code=3)
    found = {one["name"]: one for one in answer("upstream", "list", *node.admin)["upstreams"]}
    assert (found["crm"]["state"], found["crm"]["actor"]) == ("up", "agent")
    assert found["crm"]["tokens"] >= 1
    assert (found["jobs"]["grant"], found["jobs"]["actor"]) == ("client-credentials", "")
    said = cli("upstream", "list", "--exit-code", *node.admin, code=1)
    assert "lost is down: " in said
    assert "4 upstreams, 1 down, 1 whose tokens name nobody who acts" in said


def test_a_check_of_an_upstream_that_works_is_ok_and_leaves_no_token(node: Node) -> None:
    before = answer("token", "cache", *node.admin)["total"]
    for name in ("crm", "jobs"):
        found = answer("upstream", "check", name, *node.admin)
        assert found["ok"], found
        assert {one["step"] for one in found["checks"]} >= {"metadata", "client"}
    assert answer("token", "cache", *node.admin)["total"] == before
    assert cli("upstream", "check", "crm", *node.admin).endswith("crm  ok\n")


def test_a_check_tells_that_the_server_does_not_know_governd(node: Node) -> None:
    known = node.corp.trust.clients.pop("governd")
    try:
        found = answer("upstream", "check", "crm", *node.admin, code=1)
    finally:
        node.corp.trust.clients["governd"] = known
    steps = {one["step"]: one["ok"] for one in found["checks"]}
    assert (found["ok"], steps["metadata"], steps["client"]) == (False, True, False)


def test_a_check_shows_on_a_terminal_that_something_goes_on(node: Node) -> None:
    code, said = terminal("upstream", "check", "crm", *node.admin)
    assert code == 0, said
    assert b"asking the authorization servers of crm" in said
    assert STYLE.sub(b"", said).replace(b"\r\n", b"\n").endswith(b"crm  ok\n")
    assert "asking" not in cli("upstream", "check", "crm", *node.admin)


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(node: Node, columns: int) -> None:
    node.for_alice("crm")
    for verb in (("upstream", "list"), ("upstream", "check", "crm"), ("token", "cache")):
        _, said = terminal(*verb, *node.admin, columns=columns)
        lines = STYLE.sub(b"", said).decode().replace("\r\n", "\n").split("\n")
        assert max(len(one.rsplit("\r", 1)[-1]) for one in lines) <= columns


def test_no_token_is_in_the_log_or_on_record(node: Node) -> None:
    token, evidence = node.for_alice("crm", "--show-token").strip(), node.login.read_text()
    written = node.daemon.decision_log.read_text("utf-8") + node.daemon.stderr_file.read_text()
    for secret in (token, evidence):
        assert not any(part in written for part in secret.split(".")[1:])
