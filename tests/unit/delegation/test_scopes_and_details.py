"""What is narrower is a subset, and what cannot be compared is refused."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.delegation.details import (
    ToolDetail,
    covered,
    parse_details,
    read_details,
    written,
)
from governd.delegation.scopes import MAX_SCOPES, read_scope, scopes_of
from governd.errors import RequestError
from tests.fakes.forge import DETAIL

WORDS = st.sampled_from(["a", "b", "c"])
LISTS = st.lists(WORDS, min_size=1, unique=True).map(lambda found: tuple(sorted(found)))
DETAILS = st.builds(ToolDetail, actions=LISTS, locations=LISTS, tools=LISTS)


def permitted(details: tuple[ToolDetail, ...]) -> set[tuple[str, str, str]]:
    """Everything that details permit, one by one."""
    return {
        what for one in details for what in itertools.product(one.actions, one.locations, one.tools)
    }


def test_scopes_have_one_form() -> None:
    assert scopes_of(["b", "a:b", "a"]) == ("a", "a:b", "b")
    assert read_scope("a a:b b", field="scope") == ("a", "a:b", "b")


@pytest.mark.parametrize("words", [["a", "a"], [""], ["a b"], [1], ["x" * 257], ["\\"], ['"']])
def test_what_is_no_scope_is_refused(words: list[object]) -> None:
    with pytest.raises(RequestError) as raised:
        scopes_of(words)
    assert raised.value.field == "scopes"


def test_there_are_so_many_scopes_and_no_more() -> None:
    words = [f"s{number}" for number in range(MAX_SCOPES + 1)]
    assert len(scopes_of(words[1:])) == MAX_SCOPES
    with pytest.raises(RequestError, match="more than"):
        scopes_of(words)


def test_details_are_read_in_any_order_and_have_one_form() -> None:
    shuffled = {**DETAIL, "tools": DETAIL["tools"][::-1]}
    (one,) = read_details([shuffled], field="details")
    assert one.members() == DETAIL
    assert one.canonical == (
        '{"actions":["call"],"locations":["https://github-mcp.example/mcp"],'
        '"tools":["list_issues","search_issues"],"type":"mcp_tool"}'
    )
    assert parse_details(written([one]).encode(), field="details") == (one,)
    assert json.loads(written([one])) == [DETAIL]


def test_no_text_is_no_details() -> None:
    assert parse_details(b"", field="details") == ()


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"{}", b'[],"x":[]', b"1", b"null", b"[" * 4000, b" " * 8193, b"\xff"]
)
def test_text_that_is_no_list_of_details_is_refused(text: bytes) -> None:
    with pytest.raises(RequestError) as raised:
        parse_details(text, field="details")
    assert raised.value.field == "details"


@given(st.lists(DETAILS, max_size=3), st.lists(DETAILS, max_size=3))
def test_what_is_covered_permits_nothing_more(
    child: list[ToolDetail], parent: list[ToolDetail]
) -> None:
    if covered(child, parent):
        assert permitted(tuple(child)) <= permitted(tuple(parent))


@given(DETAILS, DETAILS)
def test_one_covers_another_exactly_if_it_permits_all_of_it(
    one: ToolDetail, other: ToolDetail
) -> None:
    assert one.covers(other) == (permitted((other,)) <= permitted((one,)))


@given(st.lists(DETAILS))
def test_details_cover_themselves_and_nothing_is_covered_by_anything(
    details: list[ToolDetail],
) -> None:
    assert covered(details, details)
    assert covered([], details)
    assert covered(details, []) == (not details)
