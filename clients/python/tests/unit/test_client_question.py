"""How questions are written: strictly, or not at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd_client import ArgumentsInvalidError, InvalidRequestError, Question, Resource
from governd_client.question import _require_text_keys, arguments_json, key_of
from governd_client.terms import Terms

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)  # fmt: skip
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": float("nan")},
        {"amount": float("inf")},
        {"nested": [{"amount": float("-inf")}]},
        {1: "one"},
        {"nested": [{None: 1}]},
        {"nested": ({True: 1},)},
        {"text": "\ud800"},
        {"object": object},
        {"data": b"bytes"},
        ["not", "an", "object"],
        "text",
    ],
    ids=repr,
)
def test_arguments_that_json_would_bend_are_refused_before_sending(
    arguments: dict[str, object],
) -> None:
    with pytest.raises(ArgumentsInvalidError) as caught:
        Question("tools/call", Resource("tool", "git/x"), arguments).to_proto()
    assert caught.value.field == "context.arguments_json"


def test_arguments_that_contain_themselves_are_refused() -> None:
    loop: dict[str, object] = {}
    loop["self"] = loop
    deep: dict[str, object] = {}
    for _ in range(200_000):
        deep = {"deeper": deep}
    for arguments in (loop, deep):
        with pytest.raises(ArgumentsInvalidError):
            arguments_json(arguments)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON))
def test_arguments_arrive_as_they_were(arguments: dict[str, object]) -> None:
    assert json.loads(arguments_json(arguments)) == arguments


class Text(str):
    """Text that takes itself for any other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:  # noqa: D105 - see above
        return True

    __hash__ = str.__hash__


@given(
    st.dictionaries(
        st.text() | st.integers() | st.booleans() | st.none() | st.builds(Text),
        JSON
        | st.floats()
        | st.lists(st.floats() | st.text())
        | st.dictionaries(st.integers(), JSON),
    )
)
def test_the_quick_way_refuses_and_writes_what_the_thorough_one_does(arguments: Any) -> None:
    try:
        _require_text_keys(arguments)
        wanted = json.dumps(
            arguments, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError):
        with pytest.raises(ArgumentsInvalidError):
            arguments_json(arguments)
    else:
        assert arguments_json(arguments) == wanted


def test_no_objects_own_idea_of_equality_makes_two_questions_one() -> None:
    key = key_of(Text("tools/call"), (Text("tool"), Text("git/x")), None, Text("spiffe://a/b"))
    assert {type(each) for each in key[:4]} == {str}
    assert key == key_of("tools/call", ("tool", "git/x"), None, "spiffe://a/b")
    assert key != key_of("tools/list", ("tool", "git/x"), None, "spiffe://a/b")


@pytest.mark.parametrize("arguments", [{"n": 1}, {"n": 1.0}, {"n": True}, {"n": "1"}, {"n": [1]}])
def test_arguments_that_python_takes_for_equal_are_different_questions(
    arguments: dict[str, object],
) -> None:
    others: list[dict[str, object]] = [{"n": 1}, {"n": 1.0}, {"n": True}, {"n": "1"}, {"n": [1]}]
    keys = [key_of("a", ("tool", "x"), each, None) for each in others]
    assert keys.count(key_of("a", ("tool", "x"), arguments, None)) == 1


def test_no_arguments_and_empty_arguments_differ() -> None:
    without = Question("tools/call", ("tool", "git/x")).to_proto()
    empty = Question("tools/call", ("tool", "git/x"), {}).to_proto()
    assert not without.HasField("context")
    assert empty.context.arguments_json == b"{}"


def test_no_subject_means_the_asking_workload() -> None:
    assert not Question("tools/list", ("mcp_server", "git")).to_proto().HasField("subject")


@pytest.mark.parametrize(
    ("action", "resource"),
    [("\ud800", ("tool", "x")), ("a", "tool"), ("a", ("tool", 1)), (b"a", ("tool", "x"))],
    ids=repr,
)
def test_question_that_is_not_text_is_refused_before_sending(
    action: str, resource: tuple[str, str]
) -> None:
    with pytest.raises(InvalidRequestError):
        Question(action, resource).to_proto()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_there_is_no_call_without_an_end(timeout: float) -> None:
    with pytest.raises(InvalidRequestError):
        Terms().of_call(timeout, None)


@pytest.mark.parametrize("trace", [TRACE.upper(), TRACE + "\n", "x", TRACE + "\x00", "é"])
def test_malformed_trace_context_is_left_out(trace: str) -> None:
    assert Terms().of_call(None, trace)["metadata"] == ()


def test_trace_context_is_taken_from_the_call_before_the_callable() -> None:
    terms = Terms(traceparent=lambda: TRACE)
    other = TRACE.replace("0af", "1af")
    assert terms.of_call(None, None)["metadata"] == (("traceparent", TRACE),)
    assert terms.of_call(None, other)["metadata"] == (("traceparent", other),)
