"""Who is calling, as the channel says.

A caller belongs to a listener. No message can name or change it. There are four kinds, and
none can be taken for another: a ``Caller`` that is known, a ``Newcomer`` that is not known
yet, the ``OPERATOR``, and ``KUBELET``.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

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

    def __str__(self) -> str:
        """How logs and limits name it: its SPIFFE ID."""
        return str(self.spiffe_id)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A workload that calls on its own listener and has no identity yet, or none any more.

    Attributes:
        listener: The name of that listener.
        facts: What its attestation told of it.
    """

    listener: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """How logs and limits name it; no SPIFFE ID looks like that."""
        return f"listener:{self.listener}"


class Operator(enum.Enum):
    """Whoever reaches the admin socket."""

    OPERATOR = "operator"

    def __str__(self) -> str:
        """How logs, records and limits name whoever it is."""
        return self.value


OPERATOR = Operator.OPERATOR


class Kubelet(enum.Enum):
    """Whoever reaches the sockets of the CSI plugin."""

    KUBELET = "kubelet"

    def __str__(self) -> str:
        """How logs and limits name it."""
        return self.value


KUBELET = Kubelet.KUBELET

Who: TypeAlias = Caller | Newcomer | Operator | Kubelet
"""Whoever can be at the other end of a channel."""
