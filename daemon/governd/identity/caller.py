"""Who is calling, as the channel says.

A caller belongs to a listener. No message can name or change it.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from governd.identity.spiffe_id import SpiffeId


class Attestation(enum.Enum):
    """How a caller's identity was established."""

    STATIC = "static"
    """The listener has one fixed identity from the configuration: development only."""

    MTLS = "mtls"
    """The caller proved it with an X.509-SVID (``verification``)."""

    SPIRE = "spire"
    """SPIRE issued it for the selectors of the workload."""

    TEMPLATE = "template"
    """A template of the configuration made it of the workload's facts; SPIRE did not."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling.

    Attributes:
        spiffe_id: The caller's SPIFFE ID.
        attestation: How it was established.
        facts: What else the attestation told of the workload.
    """

    spiffe_id: SpiffeId
    attestation: Attestation
    facts: Mapping[str, str] = field(default_factory=dict)
