"""When a server wants to be asked again, as its header says."""

from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.adapters.token_endpoint import retry_after
from tests.fakes.time import NOON

pytestmark = pytest.mark.req("avail-3", part=True)

NOW = NOON.timestamp()
DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("9" * 60, DAY),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW - 30, usegmt=True), 0.0),
        (formatdate(NOW + 2 * DAY, usegmt=True), DAY),
        (format_datetime(NOON), 0.0),
        *((text, None) for text in ("", "-1", "1.5", "soon", "٣", "1e3", "Thu, 99 Jan 2026")),
        ("9" * 65, None),
    ],
)
def test_seconds_or_a_date_and_at_most_a_day(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(st.text(max_size=80))
def test_whatever_it_is_nothing_is_raised(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or 0 <= seconds <= DAY
