"""What an operator approves of a registration.

An approval is of one digest, which says nothing of what a tool requires: so it drops no
requirement that it does not name. Left to others: what approvals end (``quarantine``).
"""

from collections.abc import Collection
from dataclasses import replace
from typing import NoReturn

from governd.errors import ApprovalError, DefinitionUnknownError
from governd.policy.registered import (
    Key,
    Pin,
    PinOrigin,
    Registered,
    Registration,
    formerly_required,
    source_digest,
)
from governd.policy.tools import Tool


def approve(
    registration: Registration,
    key: Key,
    digest: str,
    drop: Collection[str] = (),
    *,
    declared: Tool | None = None,
) -> Registration:
    """Pins what is registered now, in an operator's name.

    Args:
        registration: What the server registered.
        key: Which definition.
        digest: Of what the operator has looked at.
        drop: Of what was required before, what is not required any more; all else stays.
        declared: What the policy source says of it.

    Raises:
        DefinitionUnknownError: Nothing of that name is registered.
        ApprovalError: What is registered has another digest, or is registered twice; or
            what is to be dropped is required all the same, or never was.
    """
    found = _offered(registration, key, digest)
    old, now = registration.pins.get(key), found.definition
    former = formerly_required(found, old, declared)
    known = {*found.formerly, *now.requires, *(old.definition.requires if old else ())}
    definition = replace(now, requires=tuple(sorted(known.difference(drop))))
    pin = Pin(definition, PinOrigin.OPERATOR, source_digest(declared))
    required = {*now.requires, *(declared.requires if declared else ())}
    # What was dropped already may be named again: a retry is no mistake.
    strange = sorted({*drop} & required if pin == old else {*drop}.difference(former))
    if strange:
        _refuse(found, f"nothing drops {strange[0]} from what {now.name} requires")
    if pin == old:
        return registration
    registered = {**registration.registered, key: replace(found, formerly=())}
    return replace(registration, registered=registered, pins={**registration.pins, key: pin})


def _offered(registration: Registration, key: Key, digest: str) -> Registered:
    """What a server offers now, if that is what was looked at."""
    _, name = key
    found = registration.registered.get(key)
    if found is None:
        message = f"{registration.server} has not registered {name}"
        metadata = {"server": registration.server, "name": name}
        raise DefinitionUnknownError(message, metadata=metadata)
    if found.duplicate:
        _refuse(found, f"{registration.server} registered more than one {name}")
    if found.definition.digest != digest:
        _refuse(found, f"what {registration.server} registered as {name} is not {digest}")
    return found


def _refuse(found: Registered, message: str) -> NoReturn:
    raise ApprovalError(message, metadata={"digest": found.definition.digest})
