"""Values of claims and of requests, taken only within their bounds.

Every error names the field and never quotes what it holds.
"""

import re
from typing import NoReturn

from governd.errors import RequestError
from governd.identity import SpiffeId, jose

DIGEST_CHARS = 43
"""Of 32 bytes in base64url."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def refuse(field: str, problem: str) -> NoReturn:
    """Raises the error for a field; not chained, a parser's words may quote a token."""
    message = f"{field}: {problem}"
    raise RequestError(message, field=field) from None


def text(value: object, field: str, *, limit: int) -> str:
    """A text of 1 to ``limit`` bytes in UTF-8 without control characters.

    Raises:
        RequestError: It is none.
    """
    if not isinstance(value, str) or not value:
        refuse(field, "expected a text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        refuse(field, "has half a surrogate pair")
    if size > limit:
        refuse(field, f"has more than {limit} bytes")
    if _CONTROL.search(value):
        refuse(field, "must not have control characters")
    return value


def integer(value: object, field: str, *, least: int, most: int) -> int:
    """An integer within bounds, and no ``true``.

    Raises:
        RequestError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        refuse(field, f"expected an integer from {least} to {most}")
    return value


def workload(value: object, field: str) -> SpiffeId:
    """The SPIFFE ID of a workload, in its one spelling.

    Raises:
        RequestError: It is none.
    """
    spiffe_id = SpiffeId.parse(value if isinstance(value, str) else "", field=field)
    if not spiffe_id.path:
        refuse(field, "expected the ID of a workload, not of a trust domain")
    return spiffe_id


def digest(value: object, field: str) -> str:
    """A SHA-256 digest in base64url.

    Raises:
        RequestError: It is none.
    """
    if not isinstance(value, str) or len(value) != DIGEST_CHARS:
        refuse(field, "expected a SHA-256 digest in base64url")
    try:
        jose.decode(value.encode())
    except ValueError:
        refuse(field, "expected a SHA-256 digest in base64url")
    return value
