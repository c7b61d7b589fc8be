"""What AdminService says of governd itself, as messages."""

from governd._proto.governd.v1 import admin_service_pb2
from governd.application.operate import CallerUsage, Component
from governd.policy.analysis import Explanation
from governd.services import convert

_EFFECTS = {
    "permit": admin_service_pb2.POLICY_EFFECT_PERMIT,
    "forbid": admin_service_pb2.POLICY_EFFECT_FORBID,
}


def component(value: Component) -> admin_service_pb2.ComponentStatus:
    """How a part is."""
    return admin_service_pb2.ComponentStatus(
        name=value.name, ready=value.ready, detail=value.detail
    )


def explanation(value: Explanation) -> admin_service_pb2.PolicyExplanation:
    """One policy's part in an answer."""
    return admin_service_pb2.PolicyExplanation(
        policy_id=value.policy.id,
        effect=_EFFECTS[value.policy.effect],
        applied=value.applied,
        first_false=value.first_false,
        error=value.error,
        shadow=value.policy.traits.shadow,
        file=value.policy.statement.file,
        line=value.policy.statement.line,
    )


def caller(value: CallerUsage) -> admin_service_pb2.CallerStatus:
    """How much a caller uses."""
    message = admin_service_pb2.CallerStatus(
        spiffe_id=str(value.caller.spiffe_id),
        attestation=convert.ATTESTATIONS[value.caller.attestation],
        listener=value.listener,
        calls_in_flight=value.calls_in_flight,
        calls=value.calls,
        refused=value.refused,
        tenant=value.tenant,
    )
    if value.idle_seconds is not None:
        message.idle.CopyFrom(convert.duration(value.idle_seconds))
    return message
