"""Why a token is rejected: one reason for each rule, in the order of the receiver's steps.

The names are those of ``RejectionReason`` in ``delegation_service.proto`` and of the
conformance vectors. A receiver tells its operator, not its caller.
"""

import enum
from dataclasses import dataclass

from governd.errors import GoverndError
from governd.identity.x5c import Fault


class Reason(enum.Enum):
    """Which rule a token breaks; ``delegation_service.proto`` documents each."""

    CARRIAGE = 1
    FORM = 2
    HEADER = 3
    TYPE = 4
    ALGORITHM = 5
    CHAIN = 6
    SIGNER = 7
    SIGNATURE = 8
    CLAIMS = 9
    ISSUER = 10
    ISSUER_NOT_ALLOWED = 11
    ACTOR_NOT_ISSUERS = 12
    AUDIENCE = 13
    NOT_YET_VALID = 14
    EXPIRED = 15
    LIFETIME = 16
    OUTLIVES_SIGNER = 17
    REQUEST_METHOD = 18
    REQUEST_URI = 19
    REQUEST_BODY = 20
    CALLER = 21
    CALLER_CERTIFICATE = 22
    BINDING_TOO_WEAK = 23
    REPLAYED = 24
    REPLAY_UNKNOWN = 25
    DEPTH = 26
    LOOP = 27
    PARENT = 28
    REVOKED = 29


OF_FAULT = {
    Fault.FORM: Reason.FORM,
    Fault.HEADER: Reason.HEADER,
    Fault.TYPE: Reason.TYPE,
    Fault.ALGORITHM: Reason.ALGORITHM,
    Fault.CHAIN: Reason.CHAIN,
    Fault.SIGNER: Reason.SIGNER,
    Fault.SIGNATURE: Reason.SIGNATURE,
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A token that is not taken.

    Attributes:
        reason: Which rule it breaks, the first in the order of the steps.
        message: The same in words; never a part of the token.
    """

    reason: Reason
    message: str


class RejectionError(GoverndError):
    """A token breaks a rule."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Keeps which rule."""
        super().__init__(message)
        self.rejected = Rejected(reason, message)
