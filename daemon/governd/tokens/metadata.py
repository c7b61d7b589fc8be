"""What an authorization server says of itself, and where it says so.

Follows RFC 8414 (sections 2 and 3) and OpenID Connect Discovery 1.0 (section 4). It says
where secrets are sent, so little of it is believed.

Promises:
    * It is of the very issuer that was asked for (RFC 8414, section 3.3).
    * The token endpoint is on the issuer's own scheme, host and port. One that is elsewhere
      has to be stated in the policy source.
    * Whatever the bytes, nothing but a ``TokenRefusedError`` is raised.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from governd import strict_json
from governd.errors import DefinitionError
from governd.tokens.faults import TokenFault, refuse

MAX_BYTES = 256 << 10
_MAX_DEPTH = 8
_MAX_URI_CHARS = 2048
_MAX_WORDS = 256
_MAX_WORD_CHARS = 256
_OAUTH = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"
_URI = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!$&-;=@-Z_a-z~%]*)?(?P<query>\?[!$&-;=?@-Z_a-z~%/]*)?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """An authorization server, in its own words. ``None`` is for what it does not say.

    Attributes:
        issuer: Its identifier.
        token_endpoint: Where it gives tokens.
        grant_types: For what.
        client_authentication: How clients prove who they are there.
        grant_profiles: Which profiles of grants it knows, ``words.ID_JAG_PROFILE`` say.
        chaining_types: Token types that it issues for other servers.
    """

    issuer: str
    token_endpoint: str
    grant_types: frozenset[str] | None
    client_authentication: frozenset[str] | None
    grant_profiles: frozenset[str] | None
    chaining_types: frozenset[str] | None


def locations(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may be, in the order in which to look.

    Args:
        issuer: An address as policy has it: without query and fragment.
    """
    scheme, _, rest = issuer.partition("://")
    authority, _, name = rest.rstrip("/").partition("/")
    base, path = f"{scheme}://{authority}", f"/{name}" if name else ""
    appended = (f"{base}{path}{_OPENID}",) if path else ()
    return f"{base}{_OAUTH}{path}", f"{base}{_OPENID}{path}", *appended


def read(document: bytes, issuer: str) -> ServerMetadata:
    """Reads the metadata of an issuer.

    Args:
        document: JSON.
        issuer: Whose it has to be, spelled exactly so.

    Raises:
        TokenRefusedError: It is none, or of another one; the rule is ``metadata``.
    """
    found = _members(document)
    if found.get("issuer") != issuer:
        _refuse("issuer", "is another one than the policy source names")
    return ServerMetadata(
        issuer=issuer,
        token_endpoint=_endpoint(found.get("token_endpoint"), issuer),
        grant_types=_stated(found, "grant_types_supported"),
        client_authentication=_stated(found, "token_endpoint_auth_methods_supported"),
        grant_profiles=_stated(found, "authorization_grant_profiles_supported"),
        chaining_types=_stated(found, "identity_chaining_requested_token_types_supported"),
    )


def _members(document: bytes) -> Mapping[str, Any]:
    if len(document) > MAX_BYTES:
        refuse(TokenFault.TOO_LARGE, f"metadata: has more than {MAX_BYTES} bytes")
    try:
        return strict_json.read_object(
            document, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH, path="metadata"
        )
    except DefinitionError:
        refuse(TokenFault.METADATA, "metadata: expected one JSON object that has one meaning")


def _endpoint(value: object, issuer: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_URI_CHARS or not _URI.fullmatch(value):
        _refuse("token_endpoint", "expected a URL without user and fragment")
    if _origin(value) != _origin(issuer):
        _refuse("token_endpoint", "is on another host than the issuer: state it in the policy")
    return value


def _origin(uri: str) -> tuple[str, str, int] | None:
    """Scheme, host and port (RFC 6454, section 4)."""
    match = _URI.fullmatch(uri)
    if match is None:
        return None
    port = int(match["port"] or _DEFAULT_PORTS[match["scheme"]])
    return match["scheme"], match["host"].lower(), port


def _stated(found: Mapping[str, Any], name: str) -> frozenset[str] | None:
    if name not in found:
        return None
    listed = found[name]
    if not isinstance(listed, list) or len(listed) > _MAX_WORDS:
        _refuse(name, f"expected a list of at most {_MAX_WORDS}")
    if not all(isinstance(one, str) and len(one) <= _MAX_WORD_CHARS for one in listed):
        _refuse(name, f"expected texts of at most {_MAX_WORD_CHARS} characters")
    return frozenset(listed)


def _refuse(name: str, problem: str) -> NoReturn:
    refuse(TokenFault.METADATA, f"metadata: {name}: {problem}")
