"""Rules that take more than one setting to judge.

They run on the raw values and on each listener that is well-formed by itself, so that a
mistake elsewhere hides none of them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from governd.config.document import Location
from governd.config.sections import Admin, Limits, Listener

Mistake = tuple[Location, str]
"""Where, and what was expected."""


def broken(values: Mapping[str, object], base: Path) -> Iterator[Mistake]:
    """The mistakes among ``values``; relative paths count from ``base``."""
    listeners = dict(_well_formed(values.get("listener"), base))
    yield from _static_in_production(values)
    yield from _of_another_domain(values.get("trust_domain"), listeners)
    yield from _same_name(listeners)
    yield from _same_socket(_admin_socket(values.get("admin", {}), base), listeners)
    yield from _arguments_larger_than_message(values.get("limits"))


def _well_formed(listeners: object, base: Path) -> Iterator[tuple[int, Listener]]:
    for index, listener in enumerate(listeners if isinstance(listeners, list) else ()):
        try:
            yield index, Listener.model_validate(listener, context={"base": base})
        except ValidationError:
            continue  # reported with its section


def _admin_socket(section: object, base: Path) -> Path | None:
    try:
        return Admin.model_validate(section, context={"base": base}).socket
    except ValidationError:
        return None


def _static_in_production(values: Mapping[str, object]) -> Iterator[Mistake]:
    listeners = values.get("listener")
    for index, listener in enumerate(listeners if isinstance(listeners, list) else ()):
        kind = listener.get("attestation", "static") if isinstance(listener, dict) else ""
        if values.get("production") is True and kind == "static":
            yield (
                ("listener", index, "attestation"),
                'expected none that is "static", because production is true',
            )


def _of_another_domain(domain: object, listeners: Mapping[int, Listener]) -> Iterator[Mistake]:
    for index, listener in listeners.items():
        if isinstance(domain, str) and listener.spiffe_id.trust_domain != domain:
            yield (
                ("listener", index, "spiffe_id"),
                f'expected an ID of the trust domain, "spiffe://{domain[:255]}/..."',
            )


def _same_name(listeners: Mapping[int, Listener]) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for index, listener in listeners.items():
        holder = first.setdefault(listener.name, index)
        if holder != index:
            said = f'expected a name of its own, listener[{holder}] is "{listener.name}" too'
            yield ("listener", index, "name"), said


def _same_socket(admin: Path | None, listeners: Mapping[int, Listener]) -> Iterator[Mistake]:
    owner = {admin: "the admin socket"} if admin else {}
    for index, listener in listeners.items():
        this = f"listener[{index}]"
        holder = owner.setdefault(listener.socket, this)
        if holder != this:
            yield ("listener", index, "socket"), f"expected a path of its own, {holder} has it"


def _arguments_larger_than_message(limits: object) -> Iterator[Mistake]:
    defaults = {name: field.default for name, field in Limits.model_fields.items()}
    given = {**defaults, **limits} if isinstance(limits, Mapping) else defaults
    arguments, message = given["arguments_bytes"], given["message_bytes"]
    if isinstance(arguments, int) and isinstance(message, int) and arguments > message:
        yield ("limits", "arguments_bytes"), "expected no more than limits.message_bytes"
