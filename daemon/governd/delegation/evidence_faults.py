"""Why evidence proves nothing: one word for each rule.

The words are for whoever showed it: they are in ``metadata["rule"]`` of the error. No message
quotes what was shown.
"""

import enum

from governd.errors import GoverndError

FIELD = "evidence"
"""Where evidence stands in a request."""
RETRY_SECONDS = 5.0
"""After which keys that could not be had may be there."""


class EvidenceFault(enum.Enum):
    """Which rule evidence breaks, in the order of the checks."""

    FORM = "form"
    """It is no compact JWS of two JSON objects, or larger than may be."""
    HEADER = "header"
    """It brings a key, names where one is, or has extensions (RFC 7515, section 4.1)."""
    ISSUER = "issuer"
    """Policy takes no such tokens of that issuer."""
    TYPE = "type"
    """It is a token of another kind than it is shown as."""
    ALGORITHM = "algorithm"
    """The issuer does not sign with it."""
    KEY = "key"
    """The issuer has no such key for that algorithm."""
    SIGNATURE = "signature"
    """That key did not sign it."""
    CLAIMS = "claims"
    """A claim is missing or malformed."""
    AUDIENCE = "audience"
    """It is for somebody else, too or only."""
    NOT_YET_VALID = "not_yet_valid"
    """Its time has not come."""
    EXPIRED = "expired"
    """It has ended, or is older than policy takes it."""
    SENDER = "sender"
    """It is bound to a key, and nobody here has seen that key used."""
    ACTOR = "actor"
    """It names another agent as the one that acts, or may act."""
    NO_USER = "no_user"
    """It is a client's own, and in nobody's name."""
    REVOKED = "revoked"
    """It counts no longer, although it has not expired."""
    ACTING_AS = "acting_as"
    """It is an acting-as token that its receiver rejects."""


class EvidenceError(GoverndError):
    """Evidence proves nothing here."""

    reason = "EVIDENCE_INVALID"

    def __init__(self, fault: EvidenceFault, message: str, *, field: str = FIELD) -> None:
        """Keeps which rule.

        Args:
            fault: The rule that it breaks.
            message: The same in words, without a part of the token.
            field: Where in the request it was shown.
        """
        super().__init__(f"{field}: {message}", field=field, metadata={"rule": fault.value})
        self.fault = fault


class EvidenceUnavailableError(GoverndError):
    """Whether evidence holds cannot be told now."""

    reason = "EVIDENCE_UNAVAILABLE"

    def __init__(
        self, message: str, *, retry_after: float = RETRY_SECONDS, issuer: str = ""
    ) -> None:
        """Says when to come back, in seconds, and of which issuer it depends, by its name."""
        facts = {"issuer": issuer} if issuer else {}
        super().__init__(message, retry_after=retry_after, metadata=facts)
