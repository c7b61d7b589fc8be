"""The settings of how the keys of token issuers are fetched; policy says whose count."""

import ipaddress
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from governd.config.fields import AbsolutePath, Section

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(value: object) -> Network:
    if isinstance(value, Network):
        return value
    if not isinstance(value, str):
        message = 'expected "address/bits" in quotes'
        raise ValueError(message)  # noqa: TRY004 — pydantic collects ValueError only
    try:
        return ipaddress.ip_network(value)
    except ValueError as error:
        message = 'expected "address/bits" without bits beyond them, e.g. "10.0.0.0/8"'
        raise ValueError(message) from error


class Issuers(Section):
    """How the keys of issuers (``[[issuer]]`` of the policy source) are fetched."""

    networks: Annotated[
        tuple[Annotated[Network, BeforeValidator(_network)], ...], Field(strict=False)
    ] = ()
    """Of addresses that are not public, those where an issuer may be: a policy source must
    not lead governd to what only governd can reach."""
    ca_file: AbsolutePath | None = None
    """Certificates of the authorities that certify issuers, PEM. Default: the system's."""
    timeout_seconds: float = Field(5.0, ge=0.1, le=60)
    """For all of one fetch."""
    refresh_seconds: float = Field(300.0, ge=10, le=86_400)
    """At this age keys are fetched anew. A key that its issuer withdraws counts as long."""
    max_staleness_seconds: float = Field(86_400.0, ge=10, le=86_400)
    """At this age keys count no longer, where the issuer cannot be asked."""
    unsafe_http: bool = False
    """Whether an issuer on this machine may be asked without TLS."""
