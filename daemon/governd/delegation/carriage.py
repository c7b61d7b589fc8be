"""How a token travels: in a header, in gRPC metadata, in MCP's ``_meta``, in A2A's metadata.

Follows MCP for keys of ``_meta`` (https://modelcontextprotocol.io/specification), and A2A,
section 4.6, for extensions (https://a2a-protocol.org/latest/specification/).

Promises:
    * There is one token or none. What comes twice, or joined with a comma by a proxy on the
      way, is refused: two readers might take different ones.
    * Text that cannot be a token never becomes one: nothing is trimmed or split.
    * Whatever came, nothing but a ``RejectionError`` with ``CARRIAGE`` is raised.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from governd.delegation.rejection import Reason, RejectionError

HTTP_HEADER = "Acting-As-Token"
GRPC_METADATA = "acting-as-token"
MCP_META = "io.governd/acting-as-token"
A2A_EXTENSION = "https://governd.io/ext/acting-as/v1"
_A2A_MEMBER = "token"
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")


def http_headers(text: str) -> dict[str, str]:
    """Headers to send with a request of HTTP."""
    return {HTTP_HEADER: text}


def grpc_metadata(text: str) -> tuple[tuple[str, str], ...]:
    """Metadata to send with a call of gRPC."""
    return ((GRPC_METADATA, text),)


def mcp_meta(text: str) -> dict[str, Any]:
    """Members for ``params._meta`` of a request of MCP."""
    return {MCP_META: text}


def a2a_metadata(text: str) -> dict[str, Any]:
    """Members for ``metadata`` of a message of A2A."""
    return {A2A_EXTENSION: {_A2A_MEMBER: text}}


def from_headers(headers: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The token in headers of HTTP, or in metadata of gRPC; ``None`` for none.

    Args:
        headers: As they came, one entry for each line.

    Raises:
        RejectionError: There are several, or something else in its place. A name with
            underscores, which some servers take for the same one, is something else.
    """
    found = [
        (name, value) for name, value in headers if name.lower().replace("_", "-") == GRPC_METADATA
    ]
    if not found:
        return None
    if len(found) > 1:
        _reject("comes more than once")
    name, value = found[0]
    if name.lower() != GRPC_METADATA:
        _reject("has underscores in its name")
    return _token(value)


def from_mcp(meta: Mapping[str, Any]) -> str | None:
    """The token in ``params._meta`` of a request of MCP; ``None`` for none.

    Args:
        meta: From JSON in which no member comes twice.

    Raises:
        RejectionError: There is something else in its place.
    """
    return _token(meta[MCP_META]) if MCP_META in meta else None


def from_a2a(metadata: Mapping[str, Any]) -> str | None:
    """The token in ``metadata`` of a message of A2A; ``None`` for none.

    Args:
        metadata: From JSON in which no member comes twice.

    Raises:
        RejectionError: There is something else in its place.
    """
    if A2A_EXTENSION not in metadata:
        return None
    found = metadata[A2A_EXTENSION]
    if not isinstance(found, dict) or found.keys() != {_A2A_MEMBER}:
        _reject(f"expected an object of exactly {_A2A_MEMBER}")
    return _token(found[_A2A_MEMBER])


def the_one(*found: str | None) -> str | None:
    """The token of a request that has several places for one; ``None`` for none.

    Raises:
        RejectionError: They differ.
    """
    tokens = {one for one in found if one is not None}
    if len(tokens) > 1:
        _reject("differs between header and body")
    return next(iter(tokens), None)


def _token(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        _reject("is no token")
    return value


def _reject(problem: str) -> NoReturn:
    raise RejectionError(Reason.CARRIAGE, f"{HTTP_HEADER}: {problem}")
