"""The settings of workload listeners, one section for each way to know the caller."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
)

from governd.config.fields import (
    AbsolutePath,
    Address,
    AnyId,
    Section,
    SocketMode,
    TrustDomain,
    WorkloadId,
)
from governd.config.identity import Selectors
from governd.identity import SpiffeId

_OPERATORS_NAME = "admin"


def _not_the_operators(name: str) -> str:
    if name == _OPERATORS_NAME:
        message = f'expected another name than "{_OPERATORS_NAME}", the admin socket has it'
        raise ValueError(message)
    return name


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", validate_default=True),
    AfterValidator(_not_the_operators),
]
Fact = Annotated[str, Field(pattern=r"^[ -~]{1,253}$")]
FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
STATIC, MTLS, SPIRE = "static", "mtls", "spire"
_LISTENER_FACT = "listener"


class StaticListener(Section):
    """Whoever reaches its socket is that caller: development only."""

    attestation: Literal["static"] = "static"
    """How the caller is known. ``static``: one fixed identity, development only."""
    socket: AbsolutePath
    """Path of the socket."""
    spiffe_id: WorkloadId
    """The caller."""
    name: Name = ""
    """Names the listener in logs and status. Default: the ID's last path segment."""
    mode: SocketMode = 0o660
    """Permissions of the socket, in octal digits in quotes."""

    @field_validator("name", mode="before")
    @classmethod
    def _default_name(cls, name: object, info: ValidationInfo) -> object:
        identity = info.data.get("spiffe_id")
        if name or not isinstance(identity, SpiffeId):
            return name or "unnamed"
        return identity.path.rpartition("/")[2][:64]


class MtlsListener(Section):
    """Every connection says who it is with an X.509-SVID."""

    attestation: Literal["mtls"]
    """How the caller is known. ``mtls``: by the certificate of its connection."""
    socket: AbsolutePath | None = None
    """Path of the socket; either this or ``address``."""
    address: Annotated[Address | None, Field(validate_default=True)] = None
    """``host:port`` to listen on; port 0 takes any free one."""
    mode: SocketMode = 0o660
    """Permissions of the socket, in octal digits in quotes."""
    name: Name = "mtls"
    """Names the listener in logs and status."""
    trust_domains: Annotated[tuple[TrustDomain, ...], Field(strict=False)] = ()
    """Whose workloads may call. Default: those of governd's own trust domain."""
    allowed_ids: Annotated[tuple[AnyId, ...], Field(strict=False)] = ()
    """SPIFFE IDs at or below one of which a caller must be. Default: any."""
    connections: int = Field(1024, ge=1, le=65_536)
    """Connections, of all callers together."""
    connection_age_seconds: float = Field(1800.0, ge=1, le=86_400)
    """After so long a caller has to connect anew. Half of the lifetime of governd's own
    certificate where that is less."""

    @field_validator("address")
    @classmethod
    def _one_place(cls, address: str | None, info: ValidationInfo) -> str | None:
        if "socket" in info.data and (address is None) is (info.data["socket"] is None):
            message = "expected a value here or for socket, and not for both"
            raise ValueError(message)
        return address


class AttestedListener(Section):
    """Whoever reaches its socket is one workload; what is issued to that says who it is."""

    attestation: Literal["spire"]
    """How the caller is known. ``spire``: by what is issued for its selectors."""
    socket: AbsolutePath
    """Path of the socket."""
    name: Name
    """Names the listener and its workload in logs, status and ``identity list``."""
    selectors: Selectors
    """What is known of the workload: its registration entry has some of these, and no others."""
    facts: dict[FactName, Fact] = Field(default_factory=dict, max_length=16)
    """What else is known of it, for ``whoami`` and the path template."""
    mode: SocketMode = 0o660
    """Permissions of the socket, in octal digits in quotes."""

    @field_validator("facts")
    @classmethod
    def _not_the_listeners_own(cls, facts: dict[str, str]) -> dict[str, str]:
        if _LISTENER_FACT in facts:
            message = f'expected none named "{_LISTENER_FACT}", which is the name of the listener'
            raise ValueError(message)
        return facts


SECTIONS: Mapping[str, type[Section]] = {
    STATIC: StaticListener,
    MTLS: MtlsListener,
    SPIRE: AttestedListener,
}
"""By the listener's ``attestation``."""


def _kind(value: Any) -> str | None:  # noqa: ANN401 — whatever stands in the file
    """Which section is meant; ``None`` for what is no table."""
    if isinstance(value, dict):
        kind = value.get("attestation", STATIC)
        return kind if isinstance(kind, str) else ""
    return getattr(value, "attestation", None)


Listener: TypeAlias = Annotated[
    Annotated[StaticListener, Tag(STATIC)]
    | Annotated[MtlsListener, Tag(MTLS)]
    | Annotated[AttestedListener, Tag(SPIRE)],
    Discriminator(_kind),
]
"""A workload listener, of the kind that its ``attestation`` names."""
Listeners: TypeAlias = Mapping[int, Listener]
"""Those that are well-formed by themselves, by their place in the file."""
