"""Who is calling, and who governd is."""

from governd.identity.caller import Attestation, Caller
from governd.identity.spiffe_id import SpiffeId

__all__ = ["Attestation", "Caller", "SpiffeId"]
