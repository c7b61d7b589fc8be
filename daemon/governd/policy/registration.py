"""What an MCP server registered, and what it is held to.

Values and pure functions. What registrations amount to under a policy is derived from them
each time (``offering``) and never kept. Left to others: the text of a definition
(``definitions``), the text of a registration (``registration_text``), what an operator
approves of it (``approval``).

Invariants:
    * A pin is made when a definition is first registered, unless it has to be approved; it
      stays when the definition disappears, so that removing it and adding another under
      its name is a change. Only an operator replaces it.
    * Leaving a definition out ends nothing: what was seen last is kept, and judged as if it
      were there.
    * What was required once stays required until an operator drops it by name.
    * What a server makes governd keep is bounded: where its pins, old ones included, would
      take too much room, new definitions wait for approval; of what it offers no more, what
      was never pinned is forgotten then, and what was changed cannot be left out.
    * Who offers a name without a break keeps the claim to it, whatever becomes of the
      definition: a change must not give the name to whoever waited for it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from governd.errors import RegistrationTooLargeError
from governd.identity import SpiffeId
from governd.policy.approval import approve
from governd.policy.definitions import Definition, Kind
from governd.policy.quarantine import is_stated
from governd.policy.registered import (
    MAX_REQUIRED,
    Key,
    Pin,
    PinOrigin,
    Registered,
    Registration,
)
from governd.policy.registration_text import read_registration, write_registration
from governd.policy.tools import Tool

__all__ = [
    "Key",
    "Pin",
    "PinOrigin",
    "Registered",
    "Registration",
    "approve",
    "read_registration",
    "register",
    "write_registration",
]

MAX_PINS = 8_192
MAX_PINNED_BYTES = 16 << 20
"""What first registrations of one server may pin in all, and as much again of what it offers
no more: twice what it may register at once, unless that is configured to be more."""


def register(
    old: Registration | None,
    spiffe_id: SpiffeId,
    server: str,
    definitions: Sequence[Definition],
    *,
    now: float,
    accept_first: bool,
    declared: Mapping[str, Tool] | None = None,
) -> Registration:
    """What a server's registration leads to; the old one where nothing changes.

    Args:
        old: What the same server registered before.
        spiffe_id: Who registers.
        server: The name under which the policy source declares the server.
        definitions: All that it offers, in the order of its list.
        now: In Unix seconds.
        accept_first: Whether what was never seen before is pinned as it is; what the
            policy source states in full is in any case.
        declared: What the policy source declares of the server's tools, by name.

    Raises:
        RegistrationTooLargeError: It leaves out more that is quarantined than can be kept,
            or a tool has required too much in all; the one before stays.
    """
    before = old or Registration(spiffe_id, server)
    stated = {} if declared is None else declared
    listed = _listed(definitions, now, _latest_claim(before, now))
    # What was there before comes first: a list in another order is no change.
    keys = dict.fromkeys([*(key for key in before.registered if key in listed), *listed])
    registered = {key: _carried(before, key, listed[key]) for key in keys}
    accepted = registered if accept_first else _in_full(registered, stated)
    pins = {**before.pins, **dict(_accepted(before.pins, accepted))}
    new = Registration(spiffe_id, server, registered, pins, _withdrawn(before, registered, stated))
    return old if old is not None and new == old else new


def _latest_claim(before: Registration, now: float) -> float:
    """When new names are claimed: never before those that were, whatever clocks say."""
    return max([now, *(one.claimed for one in before.registered.values())])


def _listed(definitions: Sequence[Definition], now: float, claimed: float) -> dict[Key, Registered]:
    """Definitions as if nothing had been registered before; of duplicates the first."""
    found: dict[Key, Registered] = {}
    for one in definitions:
        key = (one.kind, one.name)
        first = found.get(key)
        found[key] = (
            replace(first, duplicate=True) if first else Registered(one, now, claimed=claimed)
        )
    return found


def _carried(before: Registration, key: Key, new: Registered) -> Registered:
    """What is registered now, with what is known of it from before."""
    old = before.registered.get(key)
    last = old or before.withdrawn.get(key)
    formerly = _formerly(last, new.definition, before.pins.get(key))
    if old is None:
        return replace(new, formerly=formerly)
    # Where it is the same, one object less.
    definition = old.definition if new.definition == old.definition else new.definition
    since = old.since if definition.digest == old.definition.digest else new.since
    return Registered(definition, since, new.duplicate, old.claimed, formerly)


def _formerly(last: Registered | None, now: Definition, pin: Pin | None) -> tuple[str, ...]:
    """What was required before by what was not pinned, and is not now."""
    before = {*last.formerly, *last.definition.requires} if last else set()
    known = before.union(now.requires, pin.definition.requires if pin else ())
    if len(known) > MAX_REQUIRED:
        message = f"{now.name} has required more than {MAX_REQUIRED} capabilities in all"
        raise RegistrationTooLargeError(message, metadata={"limit": str(MAX_REQUIRED)})
    return tuple(sorted(before.difference(now.requires)))


def _in_full(
    registered: Mapping[Key, Registered], declared: Mapping[str, Tool]
) -> dict[Key, Registered]:
    """What is just as the policy source states it in full."""
    return {
        (kind, name): one
        for (kind, name), one in registered.items()
        if kind is Kind.TOOL and is_stated(one.definition, declared.get(name))
    }


class _Room:
    """How much more can be kept."""

    def __init__(self) -> None:
        self._number, self._size = MAX_PINS, MAX_PINNED_BYTES

    def take(self, definition: Definition) -> bool:
        """Whether there is room for one more, which it takes."""
        size = self._size - len(definition.canonical)
        if size < 0 or not self._number:
            return False
        self._size, self._number = size, self._number - 1
        return True


def _accepted(
    pins: Mapping[Key, Pin], registered: Mapping[Key, Registered]
) -> Iterator[tuple[Key, Pin]]:
    """Pins of what was never seen before, while there is room."""
    room = _Room()
    if not all(room.take(pin.definition) for pin in pins.values()):
        return
    for key, one in registered.items():
        # Of two by one name, neither is the first.
        if key in pins or one.duplicate:
            continue
        if not room.take(one.definition):
            return
        yield key, Pin(one.definition, PinOrigin.FIRST_REGISTRATION)


def _withdrawn(
    before: Registration, registered: Mapping[Key, Registered], declared: Mapping[str, Tool]
) -> dict[Key, Registered]:
    """What is offered no more, as it was seen last, unless that is just its pin."""
    gone = {**before.withdrawn, **before.registered}
    left = {
        key: one
        for key, one in gone.items()
        if key not in registered and not _is_just(one, before.pins.get(key))
    }
    lasting = {
        (kind, name)
        for (kind, name), one in left.items()
        if (kind, name) in before.pins or one.duplicate or (kind is Kind.TOOL and name in declared)
    }
    return _kept(left, lasting)


def _kept(left: Mapping[Key, Registered], lasting: Collection[Key]) -> dict[Key, Registered]:
    """As many as there is room for; of the lasting ones, all."""
    room = _Room()
    kept: dict[Key, Registered] = {}
    for key in sorted(left, key=lambda key: key not in lasting):
        if room.take(left[key].definition):
            kept[key] = left[key]
        elif key in lasting:
            message = "leaves out more that is quarantined than can be kept: have some approved"
            raise RegistrationTooLargeError(message, metadata={"limit": str(MAX_PINS)})
    return kept


def _is_just(seen: Registered, pin: Pin | None) -> bool:
    """Whether the pin says all that there is to know of what was seen last."""
    if pin is None or seen.duplicate or seen.definition.digest != pin.definition.digest:
        return False
    return {*seen.formerly, *seen.definition.requires} <= {*pin.definition.requires}
