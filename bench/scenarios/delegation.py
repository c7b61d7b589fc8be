"""What acting-as tokens cost: in the process of whoever mints or receives one, and served.

In process, a chain of three: a token is extended and signed, one is verified whose signer was
seen before, one whose signer was not, and one that was seen itself; how large tokens are; and
what Mint and Extend do in all, with evidence, policy and signature, but no log. Then Mint and
Verify on a socket, 200 a second each, on record as ever.
"""

import asyncio
import dataclasses
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from bench import acting, chain
from bench.load import HEALTH, LATENCIES, Group, Load, Report
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench, Trial
from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.application.delegate import Issued
from governd.delegation.binding import body_digest, request_binding
from governd.delegation.opening import Opener
from governd.delegation.rejection import Rejected
from governd.delegation.replay import Admission
from governd.delegation.signing import sign
from governd.delegation.verification import Receiver
from governd.identity.ports import Signer
from governd.identity.verification import Verifier
from tests.fakes.delegating import Delegating
from tests.fakes.forge import PLANNER, ROUTER, TOOLS

_CALLS = 400
"""Of each kind in one run."""
_RATE = 200
"""Calls a second on a socket."""
_CONNECTIONS = 4
_WARM, _SECONDS = 0.5, 4.0
_One = TypeVar("_One")


class _Again:
    """Takes every token for a first one: the same is measured many times."""

    def admit(self, *_token: object) -> Admission:
        """Says so."""
        return Admission.FIRST


def run(bench: Bench) -> Iterator[Result]:
    """Measures all of it."""
    yield from _tokens(bench)
    yield from _use_cases(bench)
    yield from _served(bench)


def _tokens(bench: Bench) -> Iterator[Result]:
    authority = EmbeddedAuthority("example.org", chain.NOW)
    signer = EmbeddedIdentity.signing(authority, "node").current(chain.NOW)
    runs = [_once(signer) for _ in bench.rounds(5)]
    mint, known, cold, seen = (Runs(list(values)) for values in zip(*runs, strict=True))
    yield Result("extend and sign, depth 3", mint, "ms", goal=1)
    yield Result("verify, depth 3", known, "ms", goal=0.4)
    yield Result("verify, depth 3, signer never seen", cold, "ms")
    yield Result("verify, seen before", seen, "ms", goal=0.02, goal_op="<=")
    yield Result("size at depth 3", Runs([_size(signer)]), "bytes", goal=3000)
    twice = dataclasses.replace(chain.said(signer), actors=chain.ACTORS[:1], parent=None)
    yield Result("size at depth 1", Runs([len(sign(twice, signer).text.reveal())]), "bytes")


def _once(signer: Signer) -> tuple[float, float, float, float]:
    """Medians in ms: to mint, to verify, with a signer never seen, seen before."""
    text = sign(chain.said(signer), signer).text.reveal().decode()
    verifier = Verifier({"example.org": signer.trust_bundle})
    opener = Opener(verifier)

    expected, arrival, again = chain.expected(), chain.arrival(), _Again()

    def verify(opener: Opener) -> None:
        found = Receiver(opener, again).receive(text, expected, arrival, chain.NOW)
        if isinstance(found, Rejected):
            raise RuntimeError(found.message)  # noqa: TRY004  the token is at fault, not its type

    def with_new_signer() -> None:
        verifier.replace(verifier.bundles)
        verify(Opener(verifier))

    extending = chain.extending(signer)
    return (
        _median(lambda: sign(extending(), signer)),
        _median(lambda: verify(Opener(verifier))),
        _median(with_new_signer),
        _median(lambda: verify(opener)),
    )


def _use_cases(bench: Bench) -> Iterator[Result]:
    runs = [asyncio.run(_issued()) for _ in bench.rounds(5)]
    fresh, again, extended = (Runs(list(values)) for values in zip(*runs, strict=True))
    yield Result("Mint without the log, ID token never seen: p50", fresh, "ms", goal=1)
    yield Result("Mint without the log, ID token seen before: p50", again, "ms", goal=1)
    yield Result("Extend without the log: p50", extended, "ms", goal=1)


async def _issued() -> tuple[float, float, float]:
    """Medians in ms: to mint from a new ID token, from one that was seen, to extend."""
    node = await Delegating().open()
    logins = [node.id_token(jti=str(number)) for number in range(_CALLS)]
    scopes = ("tools:call:list_issues", "tools:call:search_issues")
    request = request_binding("POST", chain.URI, body_digest(b"{}"))
    parents: list[Issued] = []

    async def mint(login: str) -> None:
        issued = await node.mint(PLANNER, ROUTER, login, scopes=scopes, request=request)
        parents.append(issued)

    async def take(parent: Issued) -> None:
        await node.verify(ROUTER, parent, request=request)

    async def extend(parent: Issued) -> None:
        await node.extend(ROUTER, parent, TOOLS, scopes=scopes[:1], request=request)

    fresh = await _median_of(mint, logins)
    again = await _median_of(mint, logins[:1] * _CALLS)
    await _median_of(take, parents[:_CALLS])  # what was not taken is not extended
    return fresh, again, await _median_of(extend, parents[:_CALLS])


async def _median_of(call: Callable[[_One], Awaitable[None]], each: Sequence[_One]) -> float:
    times = []
    for one in each:
        started = time.perf_counter()
        await call(one)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _served(bench: Bench) -> Iterator[Result]:
    seconds = bench.effort.seconds(_SECONDS)
    count = int(_RATE * (_WARM + seconds)) + _RATE  # the client may be late to end
    minted, verified, noop = list[Report](), list[Report](), list[Report]()
    with acting.acting(bench) as served:
        planner, router = (
            Group([one], connections=_CONNECTIONS, rate=_RATE)
            for one in (served.planner, served.router)
        )
        bodies = served.mint_bodies()
        for _ in bench.rounds(5):
            load = Load([planner], HEALTH, None, _WARM, seconds)
            noop += _run(bench, "no-op", load, served)
            load = Load([planner], acting.MINT, bodies, _WARM, seconds)
            minted += _run(bench, "Mint", load, served)
            fresh = served.verify_bodies(count)
            before = served.daemon.decisions
            load = Load([router], acting.VERIFY, fresh, _WARM, seconds)
            (report,) = found = _run(bench, "Verify", load, served)
            served.check_verified(before, report.answered)
            verified += found
    acting.check_minted(minted)
    for name, reports in (("Mint", minted), ("Verify", verified)):
        what = f"{name} on a socket, {_RATE}/s"
        for quantile, goal in (("p50", None), ("p99", 3)):
            value = LATENCIES[quantile]
            latency, floor = Runs.of(reports, value), Runs.of(noop, value)
            yield Result(f"{what}: {quantile}", latency, "ms", goal, floor=floor)
        cpu = [Runs.of(each, lambda one: one.cpu_us) for each in (reports, noop)]
        yield Result(f"{what}: CPU of a call", cpu[0], "us", floor=cpu[1])


def _run(bench: Bench, name: str, load: Load, served: acting.Acting) -> list[Report]:
    label = f"{name} {_RATE}/s"
    return bench.in_turns(1, {label: Trial(load, served.daemon.pid)})[label]


def _median(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _size(signer: Signer) -> float:
    return len(sign(chain.said(signer), signer).text.reveal())
