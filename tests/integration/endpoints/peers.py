"""mTLS listeners with a real authority, and callers with certificates of every kind."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import structlog
from prometheus_client import CollectorRegistry

from governd.application import call as calls
from governd.config import MtlsListener
from governd.endpoints.chain import Chain
from governd.endpoints.doors import Doors, Trust
from governd.endpoints.health import Health
from governd.endpoints.limits import Admissions
from governd.endpoints.listener import Listener
from governd.endpoints.methods import Methods
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.svid import X509Svid
from governd.observability.metrics import Metrics
from tests.fakes.authority import HOUR, Authority, Issued
from tests.integration.endpoints.doors import Echo, Limits

WRITER = "spiffe://example.org/agent/writer"
READER = "spiffe://example.org/agent/reader"
SERVER = "spiffe://example.org/governd/server/node"
NAME = "governd"
"""The DNS name in the serving certificate, for stock gRPC clients."""


def now() -> datetime:
    return datetime.now(UTC)


async def who(_text: str) -> str:
    """Answers with what the servicer is told of the caller."""
    caller = calls.current().workload
    return f"{caller.spiffe_id} {caller.attestation.value} {dict(caller.facts)['listener']}"


_COARSE = timedelta(seconds=1)
"""TLS libraries read a clock that is some milliseconds behind."""


def serving(authority: Authority, lifetime: timedelta = HOUR, **changes: Any) -> X509Svid:
    """A certificate to serve with, good for so long from now."""
    start = now() - _COARSE
    issued = authority.issue(
        SERVER, dns=[NAME], lifetime=lifetime + _COARSE, not_before=start, **changes
    )
    return X509Svid(
        SpiffeId.parse(SERVER),
        issued.chain,
        Secret(issued.key_der),
        "",
        issued.certificate.not_valid_before_utc,
        issued.certificate.not_valid_after_utc,
    )


class WallClock:
    """The listener's, which a test may set ahead of the real one."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return now() + self.ahead


@dataclass
class PeerDoor:
    """An mTLS listener and what stands behind it."""

    authority: Authority
    trust: Trust
    listener: Listener
    metrics: Metrics
    admissions: Admissions
    svids: list[X509Svid]
    """What it serves with; the last of them."""
    clock: WallClock
    echo: Echo
    path: Path | None

    @property
    def socket(self) -> Path:
        """Its path, where it is a Unix socket."""
        assert self.path is not None
        return self.path

    @property
    def target(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return str(self.listener.place)

    def issue(self, uri: str = WRITER, **changes: Any) -> Issued:
        """A certificate for a caller, valid from a minute ago."""
        settings = {"not_before": now() - timedelta(minutes=1), **changes}
        return self.authority.issue(uri, **settings)

    def short(self, seconds: int, uri: str = WRITER) -> Issued:
        """A certificate that ends in so many seconds, or at most one more."""
        end = now().replace(microsecond=0) + timedelta(seconds=seconds + 1)
        return self.issue(uri, lifetime=timedelta(minutes=2), not_before=end - timedelta(minutes=2))

    def channel(self, issued: Issued, *options: tuple[str, Any]) -> grpc.aio.Channel:
        """A stock client's channel, with a connection of its own."""
        credentials = grpc.ssl_channel_credentials(
            self.authority.bundle_pem, issued.key_pem, issued.chain_pem
        )
        own = ("grpc.use_local_subchannel_pool", 1)
        override = ("grpc.ssl_target_name_override", NAME)
        return grpc.aio.secure_channel(self.target, credentials, [own, override, *options])

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def build_peer_door(
    directory: Path,
    limits: Limits,
    echo: Echo,
    *,
    bundles: dict[str, tuple[bytes, ...]] | None = None,
    lifetime: timedelta = HOUR,
    tcp: bool = False,
    port: int = 0,
    **settings: Any,
) -> PeerDoor:
    """Wires an mTLS listener as the composition root does; it is not started yet."""
    authority = Authority("example.org", now=now())
    metrics = Metrics(CollectorRegistry(), version="test", actions=())
    health = await Health.create(gated=["test.Echo"], standing=[])
    log = structlog.get_logger("test")
    chain = Chain(message_bytes=limits.message_bytes, metrics=metrics, log=log)
    methods = Methods([echo.register, health.register], chain)
    path = None if tcp else directory / "mtls.sock"
    place: dict[str, Any] = {"address": f"127.0.0.1:{port}"} if tcp else {"socket": path}
    entry = MtlsListener(attestation="mtls", **place, **settings)
    admissions = Admissions(limits)
    svids = [serving(authority, lifetime)]
    trust = Trust(lambda: svids[-1], {"example.org": authority.bundle, **(bundles or {})})
    clock = WallClock()
    doors = Doors(limits, admissions, metrics, time.monotonic, clock)
    listener = doors.of_peers(entry, methods, trust, "example.org")
    return PeerDoor(authority, trust, listener, metrics, admissions, svids, clock, echo, path)


OpenPeerDoor = Callable[..., Awaitable[PeerDoor]]
"""An mTLS listener on its socket."""
