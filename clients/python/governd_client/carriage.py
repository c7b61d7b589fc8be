"""How an acting-as token travels, and how it is taken out of a request. Pure.

The rules are those of ``docs/delegation.md``: there is one token or none. What comes twice,
or joined with a comma on the way, is refused, since two readers might take different ones;
so is a header whose name has underscores, which some servers take for the same one. Nothing
is trimmed or split.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from governd_client.errors import TokenRejectedError

HTTP_HEADER: Final = "Acting-As-Token"
GRPC_METADATA: Final = "acting-as-token"
MCP_META: Final = "io.governd/acting-as-token"
"""The member of a request's ``params._meta``."""
A2A_EXTENSION: Final = "https://governd.io/ext/acting-as/v1"
"""The member of a message's ``metadata``, and what its ``extensions`` list."""
CARRIAGE: Final = "CARRIAGE"
"""Reason of a token that did not come as tokens come."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.-]+")


def from_headers(headers: Iterable[tuple[str | bytes, str | bytes]]) -> str | None:
    """The token in headers of HTTP, or in metadata of gRPC; ``None`` for none.

    Args:
        headers: As they came, one entry for each line, bytes as ASGI has them or text. A
            mapping that joins lines of one name will do: what it joins is refused.

    Raises:
        TokenRejectedError: There are several, or something else in its place.
    """
    named = [(_text(name).lower(), value) for name, value in headers]
    found = [one for one in named if one[0].replace("_", "-") == GRPC_METADATA]
    if not found:
        return None
    if len(found) > 1:
        _reject("comes more than once")
    name, value = found[0]
    if name != GRPC_METADATA:
        _reject("has underscores in its name")
    return _token(_text(value))


def from_mcp(meta: Mapping[str, Any]) -> str | None:
    """The token in ``params._meta`` of a request of MCP; ``None`` for none.

    Raises:
        TokenRejectedError: There is something else in its place.
    """
    return _token(meta[MCP_META]) if MCP_META in meta else None


def from_a2a(metadata: Mapping[str, Any]) -> str | None:
    """The token in ``metadata`` of a message of A2A; ``None`` for none.

    Raises:
        TokenRejectedError: There is something else in its place.
    """
    if A2A_EXTENSION not in metadata:
        return None
    found = metadata[A2A_EXTENSION]
    if not isinstance(found, Mapping) or found.keys() != {"token"}:
        _reject("expected an object of exactly token")
    return _token(found["token"])


def the_one(*found: str | None) -> str | None:
    """The token of a request that has several places for one; ``None`` for none.

    Raises:
        TokenRejectedError: They differ.
    """
    tokens = {one for one in found if one is not None}
    if len(tokens) > 1:
        _reject("differs between header and body")
    return next(iter(tokens), None)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _token(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        _reject("is no token")
    return value


def _reject(problem: str) -> NoReturn:
    raise TokenRejectedError(CARRIAGE, f"{HTTP_HEADER}: {problem}")
