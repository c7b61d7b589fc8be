"""Reports of callers, from messages to values."""

from google.protobuf.duration_pb2 import Duration

from governd._proto.governd.v1 import policy_service_pb2
from governd.audit.report import (
    MAX_ANSWER_SECONDS,
    OUTCOMES,
    PATHS,
    AnswerLatencies,
    LeaseUse,
    Outcome,
    Report,
    check_count,
    check_counts,
    check_decision_id,
    check_seconds,
)
from governd.errors import RequestError


def read(request: policy_service_pb2.ReportOutcomeRequest) -> Report:
    """What a request reports.

    Raises:
        RequestError: A field is missing, unknown or out of range.
    """
    latencies = tuple(_latencies(n, one) for n, one in enumerate(request.latencies))
    if len({one.path for one in latencies}) != len(latencies):
        message = "latencies: a path is there twice"
        raise RequestError(message, field="latencies")
    return Report(
        outcomes=tuple(_outcome(n, one) for n, one in enumerate(request.outcomes)),
        lease_uses=tuple(_lease_use(n, one) for n, one in enumerate(request.lease_uses)),
        latencies=latencies,
    )


def _outcome(number: int, message: policy_service_pb2.Outcome) -> Outcome:
    place = f"outcomes[{number}]"
    seconds = None
    if message.HasField("duration"):
        seconds = check_seconds(_seconds(message.duration), field=f"{place}.duration")
    return Outcome(
        check_decision_id(message.decision_id, field=f"{place}.decision_id"),
        _name(OUTCOMES, message.code, f"{place}.code"),
        seconds,
    )


def _lease_use(number: int, message: policy_service_pb2.LeaseUse) -> LeaseUse:
    place = f"lease_uses[{number}]"
    return LeaseUse(
        check_decision_id(message.decision_id, field=f"{place}.decision_id"),
        check_count(message.uses, field=f"{place}.uses", least=1),
    )


def _latencies(number: int, message: policy_service_pb2.AnswerLatencies) -> AnswerLatencies:
    place = f"latencies[{number}]"
    path = _name(PATHS, message.path, f"{place}.path")
    counts = check_counts(tuple(message.counts), field=f"{place}.counts")
    most = sum(counts) * MAX_ANSWER_SECONDS
    total = check_seconds(_seconds(message.sum), field=f"{place}.sum", most=most)
    return AnswerLatencies(path, counts, total)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _name(names: tuple[str, ...], value: int, field: str) -> str:
    """The name of an enum's value; 0 says nothing."""
    if not 1 <= value <= len(names):
        message = f"{field}: required, and one that this governd knows"
        raise RequestError(message, field=field)
    return names[value - 1]
