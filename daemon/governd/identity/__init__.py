"""Who is calling, and who governd is."""

from governd.identity.caller import OPERATOR, Attestation, Caller, Newcomer, Operator, Who
from governd.identity.spiffe_id import SpiffeId

__all__ = ["OPERATOR", "Attestation", "Caller", "Newcomer", "Operator", "SpiffeId", "Who"]
