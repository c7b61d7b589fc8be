"""Rules that take more than one setting to judge.

They run on the raw values and on each listener that is well-formed by itself, so that a
mistake elsewhere hides none of them.
"""

import contextlib
import os.path
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from governd.config import own_rules
from governd.config.document import Mistake
from governd.config.fields import host_and_port
from governd.config.identity import embedded_in_production
from governd.config.listeners import (
    AttestedListener,
    Listener,
    Listeners,
    MtlsListener,
    StaticListener,
)
from governd.config.sections import Admin, Limits, Metrics
from governd.errors import RequestError
from governd.identity.path_template import PathTemplate
from governd.pods.pod import FACTS

_LISTENER: TypeAdapter[Listener] = TypeAdapter(Listener)


def broken(values: Mapping[str, object], base: Path) -> Iterator[Mistake]:
    """The mistakes among ``values``; relative paths count from ``base``."""
    listeners = dict(_well_formed(values.get("listener"), base))
    yield from _static_in_production(values)
    yield from embedded_in_production(values)
    yield from _nobody_behind_it(values.get("identity", {}), listeners)
    yield from own_rules.broken(values.get("identity"), listeners)
    yield from _pods_are_nobody(values.get("csi"), values.get("identity"))
    yield from _of_another_domain(values.get("trust_domain"), listeners)
    yield from _allowed_of_no_trusted_domain(values.get("trust_domain"), listeners)
    yield from _same_name(listeners)
    yield from _same_socket(_admin_socket(values.get("admin", {}), base), listeners)
    yield from _same_address(_metrics_address(values.get("metrics", {})), listeners)
    yield from _arguments_larger_than_message(values.get("limits"))


def _well_formed(listeners: object, base: Path) -> Iterator[tuple[int, Listener]]:
    for index, listener in enumerate(listeners if isinstance(listeners, list) else ()):
        try:
            yield index, _LISTENER.validate_python(listener, context={"base": base})
        except ValidationError:
            continue  # reported with its section


def _admin_socket(section: object, base: Path) -> Path | None:
    try:
        return Admin.model_validate(section, context={"base": base}).socket
    except ValidationError:
        return None


def _metrics_address(section: object) -> str:
    try:
        return Metrics.model_validate(section).address
    except ValidationError:
        return ""


def _static_in_production(values: Mapping[str, object]) -> Iterator[Mistake]:
    listeners = values.get("listener")
    for index, listener in enumerate(listeners if isinstance(listeners, list) else ()):
        kind = listener.get("attestation", "static") if isinstance(listener, dict) else ""
        if values.get("production") is True and kind == "static":
            yield (
                ("listener", index, "attestation"),
                'expected none that is "static", because production is true',
            )


def _nobody_behind_it(section: object, listeners: Listeners) -> Iterator[Mistake]:
    """An attested listener whose workload nothing could ever name, or with a forged fact."""
    raw = section if isinstance(section, Mapping) else {}
    spire = raw.get("source", "embedded") == "spire"
    try:
        template = PathTemplate.parse(str(raw["path_template"])) if "path_template" in raw else None
    except RequestError:
        return  # reported with its section
    for index, listener in listeners.items():
        if isinstance(listener, AttestedListener):
            mistake = _misfit(listener.facts, template, spire=spire)
            if mistake:
                yield ("listener", index, *mistake[0].split(".")), mistake[1]


def _pods_are_nobody(csi: object, identity: object) -> Iterator[Mistake]:
    """A CSI plugin whose pods nothing could ever name."""
    enabled = isinstance(csi, Mapping) and csi.get("enabled") is True
    raw = identity if isinstance(identity, Mapping) else {}
    if not enabled or raw.get("source", "embedded") != "embedded":
        return
    if "path_template" not in raw:
        said = 'expected false, because source is "embedded" without path_template'
        yield ("csi", "enabled"), said
        return
    with contextlib.suppress(RequestError):  # reported with its section
        for field in sorted(set(PathTemplate.parse(str(raw["path_template"])).fields) - FACTS):
            said = f'expected no "{field}", because pods have only {", ".join(sorted(FACTS))}'
            yield ("identity", "path_template"), said


def _misfit(
    facts: Mapping[str, str], template: PathTemplate | None, *, spire: bool
) -> tuple[str, str] | None:
    """What is wrong with a listener, and what was expected there."""
    if template is None:
        said = 'expected none that is "spire", because source is "embedded" without path_template'
        return None if spire else ("attestation", said)
    missing = [field for field in template.fields if field not in facts]
    if missing:
        said = f'expected "{missing[0]}" among them, because source is "embedded"'
        return None if spire else ("facts", said)
    try:
        template.id_of("example.org", facts)
    except RequestError as error:
        return error.field, str(error).removeprefix(f"{error.field}: ")
    return None


def _of_another_domain(domain: object, listeners: Listeners) -> Iterator[Mistake]:
    for index, listener in listeners.items():
        if not isinstance(listener, StaticListener):
            continue
        if isinstance(domain, str) and listener.spiffe_id.trust_domain != domain:
            yield (
                ("listener", index, "spiffe_id"),
                f'expected an ID of the trust domain, "spiffe://{domain[:255]}/..."',
            )


def _allowed_of_no_trusted_domain(domain: object, listeners: Listeners) -> Iterator[Mistake]:
    """An ID that nobody who may call can have is a mistake, and not a harmless one."""
    for index, listener in listeners.items():
        if not isinstance(listener, MtlsListener) or not isinstance(domain, str):
            continue
        trusted = listener.trust_domains or (domain,)
        for at, allowed in enumerate(listener.allowed_ids):
            if allowed.trust_domain not in trusted:
                said = f"expected an ID of one of the trust domains {', '.join(trusted)[:255]}"
                yield ("listener", index, "allowed_ids", at), said


def _same_name(listeners: Listeners) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for index, listener in listeners.items():
        holder = first.setdefault(listener.name, index)
        if holder != index:
            said = f'expected a name of its own, listener[{holder}] is "{listener.name}" too'
            yield ("listener", index, "name"), said


def _same_socket(admin: Path | None, listeners: Listeners) -> Iterator[Mistake]:
    owner = {os.path.normpath(admin): "the admin socket"} if admin else {}
    for index, listener in listeners.items():
        this, socket = f"listener[{index}]", listener.socket
        holder = owner.setdefault(os.path.normpath(socket), this) if socket else this
        if holder != this:
            yield ("listener", index, "socket"), f"expected a path of its own, {holder} has it"


def _same_address(metrics: str, listeners: Listeners) -> Iterator[Mistake]:
    owner = {metrics: "metrics"} if metrics else {}
    for index, listener in listeners.items():
        address = listener.address if isinstance(listener, MtlsListener) else None
        if address is None or _is_any_port(address):
            continue
        this = f"listener[{index}]"
        holder = owner.setdefault(address, this)
        if holder != this:
            yield ("listener", index, "address"), f"expected one of its own, {holder} has it"


def _is_any_port(address: str) -> bool:
    parts = host_and_port(address)
    return parts is not None and parts[1] == 0


def _arguments_larger_than_message(limits: object) -> Iterator[Mistake]:
    defaults = {name: field.default for name, field in Limits.model_fields.items()}
    given = {**defaults, **limits} if isinstance(limits, Mapping) else defaults
    arguments, message = given["arguments_bytes"], given["message_bytes"]
    if isinstance(arguments, int) and isinstance(message, int) and arguments > message:
        yield ("limits", "arguments_bytes"), "expected no more than limits.message_bytes"
