"""W3C trace context, rule by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.observability import trace
from governd.observability.trace import TraceContext

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
HEADER = f"00-{TRACE_ID}-{SPAN_ID}-01"


def hexes(digits: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=digits, max_size=digits)


CONTEXTS = st.builds(
    TraceContext,
    hexes(32).filter(lambda text: text.strip("0")),
    hexes(16).filter(lambda text: text.strip("0")),
    st.booleans(),
)


def test_a_header_of_version_zero_is_read() -> None:
    assert trace.parse(HEADER) == TraceContext(TRACE_ID, SPAN_ID, sampled=True)


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)]
)
def test_only_the_lowest_flag_says_sampled(flags: str, sampled: bool) -> None:
    context = trace.parse(f"00-{TRACE_ID}-{SPAN_ID}-{flags}")
    assert context is not None
    assert context.sampled is sampled


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(f"01-{TRACE_ID}-{SPAN_ID}-01", id="as long as version 00"),
        pytest.param(f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-will-be-like", id="longer"),
        pytest.param(f"fe-{TRACE_ID}-{SPAN_ID}-01-", id="only a dash more"),
    ],
)
def test_a_higher_version_is_read_as_far_as_it_is_known(header: str) -> None:
    assert trace.parse(header) == TraceContext(TRACE_ID, SPAN_ID, sampled=True)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="empty"),
        pytest.param(f"ff-{TRACE_ID}-{SPAN_ID}-01", id="version ff"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-01-more", id="version 00 with more"),
        pytest.param(f"01-{TRACE_ID}-{SPAN_ID}-01more", id="more without a dash"),
        pytest.param(f"00-{'0' * 32}-{SPAN_ID}-01", id="trace id of zeros"),
        pytest.param(f"00-{TRACE_ID}-{'0' * 16}-01", id="span id of zeros"),
        pytest.param(HEADER.upper(), id="upper case"),
        pytest.param(f" {HEADER}", id="blank before"),
        pytest.param(f"{HEADER}\n", id="line feed after"),
        pytest.param(HEADER.replace("-", "_"), id="other separator"),
        pytest.param(HEADER[:-1], id="too short"),
        pytest.param(HEADER.replace("4bf", "4bg"), id="not hex"),
        pytest.param(HEADER.replace("4", "\u0664"), id="digits of another script"),
    ],
)
def test_a_header_that_breaks_a_rule_is_ignored(header: str) -> None:
    assert trace.parse(header) is None


def test_the_header_is_found_among_other_metadata() -> None:
    metadata = (("user-agent", "test"), ("traceparent", HEADER), ("x-bin", b"\x00"))
    assert trace.from_metadata(metadata) == trace.parse(HEADER)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param((), id="absent"),
        pytest.param((("traceparent", HEADER), ("traceparent", HEADER)), id="twice"),
        pytest.param((("traceparent", HEADER.encode()),), id="bytes"),
    ],
)
def test_metadata_without_one_clear_header_has_no_trace(
    metadata: tuple[tuple[str, str | bytes], ...],
) -> None:
    assert trace.from_metadata(metadata) is None


@given(CONTEXTS)
def test_what_is_written_is_read_back(context: TraceContext) -> None:
    assert trace.parse(str(context)) == context


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"))
def test_whatever_is_sent_gives_a_valid_context_or_none(header: str) -> None:
    context = trace.parse(header)
    if context is not None:
        assert trace.parse(str(context)) == context
