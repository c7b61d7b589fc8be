"""Access to upstreams on a running daemon: no credential in the agent, none that leaks."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from governd._proto.governd.v1 import admin_service_pb2 as pb
from governd.services.workload_stubs import SERVICE, messages
from tests.fakes.authorization_server import error
from tests.fakes.authorization_server_checks import peek
from tests.fakes.authorization_server_faults import echo
from tests.integration.attested_daemon import component, until
from tests.integration.daemon_process import executable, prepare
from tests.integration.prometheus_process import METRICS, scrape
from tests.integration.token_node import (
    CRM,
    PLANNER,
    ROUTER,
    Agent,
    TokenNode,
    Told,
    asked,
    token_node,
)
from tests.integration.upstream_calls import client_key

pytestmark = pytest.mark.req("c-3", part=True)

URN = "urn:ietf:params:oauth:token-type"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenNode]:
    """One node for all tests that do not change it for good; each has logins of its own."""
    with token_node(tmp_path_factory.mktemp("tokens"), tokens="negative_seconds = 0.0\n") as node:
        yield node


@pytest.fixture
def node(shared: TokenNode) -> Iterator[TokenNode]:
    for server in (shared.corp, shared.idp):
        server.asked.clear()
    yield shared
    for server in (shared.corp, shared.idp):
        server.answer = None
        for parts in (server.claims, server.header, server.reply):
            parts.clear()


def refusal(call: Callable[[], object]) -> Told:
    with pytest.raises(Told) as raised:
        call()
    return raised.value


@pytest.mark.parametrize("upstream", ["crm", "own", "mail", "hr"])
def test_a_user_s_login_becomes_a_token_of_theirs_by_every_grant(
    node: TokenNode, upstream: str
) -> None:
    answer = node.planner.get(upstream, node.login(), "read")
    claims = peek(answer.access_token)[1]
    actor = "governd" if upstream == "own" else PLANNER
    assert (claims["sub"], claims["act"]["sub"]) == ("alice", actor)
    assert claims["aud"] == answer.resource == f"https://{upstream}.example.org/mcp"
    assert list(answer.scopes) == ["read"]
    assert dict(answer.headers) == {"Authorization": f"Bearer {answer.access_token}"}
    assert 0 < answer.expires_at.seconds - time.time() <= 300
    record = node.daemon.decisions()[-1]
    assert (record["kind"], record["decision_id"]) == ("token", answer.decision_id)
    assert record["user"]["subject"] == "alice"


def test_an_agent_gets_tokens_of_its_own_without_a_user(node: TokenNode) -> None:
    claims = peek(node.planner.get("self").access_token)[1]
    assert claims["sub"] == PLANNER
    claims = peek(node.planner.get("jobs").access_token)[1]
    assert claims["sub"] == "governd"


def test_a_client_of_rfc_8693_gets_the_same(node: TokenNode) -> None:
    login = node.login()
    named = node.planner.get("crm", login)
    answer = node.planner.exchange(
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
        resource=CRM,
        subject_token=login,
        subject_token_type=f"{URN}:id_token",
    )
    assert answer.access_token == named.access_token
    assert (answer.token_type, answer.scope) == ("Bearer", "read write")
    assert answer.issued_token_type == f"{URN}:access_token"
    assert 0 < answer.expires_in.seconds <= 300
    told = refusal(
        lambda: node.planner.exchange(
            resource=CRM,
            subject_token=login,
            subject_token_type=f"{URN}:id_token",
            actor_token=login,
        )
    )
    assert told.reason == "REQUEST_INVALID"


@pytest.mark.req("avail-3", part=True)
@pytest.mark.parametrize(
    ("upstream", "requests"),
    [("crm", {"token-exchange": 1}), ("mail", {"id-jag": 1, "jwt-bearer": 1})],
)
def test_a_hundred_callers_on_a_cold_key_are_one_request_to_each_server(
    node: TokenNode, upstream: str, requests: dict[str, int]
) -> None:
    answers = node.planner.at_once([asked(upstream, node.login())] * 100)
    assert len({one.access_token for one in answers}) == 1
    assert len({one.decision_id for one in answers}) == 100
    assert {**node.corp.asked, **node.idp.asked} | {"metadata": 0} == {**requests, "metadata": 0}


def test_attack_two_agents_of_one_user_share_no_token(node: TokenNode) -> None:
    login = node.login()
    mine, other = node.planner.get("crm", login), node.router.get("crm", login)
    actors = [peek(one.access_token)[1]["act"]["sub"] for one in (mine, other)]
    assert actors == [PLANNER, ROUTER]


def test_who_is_denied_gets_nothing_and_costs_no_server_anything(node: TokenNode) -> None:
    told = refusal(lambda: node.stranger.get("crm", node.login()))
    assert (told.reason, told.code) == ("MINT_REFUSED", grpc.StatusCode.PERMISSION_DENIED)
    assert not node.corp.asked["token-exchange"]
    assert node.daemon.decisions()[-1]["decision_id"] == told.facts["decision_id"]
    told = refusal(lambda: node.planner.get("bank", node.login()))
    assert (told.reason, told.code) == ("UPSTREAM_UNKNOWN", grpc.StatusCode.NOT_FOUND)


def test_attack_evidence_that_expired_since_then(node: TokenNode) -> None:
    login = node.login(exp=int(time.time()) + 4)
    first = node.planner.get("crm", login)
    assert first.expires_at.seconds <= peek(login)[1]["exp"]
    until(lambda: time.time() > peek(login)[1]["exp"])
    told = refusal(lambda: node.planner.get("crm", login))
    assert (told.reason, told.facts["rule"]) == ("EVIDENCE_INVALID", "expired")


@pytest.mark.parametrize(
    ("rule", "where", "change"),
    [
        ("act_missing", "claims", {"act": None}),
        ("audience", "claims", {"aud": "https://bank.example.org"}),
        ("scope_widened", "reply", {"scope": "read write admin"}),
        ("expiry", "claims", {"exp": None}),
        ("too_large", "reply", {"access_token": "x" * 20_000}),
        ("malformed", "reply", {"access_token": "a b"}),
        ("token_type", "reply", {"issued_token_type": f"{URN}:refresh_token"}),
    ],
)
def test_attack_a_server_that_gives_something_else(
    node: TokenNode, rule: str, where: str, change: dict[str, object]
) -> None:
    getattr(node.corp, where).update(change)
    told = refusal(lambda: node.planner.get("crm", node.login()))
    assert (told.reason, told.facts["rule"]) == ("TOKEN_REFUSED", rule)
    assert told.code is grpc.StatusCode.FAILED_PRECONDITION
    record = node.daemon.decisions()[-1]
    assert (record["kind"], record["rule"]) == ("token", rule)


def test_a_refresh_token_is_nobodys(node: TokenNode) -> None:
    node.corp.reply["refresh_token"] = "refresh-1234567890"
    assert node.planner.get("crm", node.login()).access_token
    assert b"refresh-1234567890" not in everything(node)


def test_what_an_upstream_refused_is_renewed(tmp_path: Path) -> None:
    with token_node(tmp_path) as node:
        login = node.login()
        first = node.planner.get("crm", login)
        assert node.planner.get("crm", login, renew=True).access_token == first.access_token
        time.sleep(5)
        second = node.planner.get("crm", login, renew=True)
        assert second.access_token != first.access_token
        assert node.planner.get("crm", login).access_token == second.access_token


def test_who_is_revoked_gets_nothing_and_nothing_is_held_for_them(tmp_path: Path) -> None:
    with token_node(tmp_path) as node:
        alice, carol = node.login(), node.login("carol")
        for agent in (node.planner, node.router):
            agent.get("crm", alice)
            agent.get("crm", carol)
        node.revoke(user=f"{node.idp.issuer}#alice")
        until(lambda: [one.user.rpartition("#")[2] for one in node.held()] == ["carol"] * 2)
        assert refusal(lambda: node.planner.get("crm", alice)).reason == "MINT_REFUSED"
        node.revoke(spiffe_id=ROUTER)
        until(lambda: [one.caller for one in node.held()] == [PLANNER])
        assert refusal(lambda: node.router.get("crm", carol)).reason == "MINT_REFUSED"
        assert node.planner.get("crm", carol).access_token


@pytest.mark.req("avail-3", part=True)
def test_while_a_server_is_away_tokens_count_to_their_end_and_others_go_on(
    tmp_path: Path,
) -> None:
    more = "min_lifetime_seconds = 0\nmax_lifetime_seconds = 4\n"
    with token_node(tmp_path, tokens="retries = 0\n", upstream=more) as node:
        login = node.login()
        held = node.planner.get("crm", login)
        node.corp.answer = error("503 Busy", b"", retry_after="7")
        assert node.planner.get("crm", login).access_token == held.access_token
        until(lambda: time.time() > held.expires_at.seconds + 1)  # it is told rounded down
        told = refusal(lambda: node.planner.get("crm", login))
        assert (told.reason, told.code) == ("ISSUER_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE)
        assert told.facts == {"upstream": "crm", "authorization_server": "corp"}
        assert told.retry_after is not None
        assert 0 < told.retry_after <= 7
        assert node.state_of("crm").startswith("down")
        assert "corp is down" in component(node.daemon, "tokens").detail
        assert component(node.daemon, "tokens").ready, "governd is as good as before"
        node.daemon.wait(serving=True)


@pytest.mark.req("avail-2", part=True)
def test_a_restart_keeps_no_token_and_gets_new_ones(tmp_path: Path) -> None:
    with token_node(tmp_path) as node:
        first = node.planner.get("jobs")
        node.daemon.stop()
        node.daemon.start()
        assert not node.held()
        node.join()
        until(lambda: _is_new(node.planner, first.access_token))


def _is_new(agent: Agent, before: str) -> bool:
    with contextlib.suppress(Told):  # the connection may have to be made again
        return agent.get("jobs").access_token != before
    return False


def test_a_key_that_others_can_read_keeps_governd_from_starting(tmp_path: Path) -> None:
    key = tmp_path / "corp.pem"
    client_key(key)
    key.chmod(0o640)
    settings = f'[[tokens.client_key]]\nname = "corp"\nfile = "{key}"\n'
    daemon = prepare(tmp_path / "governd", settings, {}, None)
    done = subprocess.run(
        [executable(), "run", "--config", str(daemon.config_file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    for part in (str(key), "0640", "corp"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert "PRIVATE KEY" not in done.stderr
    key.chmod(0o600)
    daemon.start(serving=False)
    assert daemon.stop() == 0


def test_attack_an_agent_that_would_be_governd_s_client(node: TokenNode) -> None:
    """Whoever had a JWT-SVID for the server could ask it past every policy."""
    request = messages.JWTSVIDRequest(audience=[node.corp.issuer])
    with grpc.insecure_channel(node.daemon.target("planner")) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/FetchJWTSVID",
            request_serializer=messages.JWTSVIDRequest.SerializeToString,
            response_deserializer=messages.JWTSVIDResponse.FromString,
        )
        with pytest.raises(grpc.RpcError) as raised:
            call(request, metadata=(("workload.spiffe.io", "true"),), timeout=10)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


def everything(node: TokenNode) -> bytes:
    """All that a daemon wrote and shows: logs, records, state, metrics, environment, answers."""
    daemon = node.daemon
    found = [one.read_bytes() for one in daemon.directory.rglob("*") if one.is_file()]
    for pid in (daemon.pid, daemon.daemon_pid):
        found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        with contextlib.suppress(PermissionError):  # nobody but root reads it
            found.append(Path(f"/proc/{pid}/environ").read_bytes())
    with node.operator() as admin:
        for call, request in (
            (admin.ListTokens, pb.ListTokensRequest()),
            (admin.ListUpstreams, pb.ListUpstreamsRequest()),
            (admin.CheckUpstream, pb.CheckUpstreamRequest(name="crm")),
            (admin.Status, pb.StatusRequest()),
        ):
            found.append(call(request, timeout=60).SerializeToString())
    return b"\n".join(found)


def test_no_token_is_in_logs_records_metrics_state_or_the_environment(tmp_path: Path) -> None:
    settings = f'{METRICS}[log]\nlevel = "debug"\ndecisions = "all"\n'
    with token_node(tmp_path, settings=settings, tokens="negative_seconds = 0.0\n") as node:
        secrets = {*_load(node), *node.corp.issued, *node.idp.issued}
        for form in (*node.corp.forms, *node.idp.forms):
            secrets |= {
                one for name, one in form.items() if name.endswith(_SECRET) and one != "none"
            }
        assert len(secrets) > 100
        written = everything(node) + scrape(node.daemon).encode()
        for name in ("governd_tokens_issued_total", "user-3", "act_missing", PLANNER):
            assert name.encode() in written, "it is there that tokens are looked for"
        for secret in secrets:
            # The first part of a JWS is a header that says nothing, and that many share.
            for part in secret.split(".")[1:]:
                assert part.encode() not in written


_SECRET = ("_token", "assertion")
"""How the names of parameters end that are secret."""


def _load(node: TokenNode) -> list[str]:
    """Logins of many users, for every upstream, by every agent; and what came of them."""
    given = []
    for number in range(6):
        node.corp.claims = {"act": None} if number == 3 else {}
        for agent in (node.planner, node.router, node.stranger):
            for upstream in ("crm", "own", "mail", "hr"):
                given.append(login := node.login(f"user-{number}", nonce=f"{number}-{upstream}"))
                with contextlib.suppress(Told):
                    given.append(agent.get(upstream, login).access_token)
    given += [node.planner.get(upstream).access_token for upstream in ("self", "jobs")]
    node.corp.answer = echo
    with pytest.raises(Told):
        node.planner.get("crm", node.login("user-of-an-echo"))
    node.corp.answer = None
    return given
