"""Reports are read strictly: a name for each enum value, and the field of each mistake."""

import pytest
from google.protobuf.duration_pb2 import Duration

from governd._proto.governd.v1 import policy_service_pb2 as pb
from governd.audit.report import AnswerLatencies, LeaseUse, Outcome, Report
from governd.errors import RequestError
from governd.services import reports

ID = "0a" * 16
HALF = Duration(nanos=500_000_000)
LATENCIES = pb.AnswerLatencies(path=pb.ANSWER_PATH_LEASE, counts=[2] * 16, sum=HALF)


def test_a_report_is_read_whole() -> None:
    request = pb.ReportOutcomeRequest(
        outcomes=[
            pb.Outcome(decision_id=ID, code=pb.OUTCOME_CODE_SUCCEEDED),
            pb.Outcome(decision_id=ID, code=pb.OUTCOME_CODE_NOT_ATTEMPTED, duration=HALF),
        ],
        lease_uses=[pb.LeaseUse(decision_id=ID, uses=3)],
        latencies=[LATENCIES],
    )
    assert reports.read(request) == Report(
        (Outcome(ID, "succeeded"), Outcome(ID, "not_attempted", 0.5)),
        (LeaseUse(ID, 3),),
        (AnswerLatencies("lease", (2,) * 16, 0.5),),
    )


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (
            pb.ReportOutcomeRequest(outcomes=[pb.Outcome(code=pb.OUTCOME_CODE_FAILED)]),
            "outcomes[0].decision_id",
        ),
        (pb.ReportOutcomeRequest(outcomes=[pb.Outcome(decision_id=ID)]), "outcomes[0].code"),
        (
            pb.ReportOutcomeRequest(outcomes=[pb.Outcome(decision_id=ID, code=9)]),  # type: ignore[arg-type]
            "outcomes[0].code",
        ),
        (
            pb.ReportOutcomeRequest(
                outcomes=[
                    pb.Outcome(
                        decision_id=ID, code=pb.OUTCOME_CODE_FAILED, duration=Duration(seconds=-1)
                    )
                ]
            ),
            "outcomes[0].duration",
        ),
        (pb.ReportOutcomeRequest(lease_uses=[pb.LeaseUse(uses=1)]), "lease_uses[0].decision_id"),
        (pb.ReportOutcomeRequest(lease_uses=[pb.LeaseUse(decision_id=ID)]), "lease_uses[0].uses"),
        (pb.ReportOutcomeRequest(latencies=[LATENCIES, LATENCIES]), "latencies"),
        (
            pb.ReportOutcomeRequest(
                latencies=[
                    pb.AnswerLatencies(
                        path=pb.ANSWER_PATH_UNARY, counts=[0] * 16, sum=Duration(seconds=1)
                    )
                ]
            ),
            "latencies[0].sum",
        ),
        (
            pb.ReportOutcomeRequest(latencies=[pb.AnswerLatencies(counts=[1] * 16)]),
            "latencies[0].path",
        ),
        (
            pb.ReportOutcomeRequest(latencies=[pb.AnswerLatencies(path=pb.ANSWER_PATH_UNARY)]),
            "latencies[0].counts",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named(request_: pb.ReportOutcomeRequest, field: str) -> None:
    with pytest.raises(RequestError) as refused:
        reports.read(request_)
    assert refused.value.field == field
