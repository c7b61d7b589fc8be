"""Between protobuf messages and the domain's values, and nothing else."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from google.protobuf.duration_pb2 import Duration

from governd._proto.governd.v1 import (
    admin_service_pb2,
    identity_service_pb2,
    policy_service_pb2,
    types_pb2,
)
from governd.application.evaluate import Answer
from governd.errors import Problem, RequestError
from governd.identity import Attestation, SpiffeId
from governd.policy.arguments import Arguments
from governd.policy.decision import Decision, PolicyInfo
from governd.policy.question import Question, parse_name, parse_resource

Defaults = policy_service_pb2.EvaluateBatchRequest
Request: TypeAlias = "policy_service_pb2.EvaluateRequest | Defaults"
Part = Literal["subject", "action", "resource", "context"]
Parse = Callable[[bytes], Arguments]

ATTESTATIONS = {Attestation.STATIC: identity_service_pb2.ATTESTATION_STATIC}


def question(
    request: policy_service_pb2.EvaluateRequest,
    caller: SpiffeId,
    parse: Parse,
    defaults: Defaults | None = None,
) -> Question:
    """The question that a request asks.

    Args:
        request: The request, or one question of a batch.
        caller: Who asks.
        parse: Reads the arguments.
        defaults: What stands for a part that the request leaves out.

    Raises:
        RequestError: A field is missing or malformed.
    """

    def of(part: Part) -> Request:
        return request if defaults is None or request.HasField(part) else defaults

    subject = _subject(of("subject"), caller)
    resource = of("resource").resource
    return Question(
        subject=subject,
        action=parse_name(of("action").action.name, field="action.name"),
        resource=parse_resource(resource.type, resource.id),
        arguments=parse(of("context").context.arguments_json),
        asserted_by=None if subject == caller else caller,
    )


def _subject(request: Request, caller: SpiffeId) -> SpiffeId:
    if not request.HasField("subject"):
        return caller
    if request.subject.type not in {"", "agent"}:
        message = 'subject.type: must be "agent"'
        raise RequestError(message, field="subject.type")
    return SpiffeId.parse(request.subject.id, field="subject.id")


def evaluation(answer: Answer) -> types_pb2.Evaluation:
    """An answer as a message."""
    message = decision(answer.decision)
    message.decision_id = answer.decision_id
    message.policy.CopyFrom(policy_info(answer.policy))
    return message


def decision(value: Decision) -> types_pb2.Evaluation:
    """A decision as a message, as yet without id and policy."""
    message = types_pb2.Evaluation(
        decision=value.allowed,
        code=types_pb2.DecisionCode.ValueType(value.code.value),
        reasons=value.reasons,
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
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))


def problem(value: Problem) -> admin_service_pb2.PolicyProblem:
    """A mistake in a policy source as a message."""
    return admin_service_pb2.PolicyProblem(file=value.file, line=value.line, message=value.message)
