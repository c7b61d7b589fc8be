"""An identity in words and as JSON, as several verbs show it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2, identity_service_pb2
from governd.cli import output
from governd.cli.whoami import attestation_name, phase_name

Status = admin_service_pb2.IdentityStatus


def to_json(one: Status) -> dict[str, object]:
    """An identity under stable keys."""
    return {
        "workload": one.workload,
        "spiffe_id": one.spiffe_id,
        "phase": phase_name(one.phase),
        "reason": one.reason,
        "attestation": attestation_name(one.attestation),
        "source": one.source,
        "svids": [_svid_to_json(svid) for svid in one.svids],
        "federates_with": list(one.federates_with),
        "selectors": list(one.selectors),
        "facts": dict(one.facts),
    }


def _svid_to_json(svid: admin_service_pb2.SvidStatus) -> dict[str, object]:
    return {
        "spiffe_id": svid.spiffe_id,
        "hint": svid.hint,
        "not_before": svid.not_before.ToJsonString(),
        "not_after": svid.not_after.ToJsonString(),
        "next_rotation": svid.next_rotation.ToJsonString(),
    }


def phase(one: Status) -> Text:
    """How far it is; loud while it waits."""
    ready = one.phase == identity_service_pb2.PHASE_READY
    style = (output.WARN if one.reason else output.GOOD) if ready else output.BAD
    return output.text(phase_name(one.phase), style)


def left(when: Timestamp, now: datetime) -> str:
    """How long until ``when``, or how long ago that was."""
    seconds = (when.ToDatetime(tzinfo=UTC) - now).total_seconds()
    return f"in {output.duration(seconds)}" if seconds >= 0 else f"{output.duration(-seconds)} ago"


def ends(one: Status, now: datetime) -> Text:
    """When its first SVID ends; a warning where it should have been renewed by now."""
    if not one.svids:
        return output.text("-")
    first = min(one.svids, key=lambda svid: svid.not_after.ToNanoseconds())
    overdue = first.next_rotation.ToDatetime(tzinfo=UTC) < now and bool(one.reason)
    return output.text(left(first.not_after, now), output.WARN if overdue else "")


def facts(one: Status) -> Iterator[tuple[str, RenderableType]]:
    """What is known beside its SVIDs."""
    yield "workload", output.text(one.workload, output.STRONG)
    yield "spiffe id", output.text(one.spiffe_id or "none yet", output.STRONG)
    yield "phase", phase(one)
    if one.reason:
        yield "because", one.reason
    yield "attested", attestation_name(one.attestation)
    yield "source", one.source
    yield "selectors", _lines(one.selectors)
    yield "federates with", _lines(one.federates_with)
    yield from sorted(one.facts.items())


def _lines(words: Sequence[str]) -> Text:
    return Text("\n").join(map(output.text, words)) if words else Text("none")
