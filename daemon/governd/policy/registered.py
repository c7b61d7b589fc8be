"""The values that a registration consists of; what makes and changes them is ``registration``."""

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from governd.identity import SpiffeId
from governd.policy.definitions import Definition, Kind
from governd.policy.tools import Tool

Key: TypeAlias = tuple[Kind, str]
"""A definition's kind and name."""

MAX_REQUIRED = 256
"""Capabilities that one tool required in all, since the last approval that dropped some."""


class PinOrigin(enum.Enum):
    """Whose word a pin is; ``admin_service.proto`` documents each."""

    NONE = 0
    FIRST_REGISTRATION = 1
    OPERATOR = 2
    POLICY_SOURCE = 3


@dataclass(frozen=True, slots=True)
class Pin:
    """The definition that later ones are held to.

    Attributes:
        definition: That one.
        origin: Whose word it is.
        stated: Of an approval, what the policy source stated when it was given, as
            ``source_digest`` says.
    """

    definition: Definition
    origin: PinOrigin
    stated: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """A definition as a server offered it when it was seen last.

    Attributes:
        definition: What it says.
        since: When this very definition was first seen, in Unix seconds.
        duplicate: Whether the server listed more than one of its kind and name; the first
            one stands here.
        claimed: Since when the server has offered one of that kind and name without a
            break, in Unix seconds.
        formerly: Capabilities that definitions of that kind and name required before, and
            this one does not, sorted. Nothing but an approval drops them.
    """

    definition: Definition
    since: float
    duplicate: bool = False
    claimed: float = 0.0
    formerly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """All that one server registered.

    Attributes:
        spiffe_id: Who registered it.
        server: The name under which the policy source declares the server.
        registered: What it offers now; what it has offered for longer stands first, then
            the order of its list counts.
        pins: What its definitions are held to, those that it offers no more among them.
        withdrawn: What it offers no more, as it was seen last, unless that is just its pin.
    """

    spiffe_id: SpiffeId
    server: str
    registered: Mapping[Key, Registered] = field(default_factory=dict)
    pins: Mapping[Key, Pin] = field(default_factory=dict)
    withdrawn: Mapping[Key, Registered] = field(default_factory=dict)

    def last_seen(self) -> dict[Key, Registered]:
        """What it offers or offered, as it was seen last."""
        pinned = {key: Registered(pin.definition, since=0) for key, pin in self.pins.items()}
        return {**pinned, **self.withdrawn, **self.registered}


def formerly_required(seen: Registered, pin: Pin | None, declared: Tool | None) -> tuple[str, ...]:
    """Capabilities that stay required though nothing requires them now, sorted.

    Args:
        seen: What requires something now.
        pin: What it is held to.
        declared: What the policy source says of it.
    """
    before = {*seen.formerly, *(pin.definition.requires if pin else ())}
    now = {*seen.definition.requires, *(declared.requires if declared else ())}
    return tuple(sorted(before - now))


def source_digest(declared: Tool | None) -> str:
    """Of what the policy source states of a definition; ``""`` where it states nothing."""
    if declared is None or not declared.stated:
        return ""
    return hashlib.sha256(declared.stated.encode()).hexdigest()
