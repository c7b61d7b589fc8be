"""A revocation in words and as JSON, as several verbs show it."""

from datetime import UTC, datetime

from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import output

KINDS = {"agent": "spiffe_id", "user": "user", "transaction": "transaction", "token": "token_id"}
"""Words of the command line, and the members of ``Revoked``."""
_WORDS = {member: word for word, member in KINDS.items()}


def to_json(one: admin_service_pb2.Revocation) -> dict[str, object]:
    """A revocation under stable keys."""
    kind, name = named(one)
    return {
        "kind": kind,
        "name": name,
        "since": one.since.ToJsonString(),
        "until": one.until.ToJsonString(),
        "reason": one.reason,
    }


def named(one: admin_service_pb2.Revocation) -> tuple[str, str]:
    """What kind of thing is revoked, and its name."""
    member = one.revoked.WhichOneof("what")
    if member is None:
        return "?", ""
    return _WORDS[member], getattr(one.revoked, member)


def row(one: admin_service_pb2.Revocation, now: datetime) -> list[RenderableType]:
    """A row of a table."""
    kind, name = named(one)
    left = max(0.0, (one.until.ToDatetime(tzinfo=UTC) - now).total_seconds())
    return [kind, output.text(name, output.STRONG), output.duration(left), one.reason or "-"]
