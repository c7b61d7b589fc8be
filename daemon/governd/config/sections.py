"""The settings of each part, their units, ranges and defaults.

Every section is a frozen pydantic model that takes no unknown key and coerces nothing: a
number in quotes is a mistake, so is a truth value where a number is wanted. Every number
has a range. What needs more than one section to judge is in ``rules``; where values come
from is the business of ``loader``.

Invariants:
    * Every path of a section is absolute.
    * A setting that relaxes a rule has a name that begins with ``unsafe_``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from governd.config.csi import Csi
from governd.config.fields import AbsolutePath, Section, TrustDomain, host_and_port
from governd.config.identity import Identity
from governd.config.issuers import Issuers
from governd.config.listeners import Listener
from governd.config.tokens import Tokens


class Admin(Section):
    """The operator's socket; its mode is 0600 always."""

    socket: AbsolutePath = Path("/run/governd/admin.sock")
    """Path of the socket."""


class Policy(Section):
    """Where the policy comes from."""

    directory: AbsolutePath | None = None
    """The policy directory. Absent: every question is denied and governd is not ready."""
    poll_interval_seconds: float = Field(1.0, ge=0.05, le=3600)
    """How often the directory is looked at for changes."""


class DecisionLog(Section):
    """The append-only log of decisions."""

    path: AbsolutePath = Path("decisions.jsonl")
    """The log. Default: ``decisions.jsonl`` in the state directory."""
    sync_interval_seconds: float = Field(0.1, ge=0.001, le=10)
    """A decision is on disk at most this long after its answer."""
    unsafe_answer_without_log: bool = False
    """Whether harmless questions are answered although the log cannot be written."""


class Limits(Section):
    """What one caller may use; each number holds per caller unless it says otherwise."""

    message_bytes: int = Field(262_144, ge=1024, le=16_777_216)
    """Size of a request."""
    arguments_bytes: int = Field(65_536, ge=2, le=16_777_216)
    """Size of ``context.arguments_json``."""
    arguments_depth: int = Field(16, ge=1, le=64)
    """Nesting of ``context.arguments_json``."""
    batch_size: int = Field(256, ge=1, le=4096)
    """Questions in one batch."""
    calls_in_flight: int = Field(256, ge=1, le=65_536)
    """Unary calls at the same time."""
    calls_per_second: float = Field(1000.0, ge=0.1, le=1_000_000)
    """Calls a second, in the long run."""
    burst: int = Field(2000, ge=1, le=1_000_000)
    """Calls at once, before ``calls_per_second`` holds."""
    streams: int = Field(16, ge=1, le=4096)
    """Streaming calls at the same time."""
    connections: int = Field(64, ge=1, le=65_536)
    """Connections of one listener."""
    streams_per_connection: int = Field(256, ge=1, le=65_536)
    """HTTP/2 streams of one connection."""
    metadata_bytes: int = Field(16_384, ge=1024, le=1_048_576)
    """Size of a call's metadata."""


class Tools(Section):
    """What MCP servers may register."""

    first_registration: Literal["accept", "quarantine"] = "accept"
    """Whether a definition that was never seen before is taken as it is, or has to be
    approved. What the policy source states in full is taken in any case."""
    definitions: int = Field(4096, ge=1, le=8192)
    """Definitions of one server, and entries of a list that is filtered."""
    definition_bytes: int = Field(65_536, ge=256, le=1_048_576)
    """Size of one definition."""
    registration_bytes: int = Field(8_388_608, ge=1024, le=67_108_864)
    """Size of all definitions of one server."""


class Leases(Section):
    """How long a caller may reuse an answer."""

    max_seconds: float = Field(5.0, ge=0, le=60)
    """The longest; 0: no answer may be reused."""


class Metrics(Section):
    """The Prometheus endpoint."""

    address: str = "127.0.0.1:9464"
    """``host:port``; ``""`` turns it off; port 0 takes any free one."""

    @field_validator("address")
    @classmethod
    def _well_formed(cls, address: str) -> str:
        if address and host_and_port(address) is None:
            message = 'expected "host:port", or "" for no endpoint'
            raise ValueError(message)
        return address

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """Host and port, or ``None`` where the endpoint is off."""
        return host_and_port(self.address)


class Log(Section):
    """What governd writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written."""
    decisions: Literal["all", "deny", "none"] = "deny"
    """Which decisions are logged too; the decision log has all of them."""


class Drain(Section):
    """The end of a governd."""

    grace_seconds: float = Field(10.0, ge=0, le=600)
    """How long calls that have begun may take after SIGTERM."""


class Config(Section):
    """All settings of one governd."""

    production: bool = False
    """True refuses static listeners and the embedded certificate authority."""
    state_directory: AbsolutePath = Path("/var/lib/governd")
    """Lock file and, by default, the decision log. One governd at a time."""
    trust_domain: TrustDomain
    """The trust domain that this governd belongs to."""
    admin: Admin = Admin()
    identity: Identity = Identity()
    csi: Csi = Csi()
    listener: tuple[Listener, ...] = Field((), strict=False)  # TOML has lists, no tuples
    policy: Policy = Policy()
    issuers: Issuers = Issuers()
    tokens: Tokens = Tokens()
    decision_log: DecisionLog = Field(DecisionLog(), validate_default=True)
    limits: Limits = Limits()
    leases: Leases = Leases()
    tools: Tools = Tools()
    metrics: Metrics = Metrics()
    log: Log = Log()
    drain: Drain = Drain()

    @field_validator("decision_log")
    @classmethod
    def _under_state_directory(cls, section: DecisionLog, info: ValidationInfo) -> DecisionLog:
        state = info.data.get("state_directory", Path("/"))
        return section.model_copy(update={"path": state / section.path})

    def unsafe_settings(self) -> tuple[str, ...]:
        """Names of the settings that relax a rule and are on, as ``section.key``."""
        return tuple(sorted(_unsafe(self)))


def _unsafe(section: BaseModel, prefix: str = "") -> Iterator[str]:
    for name, value in section:
        if isinstance(value, BaseModel):
            yield from _unsafe(value, f"{prefix}{name}.")
        elif name.startswith("unsafe_") and value:
            yield f"{prefix}{name}"
