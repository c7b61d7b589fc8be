"""One spelling for one thing outside: host names and URIs.

A policy about ``api.example`` must not be passed by ``API.example``, ``api.example.`` or
``%61pi.example``. What has more than one spelling is not rewritten, it is refused: what
is decided on must be what is used (RFC 3986 section 6.2.2, RFC 5890 for host names).
"""

import re

from governd.errors import RequestError

_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)"
)
_ESCAPE = re.compile(r"%(.{0,2})", re.DOTALL)
_HEX = re.compile(r"[0-9A-F]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/\\")
"""What needs no escape, and separators that must not hide in one."""


def check_service(name: str, *, field: str) -> None:
    """Accepts a host name, or a URI, in its one spelling.

    Raises:
        RequestError: It has another.
    """
    if "://" in name:
        check_uri(name, field=field)
    elif not _HOST.fullmatch(name):
        _refuse(field, "a host name is lower-case letters, digits, '-' and '.', without a port")


def check_uri(text: str, *, field: str) -> None:
    """Accepts what has no scheme, and a URI in its one spelling.

    Raises:
        RequestError: It has another.
    """
    match = _URI.match(text)
    if match is None:
        return
    authority = match["authority"] or ""
    if match["scheme"] != match["scheme"].lower() or authority != authority.lower():
        _refuse(field, "scheme and host of a URI are in lower case")
    segments = match["path"].split("/")
    if {".", ".."} & set(segments) or "" in segments[1:-1] or "\\" in text:
        _refuse(field, "the path of a URI has no '.', '..', empty segment or backslash")
    for escape in _ESCAPE.finditer(text):
        digits = escape[1]
        if not _HEX.fullmatch(digits) or chr(int(digits, 16)) in _UNRESERVED:
            _refuse(field, "a URI escapes only what needs it, with upper-case digits")


def _refuse(field: str, rule: str) -> None:
    message = f"{field}: is not in canonical form: {rule}"
    raise RequestError(message, field=field)
