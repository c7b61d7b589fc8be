"""What ties a token to the request that it is for.

Method and URI are those of RFC 9449, section 4.2 (``htm``, ``htu``), the body's digest that
of RFC 9530, section 2. Unlike there, the query counts: by its digest, for it may hold what a
token should not.

A URI has one spelling here. Scheme and host are lowered and a default port is dropped, as
every HTTP client does (RFC 3986, section 6.2.3); anything else that has two spellings is
refused, so that a token for one place is never good for another.

The authority must be the receiver's own from its configuration, never a ``Host`` or
``X-Forwarded-Host`` that came with the request.
"""

import base64
import enum
import hashlib
import re
from dataclasses import dataclass

from governd.delegation import texts
from governd.delegation.texts import refuse
from governd.identity import jose
from governd.policy.canonical import check_uri

MAX_URI_CHARS = 1024
MAX_QUERY_CHARS = 8192

_METHOD = re.compile(r"[A-Z]{1,32}")
_URI = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[!-\"$->@-~]*)?"
    r"(?:\?(?P<query>[!-\"$-~]*))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_DIGEST = re.compile(r"sha-256=:(?P<digest>[A-Za-z0-9+/]{43}=):")


class BindingLevel(enum.IntEnum):
    """How tightly a token was tied to the request with which it came."""

    UNSAFE_NONE = 0
    """To audience and time only: whoever has it can use it."""
    CALLER = 1
    """To the workload that sent it: the peer is the current actor."""
    REQUEST = 2
    """To method and URI, too."""
    BODY = 3
    """To the body, too."""


@dataclass(frozen=True, slots=True)
class RequestBinding:
    """A request, as far as a token can be tied to one.

    Attributes:
        method: Of HTTP, in upper case; ``POST`` for gRPC.
        uri: Without query and fragment, in its one spelling.
        query: Digest of the query, SHA-256 in base64url; ``None`` where there is none.
        body: ``sha-256=:<base64>:``; ``None`` where it is not told.
    """

    method: str
    uri: str
    query: str | None = None
    body: str | None = None


def tied(request: RequestBinding | None) -> BindingLevel:
    """How tightly a token is tied whose current actor is known, too, to be who sends it."""
    if request is None:
        return BindingLevel.CALLER
    return BindingLevel.REQUEST if request.body is None else BindingLevel.BODY


def request_binding(method: str, uri: str, body: str | None = None) -> RequestBinding:
    """A request.

    Args:
        method: Of HTTP.
        uri: The target URI with its query.
        body: ``body_digest`` of what is sent; ``None`` where nobody read it.

    Raises:
        RequestError: A part of it is malformed, or has more than one spelling.
    """
    if not _METHOD.fullmatch(method):
        refuse("request.method", "expected a method of HTTP, in upper case")
    place, query = canonical_uri(uri, field="request.uri")
    if body is not None:
        body = read_body_digest(body, "request.body_digest")
    return RequestBinding(method, place, query, body)


def read_binding(
    method: object, uri: object, query: object = None, body: object = None
) -> RequestBinding:
    """The binding that claims state.

    Raises:
        RequestError: A claim is malformed.
    """
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        refuse("htm", "expected a method of HTTP, in upper case")
    if not isinstance(uri, str) or canonical_uri(uri, field="htu") != (uri, None):
        refuse("htu", "expected a URI in its one spelling, without a query")
    return RequestBinding(
        method,
        uri,
        None if query is None else texts.digest(query, "htq"),
        None if body is None else read_body_digest(body, "cdg"),
    )


def canonical_uri(text: str, *, field: str) -> tuple[str, str | None]:
    """A URI in its one spelling without its query, and the query's digest.

    Raises:
        RequestError: It is none of HTTP, has a fragment, or has another spelling.
    """
    found = _URI.fullmatch(text)
    if found is None or len(found["query"] or "") > MAX_QUERY_CHARS:
        refuse(field, "expected a URI of HTTP without user and fragment")
    scheme, port = found["scheme"].lower(), found["port"]
    explicit = f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
    uri = f"{scheme}://{found['host'].lower()}{explicit}{found['path'] or '/'}"
    if len(uri) > MAX_URI_CHARS:
        refuse(field, f"has more than {MAX_URI_CHARS} characters")
    check_uri(uri, field=field)
    query = found["query"]
    return uri, jose.encode(hashlib.sha256(query.encode()).digest()) if query else None


def body_digest(body: bytes) -> str:
    """The digest of a body, as RFC 9530 writes one."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def read_body_digest(value: object, field: str) -> str:
    """A digest of RFC 9530, SHA-256 and nothing else.

    Raises:
        RequestError: It is none, or in another form.
    """
    found = _DIGEST.fullmatch(value) if isinstance(value, str) else None
    if (
        found is None
        or base64.b64encode(base64.b64decode(found["digest"])).decode() != (found["digest"])
    ):
        refuse(field, "expected sha-256=:<base64>: (RFC 9530)")
    return found[0]
