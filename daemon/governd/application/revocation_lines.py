"""Revocations as lines of the decision log."""

from governd.audit.record import report_record
from governd.delegation.revocation_list import Revocation
from governd.identity import OPERATOR
from governd.policy.decision import PolicyInfo

_OPERATOR_ATTESTATION = "admin_socket"


def revocation_line(one: Revocation, *, policy: PolicyInfo) -> bytes:
    """The record of a revocation, without its line end.

    Args:
        one: What is revoked.
        policy: In force before; the revocation counts from the next epoch.
    """
    said = {
        "revoked": {one.target.kind.value: one.target.name},
        "until": int(one.until),
        "because": one.reason,
        "policy": {
            "digest": policy.digest,
            "bundle_version": policy.bundle_version,
            "epoch": policy.epoch,
        },
    }
    return report_record(
        "revocation",
        time=one.since,
        caller=str(OPERATOR),
        attestation=_OPERATOR_ATTESTATION,
        said=said,
    )
