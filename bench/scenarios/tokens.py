"""What it costs to get a token for an upstream, from governd's memory and from its issuer.

governd is before an authorization server of the tests, over TLS on this machine. A token that is
held is handed out after a decision that is on record, as any; beside it stands WhoAmI, a call of
the same server that does next to nothing. For one that is not held the time of the requests to
the server is taken off, as governd's metrics have it: from the connection to the answer. What is
left has the signatures, the checks and the record in it, which is on disk before the answer. How
much of a request is not the server's own time, but the connection's, stands beside it.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, Self

from bench.load import LATENCIES, Group, Load, Report, frame
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench, Trial
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_http import Request
from tests.integration.prometheus_process import scrape
from tests.integration.token_node import TokenNode, asked, pb, token_node

GET_TOKEN = "/governd.v1.TokenService/GetToken"  # noqa: S105  the name of a method
WHO_AM_I = "/governd.v1.IdentityService/WhoAmI"
RUNS = 5
NEW = 40
"""Tokens that are not held, in each run."""
_SECONDS = "governd_authorization_server_seconds_sum"
_NOOP, _HELD = "no-op", "GetToken, held"
_SETTINGS = """\
[limits]
calls_per_second = 1000000.0
burst = 1000000
calls_in_flight = 4096
streams_per_connection = 4096
[metrics]
address = "127.0.0.1:0"
"""


_TOKENS = "new_per_second = 10000.0\nnew_burst = 100000\n"


def run(bench: Bench) -> Iterator[Result]:
    """Measures both."""
    with token_node(bench.folder, settings=_SETTINGS, tokens=_TOKENS) as node:
        for in_flight in (1, 8):
            yield from _held(bench, node, in_flight)
        for upstream, legs in (("crm", "token exchange"), ("mail", "ID-JAG, both legs")):
            found = [_new(node, upstream, bench) for _ in bench.rounds(RUNS)]
            what = f"GetToken, not held, {legs}"
            beyond = Runs([one.beyond for one in found])
            yield Result(f"{what}: time beyond the requests'", beyond, "ms", goal=5, goal_op="<")
            wire = Runs([one.wire for one in found])
            yield Result(f"{what}: of these, connections and TLS", wire, "ms")


def _held(bench: Bench, node: TokenNode, in_flight: int) -> Iterator[Result]:
    request = asked("crm", node.login())
    node.planner.get("crm", request.evidence.id_token)
    bodies = frame([request.SerializeToString()], bench.folder / "get-token")
    who = Group([node.daemon.sockets["planner"]], in_flight=in_flight)
    pid = node.daemon.daemon_pid
    trials = {
        _NOOP: Trial(Load([who], WHO_AM_I, seconds=2), pid),
        _HELD: Trial(Load([who], GET_TOKEN, bodies, seconds=2), pid),
    }
    before = len(node.corp.issued)
    found = bench.in_turns(RUNS, trials)
    _check(found[_HELD], asked_for=len(node.corp.issued) - before)
    what = f"{_HELD}, {in_flight} in flight"
    mine, noop = found[_HELD], found[_NOOP]
    for quantile in ("p50", "p99"):
        value = LATENCIES[quantile]
        floor = Runs.of(noop, value)
        yield Result(f"{what}: {quantile}", Runs.of(mine, value), "ms", floor=floor)
    cost, floor = (Runs.of(one, lambda report: report.cpu_us) for one in (mine, noop))
    above = f"{what}: server CPU above the no-op"
    yield Result(above, cost.minus(floor), "us", goal=100, goal_op="<=")


def _check(reports: list[Report], *, asked_for: int) -> None:
    """Every answer was a token, and none had to be asked for."""
    for report in reports:
        answer = pb.GetTokenResponse.FromString(bytes.fromhex(report.sample_reply))
        if not answer.access_token:
            message = "a token was expected"
            raise RuntimeError(message)
    if asked_for:
        message = f"{asked_for} tokens were asked for: they were to be held"
        raise RuntimeError(message)


class _Took(NamedTuple):
    """Milliseconds for each token.

    Attributes:
        beyond: What is not requests to servers.
        wire: What of these is not the servers' own time.
    """

    beyond: float
    wire: float


def _new(node: TokenNode, upstream: str, bench: Bench) -> _Took:
    """Tokens of new logins, one after the other."""
    count = bench.effort.size(NEW, 3)
    node.planner.get(upstream, _login(node))  # servers' metadata is there then
    logins = [_login(node) for _ in range(count)]
    with _Timed(node.corp) as corp, _Timed(node.idp) as idp:
        before, started = _request_seconds(node), time.perf_counter()
        for login in logins:
            node.planner.get(upstream, login)
        took = time.perf_counter() - started
        requests = _request_seconds(node) - before
    own = corp.seconds + idp.seconds
    return _Took((took - requests) / count * 1000, (requests - own) / count * 1000)


def _login(node: TokenNode) -> str:
    return node.login("alice", nonce=str(time.monotonic_ns()))


def _request_seconds(node: TokenNode) -> float:
    """How long all requests to token endpoints took until now."""
    lines = scrape(node.daemon).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(_SECONDS))


class _Timed:
    """Adds up the time of a server's own.

    Attributes:
        seconds: So much until now.
    """

    def __init__(self, server: AuthorizationServer) -> None:
        self._server = server
        self._handle: Callable[[Request], Awaitable[bytes]] = server.handle
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._server.handle = self._timed  # type: ignore[method-assign]  # a server of tests
        return self

    def __exit__(self, *_: object) -> None:
        del self._server.handle

    async def _timed(self, request: Request) -> bytes:
        started = time.perf_counter()
        answer = await self._handle(request)
        self.seconds += time.perf_counter() - started
        return answer
