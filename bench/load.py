"""What load to put on which sockets, and what came of it: the two sides of ``loadgen/``."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

HEALTH = "/grpc.health.v1.Health/Check"
"""The no-op: through the same server, interceptor and chain, and it does next to nothing."""
EVALUATE = "/governd.v1.PolicyService/Evaluate"
EVALUATE_STREAM = "/governd.v1.PolicyService/EvaluateStream"
WATCH_EPOCH = "/governd.v1.PolicyService/WatchEpoch"

Kind = Literal["unary", "stream", "watch"]


@dataclass(frozen=True)
class Shown:
    """What a caller over mTLS shows, in PEM files.

    Attributes:
        certificates: Its own, and those above it.
        key: Its own.
        roots: That the server is verified by.
        name: That the server has.
    """

    certificates: Path
    key: Path
    roots: Path
    name: str


@dataclass(frozen=True)
class Group:
    """Callers that do the same.

    Attributes:
        sockets: Each one a caller.
        name: In the report.
        kind: ``unary``: one call for each question. ``stream``: over EvaluateStream, where
            all that is to be asked at the moment goes out as one message. ``watch``: opens
            the method's stream and listens; each message counts as a call.
        connections: Of each caller.
        streams: Of each connection; ``stream`` only.
        in_flight: Closed loop: so many for each caller, or for each stream; each asks again
            once it is answered.
        rate: Open loop: so many calls a second by each caller, whatever the answers do; 0
            for closed.
        tls: What they show; ``None`` for plain connections.
    """

    sockets: Sequence[Path]
    name: str = ""
    kind: Kind = "unary"
    connections: int = 1
    streams: int = 1
    in_flight: int = 1
    rate: float = 0
    tls: Shown | None = None


@dataclass(frozen=True)
class Load:
    """Who asks what, and for how long.

    Attributes:
        groups: Who.
        method: Full name.
        bodies: A file of requests, as ``frame`` makes it; ``None`` for an empty request.
        warm: Seconds before the measured time.
        seconds: Measured time.
        until_refused: Whether a caller that is refused ends; closed loop only.
        until_told: Whether the measured time ends early when ``Running.stop`` is called.
        once: Whether the measured time ends when each request was sent once.
    """

    groups: Sequence[Group]
    method: str = HEALTH
    bodies: Path | None = None
    warm: float = 0.5
    seconds: float = 3.0
    until_refused: bool = False
    until_told: bool = False
    once: bool = False

    def plan(self, pid: int) -> dict[str, Any]:
        """As the program takes it, with the process whose CPU time it reads."""
        plan = dataclasses.asdict(self)
        for group in plan["groups"]:
            group["sockets"] = [str(path) for path in group["sockets"]]
            if group["tls"] is not None:
                group["tls"] = {name: str(value) for name, value in group["tls"].items()}
        return {**plan, "bodies": str(self.bodies or ""), "pid": pid}


@dataclass(frozen=True)
class Summary:
    """Calls of one or several callers; latencies are exact, from all samples.

    Attributes:
        calls: Answered in the measured time.
        p50_ms: Latency.
        p90_ms: Likewise.
        p99_ms: Likewise.
        p999_ms: Likewise.
        max_ms: Likewise.
        answered: Outcomes of all calls, in the measured time or not: status OK.
        refused: Never begun: nothing listened, or the server said UNAVAILABLE.
        failed: Answered with any other status.
        lost: Sent, and never answered.
    """

    calls: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    answered: int
    refused: int
    failed: int
    lost: int

    @property
    def errors(self) -> int:
        """Calls that were not answered with OK, for whatever reason."""
        return self.refused + self.failed + self.lost


@dataclass(frozen=True)
class Report(Summary):
    """What the client saw in all.

    Attributes:
        per_second: Calls.
        seconds: Measured time.
        server_cpu_us: CPU time of the server, all its threads, in the measured time.
        groups: The same by name of the group.
        callers: The same for each caller, in order.
        first_error: The first that was not OK.
        sample_reply: One answer, in hex.
    """

    per_second: float
    seconds: float
    server_cpu_us: float
    groups: Mapping[str, Summary] = field(repr=False)
    callers: Sequence[Summary] = field(repr=False)
    first_error: str
    sample_reply: str

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Report":
        """Reads what the program prints."""
        groups = {name: Summary(**one) for name, one in document.pop("groups").items()}
        callers = [Summary(**one) for one in document.pop("callers")]
        return cls(**document, groups=groups, callers=callers)

    @property
    def cpu_us(self) -> float:
        """CPU time of the server for each call."""
        return self.server_cpu_us / self.calls


LATENCIES: Mapping[str, Callable[[Summary], float]] = {
    "p50": lambda one: one.p50_ms,
    "p90": lambda one: one.p90_ms,
    "p99": lambda one: one.p99_ms,
    "p99.9": lambda one: one.p999_ms,
}
"""The quantiles that are published, by name."""


def frame(bodies: Sequence[bytes], file: Path) -> Path:
    """Writes requests for the client: each after its length."""
    file.write_bytes(b"".join(len(body).to_bytes(4, "big") + body for body in bodies))
    return file
