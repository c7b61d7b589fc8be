"""JOSE texts, read strictly: what two readers could read differently is refused.

Follows RFC 7515, sections 2 and 7.1, for the compact serialisation, RFC 7519 for claims, and
RFC 8259 for JSON. No signature is verified here.

Promises:
    * Base64url is in its one form: no padding, no other alphabet, no stray bits.
    * No object has a member twice, no number is infinite or not a number.
    * Whatever the text, nothing but a ``ValueError`` is raised.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

ALGORITHMS = tuple(f"{family}{bits}" for family in ("RS", "ES", "PS") for bits in (256, 384, 512))
"""Of JWT-SVIDs (JWT-SVID standard, section 2.1): asymmetric ones alone. No set: whatever JSON
has in the place of a name can be looked for in it."""
MAX_TOKEN_BYTES = 16 << 10
MAX_SECONDS = 253_402_300_799
"""Since 1970: the last second that has a date of four digits."""
_PARTS = 3


class Token(NamedTuple):
    """A token's two objects. Nothing of them is verified.

    Attributes:
        header: Of the signature.
        claims: What is signed.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def read_token(token: str) -> Token:
    """Reads a token in the compact serialisation.

    Raises:
        ValueError: It is none, or has more than ``MAX_TOKEN_BYTES``.
    """
    if len(token) > MAX_TOKEN_BYTES:
        message = f"has more than {MAX_TOKEN_BYTES} bytes"
        raise ValueError(message)
    parts = token.encode("ascii").split(b".")
    if len(parts) != _PARTS or not all(parts):
        message = "no compact serialisation"
        raise ValueError(message)
    header, claims, _signature = (decode(part) for part in parts)
    return Token(read_object(header), read_object(claims))


def decode(part: bytes) -> bytes:
    """What base64url without padding stands for (RFC 7515, section 2).

    Raises:
        ValueError: It is not that, or not in its one form.
    """
    decoded = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        message = "base64url in another form"
        raise ValueError(message)
    return decoded


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_object(text: bytes) -> Mapping[str, Any]:
    """Reads a JSON object.

    Raises:
        ValueError: It is none, or two readers could take it for different ones.
    """
    try:
        found = json.loads(
            text.decode(),
            object_pairs_hook=_members,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError:
        message = "too deep"
        raise ValueError(message) from None
    if not isinstance(found, dict):
        message = "no object"
        raise ValueError(message)  # noqa: TRY004  what came is malformed, whatever its type
    return found


def read_seconds(value: object) -> float:
    """A moment as claims have it: seconds since 1970 (RFC 7519, section 2, NumericDate).

    Raises:
        ValueError: It is none that has a date.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = "no number"
        raise ValueError(message)  # noqa: TRY004  what came is malformed, whatever its type
    if not 0 <= value <= MAX_SECONDS:
        message = "no moment between 1970 and 9999"
        raise ValueError(message)
    return value


def read_audiences(value: object) -> frozenset[str]:
    """Whom a token is for: one text or several (RFC 7519, section 4.1.3).

    Raises:
        ValueError: It is neither, or none.
    """
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        message = "expected a text or several"
        raise ValueError(message)
    if not listed:
        message = "expected an audience"
        raise ValueError(message)
    return frozenset(listed)


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        message = "a member comes twice"
        raise ValueError(message)
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        message = f"{text} is no number"
        raise ValueError(message)
    return number
