"""Registrations and approvals as lines of the decision log."""

from collections.abc import Sequence
from typing import NamedTuple

from governd.audit.record import report_record
from governd.identity import OPERATOR, Caller
from governd.policy.decision import PolicyInfo
from governd.policy.offering import Standing
from governd.policy.registration import Pin, Registered, Registration

MAX_LISTED = 64
"""Quarantined definitions that a record lists."""
MAX_NAME_CHARS = 128
_OPERATOR_ATTESTATION = "admin_socket"


class Counts(NamedTuple):
    """How a registration differs from the one before.

    Attributes:
        added: Definitions that were not there.
        changed: Definitions that were another, or required something else.
        removed: Definitions that are not there any more.
    """

    added: int
    changed: int
    removed: int

    @classmethod
    def between(cls, old: Registration | None, new: Registration) -> "Counts":
        """Compares two registrations of one server."""
        before, after = old.registered if old else {}, new.registered
        changed = sum(_differ(before[key], after[key]) for key in before.keys() & after.keys())
        return cls(len(after.keys() - before.keys()), changed, len(before.keys() - after.keys()))


def _differ(before: Registered, after: Registered) -> bool:
    return (before.definition, before.duplicate) != (after.definition, after.duplicate)


def registration_line(
    caller: Caller,
    server: str,
    counts: Counts,
    standings: Sequence[Standing],
    *,
    time: float,
    policy: PolicyInfo,
) -> bytes:
    """The record of a registration, without its line end.

    Args:
        caller: Who registered.
        server: Its name in the policy source.
        counts: How it differs from the registration before.
        standings: What becomes of its definitions.
        time: Seconds since the epoch.
        policy: In force before; what was registered counts from the next epoch.
    """
    quarantined = [one for one in standings if one.reasons]
    said = {
        "server": server,
        "active": sum(one.offered and not one.reasons for one in standings),
        "quarantined_count": len(quarantined),
        "quarantined": [_quarantined(one) for one in quarantined[:MAX_LISTED]],
        **counts._asdict(),
        "policy": policy_of(policy),
    }
    return report_record(
        "registration",
        time=time,
        caller=str(caller.spiffe_id),
        attestation=caller.attestation.value,
        said=said,
    )


def approval_line(
    standing: Standing,
    digest: str,
    before: Pin | None,
    drop: Sequence[str],
    *,
    time: float,
    policy: PolicyInfo,
) -> bytes:
    """The record of an approval, without its line end.

    Args:
        standing: What is approved, as it stood.
        digest: What is approved of it.
        before: What it was held to.
        drop: Capabilities that it requires no longer.
        time: Seconds since the epoch.
        policy: In force before; the approval counts from the next epoch.
    """
    said = {
        "server": standing.server,
        "kind_of": standing.kind.name.lower(),
        "name": standing.name,
        "digest": digest,
        "previous_digest": before.definition.digest if before else None,
        "requires": [one for one in _requires(standing) if one not in drop],
        "dropped": sorted(set(drop)),
        "policy": policy_of(policy),
    }
    return report_record(
        "approval", time=time, caller=str(OPERATOR), attestation=_OPERATOR_ATTESTATION, said=said
    )


def not_kept(line: bytes) -> bytes:
    """The record that what a line says did not come about: the disk failed after it."""
    return line.removesuffix(b"}") + b',"kept":false}'


def _requires(standing: Standing) -> tuple[str, ...]:
    return standing.tool.requires if standing.tool else ()


def _quarantined(standing: Standing) -> dict[str, object]:
    registered = standing.registered
    return {
        "kind_of": standing.kind.name.lower(),
        "name": standing.name[:MAX_NAME_CHARS],
        "digest": registered.definition.digest if registered else None,
        "reasons": [one.name for one in standing.reasons],
    }


def policy_of(info: PolicyInfo) -> dict[str, object]:
    """Which policy was in force, as members of a record."""
    return {
        "digest": info.digest,
        "bundle_version": info.bundle_version,
        "epoch": info.epoch,
    }
