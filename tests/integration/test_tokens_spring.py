"""Access tokens of a real Spring Authorization Server, through a real governd.

Spring names who acts in the token, where the actor is a client that it knows: governd.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fakes.authorization_server_checks import peek
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.integration.test_cli import answer
from tests.integration.upstream_calls import AgentOf, Refused, client_key
from tests.policies import source_files
from tests.published import publishing
from tests.spring_parts import Spring, spring

PLANNER = "spiffe://example.org/agent/planner"
USER, UPSTREAM, OURS = "alice", "crm", "governd"
POLICY = """
@id("tokens") permit (principal, action == Action::"token/exchange", resource)
  when { resource in [ExternalService::"crm", ExternalService::"shop"] };
"""
MANIFEST = """
[[authorization_server]]
name = "corp"
issuer = "{issuer}"
client_authentication = "private_key_jwt"
client_id = "governd"
client_key = "governd"
[[authorization_server]]
name = "stranger"
issuer = "{issuer}"
client_authentication = "private_key_jwt"
client_id = "nobody"
client_key = "governd"
[[authorization_server]]
name = "spiffe"
issuer = "{issuer}"
client_authentication = "jwt-spiffe"
[[issuer]]
name = "corp"
issuer = "{issuer}"
jwks_uri = "{issuer}/oauth2/jwks"
audiences = ["chat", "governd"]
kinds = ["id_token", "access_token"]
"""
UPSTREAMS = {
    "named": 'actor = "governd"',
    "plain": 'actor = "unsafe_none"',
    "agent": 'actor = "agent"',
    "elsewhere": 'actor = "governd"\naudience = "shop"',
    "unknown": 'actor = "unsafe_none"\nauthorization_server = "stranger"',
    "spiffe": 'actor = "unsafe_none"\nauthorization_server = "spiffe"',
}


class World(NamedTuple):
    """What the tests of this module share.

    Attributes:
        server: Issues access tokens.
        planner: An agent.
        daemon: Before which it stands.
    """

    server: Spring
    planner: AgentOf
    daemon: DaemonProcess


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tokens")
    with contextlib.ExitStack() as stack:
        documents = stack.enter_context(publishing())
        documents["/governd"] = client_key(folder / "governd.pem")
        at = documents.uri("/governd")
        server = stack.enter_context(spring(tmp_path_factory.mktemp("spring"), at))
        settings = (
            '[issuers]\nnetworks = ["127.0.0.0/8"]\nunsafe_http = true\n'
            f'[[tokens.client_key]]\nname = "governd"\nfile = "{folder / "governd.pem"}"\n'
        )
        policy = policy_of(folder / "policy", server.issuer)
        daemon = prepare(folder / "governd", settings, {"planner": PLANNER}, policy)
        stack.callback(daemon.kill)
        daemon.start()
        yield World(server, AgentOf(daemon.sockets["planner"]), daemon)
        assert daemon.stop() == 0


def policy_of(folder: Path, issuer: str) -> Path:
    """A policy that permits everybody every upstream."""
    manifest = MANIFEST.format(issuer=issuer)
    for name, how in UPSTREAMS.items():
        manifest += f'[[upstream]]\nname = "{name}"\ngrant = "token-exchange"\n{how}\n'
        manifest += "" if "audience" in how else f'audience = "{UPSTREAM}"\n'
        manifest += "" if "authorization_server" in how else 'authorization_server = "corp"\n'
        manifest += 'scopes = ["read", "write"]\n'
    for name, content in source_files(POLICY, manifest=manifest).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def tokens(world: World) -> dict[str, str]:
    """What alice's front end has."""
    return world.server.log_in()


def test_the_token_is_the_users_and_names_who_acts(world: World, tokens: dict[str, str]) -> None:
    answer = world.planner.token("named", ["read"], access_token=tokens["access_token"])
    claims = peek(answer.access_token)[1]
    assert (claims["sub"], claims["aud"], claims["scope"]) == (USER, UPSTREAM, ["read"])
    assert claims["act"] == {"iss": world.server.issuer, "sub": OURS}
    assert list(answer.scopes) == ["read"]


def test_where_nobody_has_to_be_named_nobody_is(world: World, tokens: dict[str, str]) -> None:
    claims = world.planner.claims("plain", access_token=tokens["access_token"])
    assert (claims["sub"], claims["scope"]) == (USER, ["read", "write"])
    assert "act" not in claims


@pytest.mark.req("r-3", part=True)
def test_attack_a_token_that_is_for_governd_itself(world: World, tokens: dict[str, str]) -> None:
    """What Spring issues where nobody has told it what an audience is."""
    refused = world.planner.refused("elsewhere", access_token=tokens["access_token"])
    assert refused == Refused("TOKEN_REFUSED", "audience")


def test_what_spring_refuses_is_told_by_its_code(world: World, tokens: dict[str, str]) -> None:
    """It knows no actors but those that it issued a token for, no ID tokens and no strangers."""
    codes = {"agent": "invalid_grant", "unknown": "invalid_client"}
    for upstream, code in codes.items():
        refused = world.planner.refused(upstream, access_token=tokens["access_token"])
        assert refused == Refused("TOKEN_REFUSED", "refused", code)
    refused = world.planner.refused("named", id_token=tokens["id_token"])
    assert refused == Refused("TOKEN_REFUSED", "refused", "unsupported_token_type")


def test_a_refusal_without_a_word_is_one(world: World, tokens: dict[str, str]) -> None:
    """So Spring answers a client that shows a JWT-SVID: 401, and nothing."""
    refused = world.planner.refused("spiffe", access_token=tokens["access_token"])
    assert refused == Refused("TOKEN_REFUSED", "refused")


def test_a_check_finds_whom_spring_knows(world: World) -> None:
    operator = ("--admin-socket", world.daemon.admin_socket)
    assert answer("upstream", "check", "named", *operator)["ok"]
    for upstream in ("unknown", "spiffe"):
        found = answer("upstream", "check", upstream, *operator, code=1)
        steps = {one["step"]: one["ok"] for one in found["checks"]}
        assert (steps["metadata"], steps["client"]) == (True, False), found


def test_no_token_is_where_operators_look(world: World, tokens: dict[str, str]) -> None:
    users = tokens["access_token"]
    ours = world.planner.token("named", ["write"], access_token=users).access_token
    for file in (world.daemon.stderr_file, world.daemon.decision_log):
        said = file.read_text("utf-8")
        assert said
        for token in (users, ours):
            assert token not in said
            assert token.rpartition(".")[2] not in said
