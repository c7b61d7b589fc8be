"""Bytes that must not be seen: private keys and bearer tokens.

Promises:
    * No ``repr``, ``str``, format, pickle or exception of it shows the bytes.
    * Equality takes the same time wherever two secrets of one length differ.

It cannot wipe memory: Python copies at will. It lives as long as somebody refers to it.
"""

import hmac
from typing import NoReturn

_SHOWN = "Secret(***)"


class Secret:
    """Hides bytes until ``reveal`` is called, so that a search finds everyone who looks."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: bytes) -> None:
        """Hides ``value``."""
        self._value = value

    def reveal(self) -> bytes:
        """The bytes."""
        return self._value

    def __repr__(self) -> str:
        """The same text for every secret."""
        return _SHOWN

    def __format__(self, spec: str) -> str:
        """The same text for every secret, whatever ``spec`` asks for."""
        return _SHOWN

    def __eq__(self, other: object) -> bool:
        """Whether both hide the same bytes."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would tell something of the bytes

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses to be pickled or copied.

        Raises:
            TypeError: Always.
        """
        message = "a secret is neither pickled nor copied"
        raise TypeError(message)
