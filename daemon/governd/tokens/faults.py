"""Why an authorization server's answer gives nobody a token: one word for each rule.

The words are ``metadata["rule"]`` of TOKEN_REFUSED, for operators above all: most of them
mean that the authorization server and the policy source do not say the same. No message
quotes what the server sent; an OAuth error code is in ``metadata["error"]``.
"""

import enum
from typing import NoReturn

from governd.errors import TokenRefusedError


class TokenFault(enum.Enum):
    """Which rule an answer breaks."""

    REFUSED = "refused"
    """The server gives none, and says so (RFC 6749, section 5.2)."""
    MALFORMED = "malformed"
    """It is no answer of a token endpoint, or one that two readers could read differently."""
    TOO_LARGE = "too_large"
    """It has more bytes than are read."""
    REDIRECTED = "redirected"
    """The server sends elsewhere. Nothing is sent there: what is sent are secrets."""
    METADATA = "metadata"
    """What the server says of itself is of another server, or does not hold (RFC 8414)."""
    TOKEN_TYPE = "token_type"  # noqa: S105  the name of a rule
    """It is not issued as what was asked for (RFC 8693, section 2.2.1)."""
    BOUND = "bound"
    """It is bound to a key: whoever gets it could not use it (RFC 7800, RFC 9449)."""
    TYPE = "type"
    """It is a token of another kind, or one that was sent there."""
    ISSUER = "issuer"
    """Another server issued it."""
    AUDIENCE = "audience"
    """It is good elsewhere, too or only."""
    SUBJECT = "subject"
    """It is in nobody's name, or in another user's."""
    CLIENT = "client"
    """It was issued to another client."""
    ACT_MISSING = "act_missing"
    """It does not say who acts for the user."""
    ACT = "act"
    """It says that somebody else acts for the user."""
    SCOPE_WIDENED = "scope_widened"
    """It permits what was not asked for."""
    EXPIRY = "expiry"
    """It has no end, has ended, or has not begun."""
    LIFETIME = "lifetime"
    """Too little of its life is left."""
    ID_JAG = "id_jag"
    """The identity provider's assertion is not what the next server would need."""


def refuse(fault: TokenFault, words: str, *, error: str = "") -> NoReturn:
    """Raises the error for a rule.

    Args:
        fault: The rule.
        words: The same in words, without a part of what the server sent.
        error: The server's OAuth error code, as ``reply.read_refusal`` reads it.

    Raises:
        TokenRefusedError: Always. Not chained: a parser's words may quote what it read.
    """
    facts = {"rule": fault.value} | ({"error": error} if error else {})
    raise TokenRefusedError(words, metadata=facts) from None
