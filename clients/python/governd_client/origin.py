"""Origins: the scheme and authority of a server, from its own configuration. Pure."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a URI leads, to compare.

    Attributes:
        scheme: In lower case.
        host: In lower case.
        port: Its own or that of the scheme; ``None`` for a scheme that is not of HTTP.
    """

    scheme: str
    host: str | None
    port: int | None


def origin_of(text: str) -> str:
    """An origin as ``https://tools.example.org``, without a slash at its end.

    Raises:
        ValueError: It is none: not of HTTP, with a user, or more than scheme and authority.
    """
    parts = urlsplit(text)
    bare = f"{parts.scheme}://{parts.netloc}"
    whole = parts.scheme in _PORTS and parts.hostname and "@" not in parts.netloc
    if not whole or text.removesuffix("/").lower() != bare.lower():
        message = "origin: expected http:// or https:// and an authority, and no more"
        raise ValueError(message)
    return bare


def place_of(uri: str) -> Place:
    """Where a URI leads.

    Raises:
        ValueError: It has a port that is none.
    """
    parts = urlsplit(uri)
    return Place(parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
