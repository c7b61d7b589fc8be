"""Which entries of a list may be shown: what is asked, and what may be taken for an answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from google.rpc import status_pb2
from hypothesis import given
from hypothesis import strategies as st

from governd_client import (
    AsyncClient,
    Client,
    Filtered,
    InvalidRequestError,
    Kind,
    ListPhase,
    MalformedAnswerError,
    UnavailableError,
)
from governd_client._proto.governd.v1 import tool_service_pb2
from governd_client.testing import DECISION_ID, FakeGovernd

AGENT = "spiffe://example.org/agent/writer"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = ["git_log", "git_commit", "git_reset"]
Ask = Callable[..., Awaitable[Filtered]]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, governd: FakeGovernd) -> Ask:
    """``filter_tools`` of either client, so that each test holds for both."""

    async def call(*args: Any, **terms: Any) -> Filtered:
        if request.param == "sync":
            with Client(port=governd.port()) as client:
                return client.filter_tools(*args, **terms)
        async with AsyncClient(port=governd.async_port()) as client:
            return await client.filter_tools(*args, **terms)

    return call


async def test_the_list_arrives_whole_and_in_order(governd: FakeGovernd, ask: Ask) -> None:
    await ask(
        "git",
        NAMES,
        kind=Kind.PROMPT,
        subject=AGENT,
        phase=ListPhase.BOOTSTRAP,
        digests=["sha-256:aa", "", "sha-256:bb"],
        traceparent=TRACE,
    )
    [asked] = governd.requests
    assert (asked.server, asked.subject.id) == ("git", AGENT)
    assert asked.kind == tool_service_pb2.DEFINITION_KIND_PROMPT
    assert asked.phase == tool_service_pb2.LIST_PHASE_BOOTSTRAP
    assert [(each.name, each.digest) for each in asked.definitions] == [
        ("git_log", "sha-256:aa"),
        ("git_commit", ""),
        ("git_reset", "sha-256:bb"),
    ]
    assert governd.metadata == {"traceparent": TRACE}


async def test_unless_told_otherwise_it_is_about_the_caller_and_its_tools(
    governd: FakeGovernd, ask: Ask
) -> None:
    await ask("git", NAMES)
    [asked] = governd.requests
    assert not asked.HasField("subject")
    assert asked.kind == tool_service_pb2.DEFINITION_KIND_TOOL
    assert asked.phase == tool_service_pb2.LIST_PHASE_CALL


@pytest.mark.req("gi-5", part=True)
async def test_what_is_shown_keeps_its_order_and_all_else_is_hidden(
    governd: FakeGovernd, ask: Ask
) -> None:
    governd.shows = lambda _: [0, 2]
    governd.lease = 2.5
    answer = await ask("git", NAMES)
    assert answer.shown == (0, 2)
    assert answer.keep(NAMES) == ["git_log", "git_reset"]
    assert (answer.decision_id, answer.valid_for, answer.policy.epoch) == (DECISION_ID, 2.5, "1")


async def test_nothing_is_shown_and_nothing_may_be_reused_unless_the_answer_says_so(
    ask: Ask,
) -> None:
    answer = await ask("git", NAMES)
    assert (answer.keep(NAMES), answer.valid_for) == ([], 0.0)


@pytest.mark.parametrize("shown", [[1, 0], [0, 0], [0, 1, 1], [3], [0, 4_000_000_000]])
async def test_an_answer_that_cannot_be_about_this_list_shows_nothing(
    governd: FakeGovernd, ask: Ask, shown: list[int]
) -> None:
    governd.shows = lambda _: shown
    with pytest.raises(MalformedAnswerError):
        await ask("git", NAMES)


async def test_governd_away_shows_nothing(governd: FakeGovernd, ask: Ask) -> None:
    governd.shows = lambda _: [0]
    governd.status = status_pb2.Status(code=14)
    with pytest.raises(UnavailableError):
        await ask("git", NAMES)


@pytest.mark.parametrize(
    ("server", "names", "terms"),
    [
        ("git\ud800", NAMES, {}),
        ("git", ["a\ud800"], {}),
        ("git", [b"\xff"], {}),
        ("git", [7], {}),
        ("git", NAMES, {"digests": [""]}),
        ("git", NAMES, {"digests": [*NAMES, ""]}),
        ("git", NAMES, {"digests": ["\ud800", "", ""]}),
        ("git", NAMES, {"subject": "\ud800"}),
        ("git", NAMES, {"timeout": 0.0}),
    ],
    ids=repr,
)
async def test_a_list_that_cannot_be_written_is_not_asked_about(
    governd: FakeGovernd, ask: Ask, server: str, names: Any, terms: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError):
        await ask(server, names, **terms)
    assert governd.requests == []


async def test_what_is_shown_of_one_list_cannot_be_kept_of_another(
    governd: FakeGovernd, ask: Ask
) -> None:
    governd.shows = lambda _: [2]
    answer = await ask("git", NAMES)
    for other in (NAMES[:2], [*NAMES, "git_push"], []):
        with pytest.raises(ValueError, match="3"):
            answer.keep(other)


@given(
    shown=st.lists(st.integers(0, 2**32 - 1), max_size=8),
    listed=st.integers(0, 8),
    decision_id=st.one_of(st.just(DECISION_ID), st.text(max_size=40)),
    lease=st.none() | st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1)),
)
def test_whatever_is_answered_no_entry_is_shown_twice_out_of_order_or_out_of_the_list(
    shown: list[int], listed: int, decision_id: str, lease: tuple[int, int] | None
) -> None:
    answer = tool_service_pb2.FilterToolsResponse(shown=shown, decision_id=decision_id)
    if lease is not None:
        answer.lease.valid_for.seconds, answer.lease.valid_for.nanos = lease
    sound = shown == sorted(set(shown)) and all(each < listed for each in shown)
    try:
        read = Filtered.from_proto(answer, listed)
    except MalformedAnswerError:
        assert not sound or decision_id != DECISION_ID
        return
    assert sound
    assert read.keep(range(listed)) == shown
    assert 0 <= read.valid_for < 2**64
