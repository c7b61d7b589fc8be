"""What becomes of acting-as tokens is counted, by words from fixed lists."""

import pytest
import structlog
from prometheus_client import CollectorRegistry

from governd.adapters.delegation_report import DelegationReport
from governd.delegation.evidence_faults import (
    EvidenceError,
    EvidenceFault,
    EvidenceUnavailableError,
)
from governd.delegation.refusals import LoopError
from governd.delegation.rejection import Reason, Rejected
from governd.errors import (
    DecisionLogError,
    GoverndError,
    IdentityError,
    MintError,
    RequestError,
)
from governd.observability.delegation_metrics import RESULTS, DelegationMetrics
from tests.fakes.forge import Forge, verified

ASKED = "governd_delegations_total"
TOLD = "governd_delegation_verifications_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def report(registry: CollectorRegistry) -> DelegationReport:
    return DelegationReport(DelegationMetrics(registry), structlog.get_logger("test"))


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ("refused", LoopError("a loop")),
        ("denied", MintError("no permit")),
        ("evidence", EvidenceError(EvidenceFault.FORM, "x")),
        ("evidence", EvidenceUnavailableError("x")),
        ("invalid", RequestError("x")),
        ("unavailable", IdentityError("x")),
        ("unavailable", DecisionLogError("x")),
    ],
)
def test_why_no_token_is_handed_out_is_counted(
    report: DelegationReport, registry: CollectorRegistry, result: str, error: GoverndError
) -> None:
    report.not_issued("mint", error)
    counts = {
        one: registry.get_sample_value(ASKED, {"operation": "mint", "result": one})
        for one in RESULTS
    }
    assert counts == {one: float(one == result) for one in RESULTS}


def test_what_is_issued_and_verified_is_counted_and_what_is_rejected_logged(
    report: DelegationReport, registry: CollectorRegistry
) -> None:
    forge = Forge()
    report.issued("extend", 0.001)
    report.verified(verified(forge, forge.token()), 0.001)
    with structlog.testing.capture_logs() as lines:
        report.verified(Rejected(Reason.REPLAYED, "was used already"), 0.001)
    assert lines == [
        {
            "event": "token rejected",
            "log_level": "warning",
            "result": "replayed",
            "error": "was used already",
        }
    ]
    issued = {"operation": "extend", "result": "issued"}
    assert registry.get_sample_value(ASKED, issued) == 1
    for result in ("verified", "replayed"):
        assert registry.get_sample_value(TOLD, {"result": result}) == 1
    took = "governd_delegation_seconds_count"
    assert registry.get_sample_value(took, {"operation": "verify"}) == 2
