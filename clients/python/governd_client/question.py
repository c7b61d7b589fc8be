"""Questions as values, and how they are written for the wire.

Arguments are serialised strictly, so that governd judges exactly what the caller holds:
no NaN or infinity (JSON has none), no keys but strings (``json`` would turn ``1`` into
``"1"``), no lone surrogates. governd's own rules for arguments are narrower still and
answer with ``ArgumentsInvalidError``.
"""

import enum
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.decision import Decision
from governd_client.errors import (
    ArgumentsInvalidError,
    InvalidRequestError,
    MalformedAnswerError,
)
from governd_client.evidence import Evidence, evidence_message

Key: TypeAlias = tuple[str, str, str, str | None, bytes | None, tuple[str, str] | None]
"""Action, type and id of the resource, subject, serialised arguments, kind of evidence and
the token. Not for logs: it has secrets."""

_ARGUMENTS: Final = "context.arguments_json"
_NOT_TEXT: Final = "action, resource and subject are text in UTF-8"
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_JSON: Final[Mapping[str, Any]] = {
    "allow_nan": False,
    "ensure_ascii": False,
    "separators": (",", ":"),
}
_write: Final = json.JSONEncoder(**_JSON).encode
_write_flat: Final = json.JSONEncoder(check_circular=False, **_JSON).encode


class Resource(NamedTuple):
    """What the action is done to; a plain pair of strings serves as well.

    Attributes:
        type: For example ``tool`` or ``mcp_server``.
        id: For example ``git/git_commit`` or ``git``.
    """

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Question:
    """May the subject do this to that?

    Attributes:
        action: The protocol's own word, for example ``tools/call``.
        resource: What it is done to.
        arguments: Arguments of the call, as one JSON object.
        subject: SPIFFE ID the question is about; ``None`` for the asking workload itself.
        evidence: Shows in whose name the subject acts.
    """

    action: str
    resource: tuple[str, str]
    arguments: Mapping[str, object] | None = None
    subject: str | None = None
    evidence: Evidence | None = None

    def to_proto(self) -> policy_service_pb2.EvaluateRequest:
        """Writes the question.

        Raises:
            InvalidRequestError: It cannot be written, for example for its arguments.
        """
        key = key_of(self.action, self.resource, self.arguments, self.subject, self.evidence)
        return request_of(key)


class Semantic(enum.Enum):
    """How a batch goes on after each answer (AuthZEN's evaluations semantic)."""

    EXECUTE_ALL = policy_service_pb2.EVALUATIONS_SEMANTIC_EXECUTE_ALL
    """Every question is answered."""

    DENY_ON_FIRST_DENY = policy_service_pb2.EVALUATIONS_SEMANTIC_DENY_ON_FIRST_DENY
    """Stops after the first deny, which is the last answer."""

    PERMIT_ON_FIRST_PERMIT = policy_service_pb2.EVALUATIONS_SEMANTIC_PERMIT_ON_FIRST_PERMIT
    """Stops after the first permit, which is the last answer."""


def key_of(
    action: str,
    resource: tuple[str, str],
    arguments: Mapping[str, object] | None,
    subject: str | None,
    evidence: Evidence | None = None,
) -> Key:
    """What a question says, as a value: two questions with equal keys are identical.

    INVARIANT: a key holds text and bytes of the built-in types only, so that no object's own
    idea of equality decides which questions are the same.

    Raises:
        InvalidRequestError: A part is not text, or the arguments cannot be written.
    """
    try:
        kind, name = resource
        if not type(action) is type(kind) is type(name) is str:
            action, kind, name = str.__str__(action), str.__str__(kind), str.__str__(name)
        if subject is not None and type(subject) is not str:
            subject = str.__str__(subject)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(_NOT_TEXT) from error
    written = None if arguments is None else arguments_json(arguments)
    shown = None if evidence is None else (evidence.kind.value, str.__str__(evidence.token))
    return action, kind, name, subject, written, shown


def request_of(key: Key) -> policy_service_pb2.EvaluateRequest:
    """Writes a question.

    Raises:
        InvalidRequestError: Its text has no form in UTF-8.
    """
    action, kind, name, subject, arguments, evidence = key
    try:
        request = policy_service_pb2.EvaluateRequest(
            action=types_pb2.Action(name=action), resource=types_pb2.Resource(type=kind, id=name)
        )
        if subject is not None:
            request.subject.CopyFrom(types_pb2.Subject(id=subject))
    except ValueError as error:
        raise InvalidRequestError(_NOT_TEXT) from error
    if arguments is not None:
        request.context.arguments_json = arguments
    if evidence is not None:
        request.context.evidence.CopyFrom(evidence_message(*evidence))
    return request


def arguments_json(arguments: Mapping[str, object]) -> bytes:
    """Serialises arguments of a call.

    Raises:
        ArgumentsInvalidError: They cannot be written as JSON without changing them.
    """
    try:
        if type(arguments) is dict and _is_flat(arguments):
            # The common case at half the cost: nothing in it can contain itself, and join
            # raises TypeError for a key that is not text.
            "".join(arguments)
            return _write_flat(arguments).encode()
        text = _write(arguments)
        _require_text_keys(arguments)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"{_ARGUMENTS}: expected one JSON object with text keys and finite numbers"
        raise ArgumentsInvalidError(message, field=_ARGUMENTS) from error


def _is_flat(arguments: dict[str, object]) -> bool:
    """Whether all values are scalars or lists of scalars."""
    if _SCALARS.issuperset(map(type, arguments.values())):
        return True
    return all(
        type(value) in _SCALARS or (type(value) is list and _SCALARS.issuperset(map(type, value)))
        for value in arguments.values()
    )


def _require_text_keys(value: object) -> None:
    """Raises ``TypeError`` for a key that is not text, or a top level that is no object."""
    if not isinstance(value, dict):
        message = "the arguments are not an object"
        raise TypeError(message)
    # INVARIANT: json.dumps has been through the value, so that this ends: no cycles.
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                message = "a key is not text"
                raise TypeError(message)
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)


def batch_request(
    questions: Sequence[Question], semantic: Semantic
) -> policy_service_pb2.EvaluateBatchRequest:
    """Writes a batch.

    Raises:
        InvalidRequestError: There is no question: ``all()`` of no answers would be true.
    """
    if not questions:
        message = "evaluations: expected at least one question"
        raise InvalidRequestError(message, field="evaluations")
    return policy_service_pb2.EvaluateBatchRequest(
        evaluations=[question.to_proto() for question in questions],
        evaluations_semantic=semantic.value,
    )


def batch_answers(
    response: policy_service_pb2.EvaluateBatchResponse,
    count: int,
    semantic: Semantic,
    supported: Collection[str],
) -> tuple[Decision, ...]:
    """Reads a batch's answers and checks that none is missing.

    Raises:
        MalformedAnswerError: The answers cannot be those to ``count`` questions.
    """
    answers = response.evaluations
    stops_at = {Semantic.DENY_ON_FIRST_DENY: False, Semantic.PERMIT_ON_FIRST_PERMIT: True}
    early = 0 < len(answers) < count and answers[-1].decision is stops_at.get(semantic)
    if len(answers) != count and not early:
        message = f"{len(answers)} answers to {count} questions"
        raise MalformedAnswerError(message)
    return tuple(Decision.from_proto(each, supported) for each in answers)
