"""What callers report is held to limits, and the field is named that breaks one."""

import math
from collections.abc import Callable

import pytest

from governd.audit.report import (
    LATENCY_BOUNDS,
    MAX_COUNT,
    check_count,
    check_counts,
    check_decision_id,
    check_seconds,
)
from governd.errors import RequestError

ENOUGH = len(LATENCY_BOUNDS) + 1


def test_what_is_in_range_is_taken() -> None:
    assert check_decision_id("0a" * 16, field="f") == "0a" * 16
    assert check_count(MAX_COUNT, field="f") == MAX_COUNT
    assert check_seconds(0.0, field="f") == 0
    assert check_counts((1,) * ENOUGH, field="f") == (1,) * ENOUGH


@pytest.mark.parametrize(
    "check",
    [
        lambda: check_decision_id("", field="f"),
        lambda: check_decision_id("0A" * 16, field="f"),
        lambda: check_decision_id("0a" * 16 + "\n", field="f"),
        lambda: check_count(-1, field="f"),
        lambda: check_count(0, field="f", least=1),
        lambda: check_count(MAX_COUNT + 1, field="f"),
        lambda: check_seconds(-0.1, field="f"),
        lambda: check_seconds(math.nan, field="f"),
        lambda: check_seconds(math.inf, field="f"),
        lambda: check_seconds(86_401, field="f"),
        lambda: check_counts((1,) * (ENOUGH - 1), field="f"),
        lambda: check_counts((MAX_COUNT + 1,) * ENOUGH, field="f"),
    ],
)
def test_what_is_not_is_refused(check: Callable[[], object]) -> None:
    with pytest.raises(RequestError, match=r"^f: expected") as refused:
        check()
    assert refused.value.field == "f"
