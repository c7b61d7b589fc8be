"""What an access token says, for eyes: nothing here is verified.

Who is to verify it is the resource server that it is for. It is decoded as a JWT (RFC 7519)
in the compact serialisation where it is one; any other is opaque, as RFC 6749 has it.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from governd import strict_json
from governd.cli import output
from governd.cli.tool_visible import visible
from governd.errors import DefinitionError
from governd.identity import jose
from governd.identity.secret import Secret

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 16
_PARTS = 3
_FIRST = ("iss", "sub", "aud", "act", "azp", "client_id", "scope", "exp", "iat", "nbf", "jti")
_MOMENTS = {"exp", "iat", "nbf", "auth_time"}


def read(token: Secret) -> Mapping[str, Any] | None:
    """A token's claims; ``None`` where nobody can read them."""
    return _part(token, 1)


def header(token: Secret) -> Mapping[str, Any]:
    """A token's header; empty where nobody can read it."""
    return _part(token, 0) or {}


def _part(token: Secret, place: int) -> Mapping[str, Any] | None:
    parts = token.reveal().split(b".")
    if len(parts) != _PARTS:
        return None
    try:
        text = jose.decode(parts[place])
        return strict_json.read_object(
            text, max_bytes=_MAX_BYTES, max_depth=_MAX_DEPTH, path="token"
        )
    except (ValueError, DefinitionError):
        return None


def rows(claims: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, RenderableType]]:
    """Claims one after the other, those that everybody looks for first."""
    known = [name for name in _FIRST if name in claims]
    for name in [*known, *sorted(claims.keys() - set(known))]:
        yield from _claim(name, claims[name], now)


def _claim(name: str, value: object, now: datetime) -> Iterator[tuple[str, Text]]:
    """A claim; of an actor, and of who delegated to it, each member is one."""
    if name.rpartition(".")[2] == "act" and isinstance(value, dict) and value:
        for member in sorted(value, key=lambda one: (one == "act", one)):
            yield from _claim(f"{name}.{member}", value[member], now)
    else:
        yield visible(name), output.text(_words(name, value, now))


def _words(name: str, value: object, now: datetime) -> str:
    if name in _MOMENTS and (said := moment(value, now)):
        return said
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(map(visible, value)) or "none"
    return json.dumps(value)


def moment(value: object, now: datetime) -> str:
    """A time, and how far from now; ``""`` for what is none."""
    try:
        seconds = jose.read_seconds(value)
    except ValueError:
        return ""
    left = seconds - now.timestamp()
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    distance = output.duration(abs(left))
    return f"{when}, in {distance}" if left >= 0 else f"{when}, {distance} ago"
