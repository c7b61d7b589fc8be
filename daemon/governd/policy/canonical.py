"""One spelling for one thing outside: host names, URIs, and the audiences of tokens.

A policy about ``api.example`` must not be passed by ``API.example``, ``api.example.`` or
``%61pi.example``. What has more than one spelling is not rewritten, it is refused: what
is decided on must be what is used (RFC 3986 section 6.2.2, RFC 5890 for host names).

A token's audience is any text, compared as it is (RFC 7519, section 4.1.3). One that is a
host name or a URI in its one spelling is that service; any other is a service of its own,
``audience:`` and the text. Not so what looks like a web address or a SPIFFE ID: those have
one spelling everywhere, so that an issuer or a workload is not addressed past a policy.
"""

import re

from governd.errors import RequestError
from governd.identity import SpiffeId

OPAQUE = "audience:"
"""Begins the ids of services that are nothing but a token's audience."""
MAX_AUDIENCE_BYTES = 2048

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
_SPIFFE = "spiffe://"
_ADDRESS = re.compile(r"(?:https?|spiffe):", re.IGNORECASE)
_NOTHING = re.compile(r"(?!)")
_SPARE = {
    "http": re.compile(r"\.(?::|$)|:(?:0.*|80)?$"),
    "https": re.compile(r"\.(?::|$)|:(?:0.*|443)?$"),
}
"""What may end an authority and makes no difference: a dot, a port that is the scheme's own."""
_PRINTABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def check_service(name: str, *, field: str) -> None:
    """Accepts a host name, a URI, or a mere audience, in its one spelling.

    Raises:
        RequestError: It has another.
    """
    if name.startswith(OPAQUE):
        if service_of(name.removeprefix(OPAQUE), field=field) != name:
            _refuse(field, f"a host name or a URI is named without {OPAQUE}")
    elif name.startswith(_SPIFFE):
        SpiffeId.parse(name, field=field)
    elif "://" in name:
        check_uri(name, field=field)
    elif not _HOST.fullmatch(name):
        _refuse(field, "a host name is lower-case letters, digits, '-' and '.', without a port")


def service_of(audience: str, *, field: str) -> str:
    """The id of the external service that a token's audience is. No two have the same.

    Raises:
        RequestError: The audience is empty, too long or not printable ASCII, or is an
            address in another spelling than its one.
    """
    if len(audience) > MAX_AUDIENCE_BYTES or not _PRINTABLE.fullmatch(audience):
        message = f"{field}: expected 1 to {MAX_AUDIENCE_BYTES} printable ASCII characters"
        raise RequestError(message, field=field)
    if _ADDRESS.match(audience):
        check_service(audience, field=field)
    elif not _is_service(audience):
        return OPAQUE + audience
    return audience


def _is_service(audience: str) -> bool:
    if audience.startswith(OPAQUE):
        return False
    try:
        check_service(audience, field="")
    except RequestError:
        return False
    return True


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
    if _SPARE.get(match["scheme"], _NOTHING).search(authority):
        _refuse(field, "a web address has no dot after its host, and a port only if it needs one")
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
