"""Evaluate over mTLS beside Evaluate on a socket whose caller is known by the socket.

The caller is the same, of the development authority; both are Unix sockets, and connections
are there before. And what it costs to verify a certificate that was seen before, which
governd does at every call.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc

from bench import question, workload
from bench.daemon import NAMES, Daemon, Setup, serving
from bench.load import EVALUATE, LATENCIES, Group, Load, Shown
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench, Trial
from governd._proto.governd.v1 import identity_service_pb2, identity_service_pb2_grpc
from governd.endpoints.tls import SvidServing, pem
from governd.identity.svid import X509Svid
from governd.identity.verification import Presented, Verifier

RUNS = 7
VERIFICATIONS = 100_000
_DNS_NAME = "governd"
_LISTENER = '[[listener]]\nattestation = "mtls"\nsocket = "mtls.sock"\n'
_PATIENCE_SECONDS = 30


def run(bench: Bench) -> Iterator[Result]:
    """Measures one call in flight, in turns."""
    bodies = question.never_repeated(bench.folder / "never-repeated")
    with serving(bench, Setup(NAMES, settings=_LISTENER)) as daemon:
        svid, roots = workload.identity(daemon.sockets[1])
        shown = _written(bench.folder, svid, roots)
        _wait(daemon, shown)
        groups = {
            "plain": Group([daemon.sockets[1]]),
            "mTLS": Group([daemon.folder / "mtls.sock"], tls=shown),
        }
        loads = {name: Load([who], EVALUATE, bodies) for name, who in groups.items()}
        found = bench.in_turns(
            RUNS, {name: Trial(load, daemon.pid) for name, load in loads.items()}
        )
    for reports in found.values():
        question.check_permitted(reports)
    plain, mtls = (Runs.of(found[name], LATENCIES["p50"]) for name in groups)
    what = "Evaluate, never repeated, 1 in flight, over mTLS"
    ratio = Runs([a / b for a, b in zip(mtls.values, plain.values, strict=True)])
    yield Result(f"{what} / on a plain socket: p50", ratio, "x", 1.3, "<=")
    yield Result(f"{what}: p50", mtls, "ms")
    yield Result(f"{what}: p99", Runs.of(found["mTLS"], LATENCIES["p99"]), "ms")
    yield from _verification(bench, svid, roots)


def _verification(bench: Bench, svid: X509Svid, roots: tuple[bytes, ...]) -> Iterator[Result]:
    presented = Presented(pem(svid.chain[:1]), pem(svid.chain[1:]))
    bundles = {svid.spiffe_id.trust_domain: roots}
    first = [_verify(Verifier(bundles), presented, 1) for _ in range(bench.effort.runs(20))]
    known = Verifier(bundles)
    _verify(known, presented, 1)
    count = bench.effort.size(VERIFICATIONS, 1_000)
    again = [_verify(known, presented, count) for _ in range(bench.effort.runs(5))]
    yield Result("a certificate that was seen before is verified", Runs(again), "us", 5, "<=")
    yield Result("a certificate is verified for the first time", Runs(first), "us")


def _verify(verifier: Verifier, presented: Presented, count: int) -> float:
    """Microseconds each."""
    now = datetime.now(UTC)
    began = time.perf_counter()
    for _ in range(count):
        verifier.verify(presented, now)
    return (time.perf_counter() - began) / count * 1e6


def _written(folder: Path, svid: X509Svid, roots: tuple[bytes, ...]) -> Shown:
    """What the caller shows, in files."""
    shown = Shown(folder / "caller.pem", folder / "caller.key", folder / "roots.pem", _DNS_NAME)
    mine = SvidServing(lambda: svid, Verifier({}), ()).material()
    shown.certificates.write_bytes(mine.certificate_chain)
    shown.key.touch(mode=0o600)
    shown.key.write_bytes(mine.private_key.reveal())
    shown.roots.write_bytes(pem(roots))
    return shown


def _wait(daemon: Daemon, shown: Shown) -> None:
    """Returns when the listener answers, which opens when governd has an identity."""
    read = Path.read_bytes
    credentials = grpc.ssl_channel_credentials(
        read(shown.roots), read(shown.key), read(shown.certificates)
    )
    options = [("grpc.ssl_target_name_override", shown.name)]
    target = f"unix:{daemon.folder / 'mtls.sock'}"
    with grpc.secure_channel(target, credentials, options) as channel:
        stub = identity_service_pb2_grpc.IdentityServiceStub(channel)
        request = identity_service_pb2.WhoAmIRequest()
        stub.WhoAmI(request, timeout=_PATIENCE_SECONDS, wait_for_ready=True)
