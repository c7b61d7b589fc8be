"""Who is calling, and who governd is."""

from governd.identity.caller import (
    KUBELET,
    OPERATOR,
    Attestation,
    Caller,
    Kubelet,
    Newcomer,
    Operator,
    Who,
)
from governd.identity.spiffe_id import SpiffeId

__all__ = [
    "KUBELET",
    "OPERATOR",
    "Attestation",
    "Caller",
    "Kubelet",
    "Newcomer",
    "Operator",
    "SpiffeId",
    "Who",
]
