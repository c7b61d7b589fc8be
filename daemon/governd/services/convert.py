"""Between protobuf messages and the domain's values, and nothing else."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from governd._proto.governd.v1 import (
    admin_service_pb2,
    identity_service_pb2,
    policy_service_pb2,
    tool_service_pb2,
    types_pb2,
)
from governd.application.identity_state import Phase
from governd.errors import Problem, RequestError
from governd.identity import Attestation, SpiffeId
from governd.policy.arguments import Arguments
from governd.policy.decision import Decision, PolicyInfo
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.question import Question, parse_name, parse_resource

Parse = Callable[[bytes], Arguments]

PARTS: tuple[Literal["subject", "action", "resource", "context"], ...]
PARTS = ("subject", "action", "resource", "context")
"""Of a request; a batch may state each once for all of its questions."""
ATTESTATIONS = {
    Attestation.STATIC: identity_service_pb2.ATTESTATION_STATIC,
    Attestation.MTLS: identity_service_pb2.ATTESTATION_MTLS,
    Attestation.SPIRE: identity_service_pb2.ATTESTATION_SPIRE,
    Attestation.TEMPLATE: identity_service_pb2.ATTESTATION_TEMPLATE,
}
PHASES = {
    Phase.WAITING: identity_service_pb2.PHASE_WAITING,
    Phase.READY: identity_service_pb2.PHASE_READY,
}


def question(
    request: policy_service_pb2.EvaluateRequest,
    caller: SpiffeId,
    parse: Parse,
    circumstances: Circumstances = PLAIN,
) -> Question:
    """The question that a request asks.

    Args:
        request: The request, or one question of a batch.
        caller: Who asks.
        parse: Reads the arguments.
        circumstances: What its evidence proves.

    Raises:
        RequestError: A field is missing or malformed, or there is evidence that nobody
            has verified.
    """
    about = subject(request, caller)
    if circumstances is PLAIN and request.context.HasField("evidence"):
        # What nobody verifies must not look as if it counted.
        message = "context.evidence: is not taken here"
        raise RequestError(message, field="context.evidence")
    resource = request.resource
    return Question(
        subject=about,
        action=parse_name(request.action.name, field="action.name"),
        resource=parse_resource(resource.type, resource.id),
        arguments=parse(request.context.arguments_json),
        asserted_by=None if about == caller else caller,
        circumstances=circumstances,
    )


def filled(
    item: policy_service_pb2.EvaluateRequest, defaults: policy_service_pb2.EvaluateBatchRequest
) -> policy_service_pb2.EvaluateRequest:
    """A batch's question with the defaults for the parts that it leaves out."""
    missing = [part for part in PARTS if not item.HasField(part)]
    if not missing:
        return item
    filled = policy_service_pb2.EvaluateRequest()
    filled.CopyFrom(item)
    for part in missing:
        if defaults.HasField(part):
            getattr(filled, part).CopyFrom(getattr(defaults, part))
    return filled


def subject(
    request: policy_service_pb2.EvaluateRequest | tool_service_pb2.FilterToolsRequest,
    caller: SpiffeId,
) -> SpiffeId:
    """Who a request is about: the caller, unless it names another.

    Raises:
        RequestError: The name is malformed.
    """
    if not request.HasField("subject"):
        return caller
    if request.subject.type not in {"", "agent"}:
        message = 'subject.type: must be "agent"'
        raise RequestError(message, field="subject.type")
    return SpiffeId.parse(request.subject.id, field="subject.id")


def decision(value: Decision) -> types_pb2.Evaluation:
    """A decision as a message, as yet without id and policy."""
    message = types_pb2.Evaluation(
        decision=value.allowed,
        code=types_pb2.DecisionCode.ValueType(value.code.value),
        reasons=value.reasons,
        hidden=value.hidden,
    )
    for obligation in value.obligations:
        message.obligations.add(
            policy_id=obligation.policy_id,
            type=obligation.type,
            properties=dict(obligation.properties),
        )
    if value.lease_seconds > 0:
        message.lease.valid_for.CopyFrom(duration(value.lease_seconds))
    if value.shadow:
        message.shadow.decision = value.shadow.allowed
        message.shadow.reasons.extend(value.shadow.reasons)
    return message


def policy_info(value: PolicyInfo) -> types_pb2.PolicyInfo:
    """Which policy decided, as a message."""
    return types_pb2.PolicyInfo(
        digest=value.digest,
        bundle_version=value.bundle_version,
        epoch=value.epoch,
        age=duration(value.age_seconds),
    )


def duration(seconds: float) -> Duration:
    """Seconds as a message, to the nanosecond."""
    message = Duration()
    set_duration(message, seconds)
    return message


def set_duration(message: Duration, seconds: float) -> None:
    """Makes a message say so many seconds."""
    message.seconds, message.nanos = divmod(round(seconds * 1e9), 1_000_000_000)


def timestamp(when: datetime) -> Timestamp:
    """A moment as a message."""
    message = Timestamp()
    message.FromDatetime(when)
    return message


def problem(value: Problem) -> admin_service_pb2.PolicyProblem:
    """A mistake in a policy source as a message."""
    return admin_service_pb2.PolicyProblem(file=value.file, line=value.line, message=value.message)
