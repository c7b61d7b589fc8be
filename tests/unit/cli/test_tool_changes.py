"""What differs between two definitions: member by member, line by line, word by word."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.cli import tool_changes
from governd.cli.tool_changes import Change, Line, Member, compare, whole

HELD = {"name": "a", "description": "One. Two. Three.", "annotations": {"readOnlyHint": True}}
MEMBERS = st.dictionaries(
    st.sampled_from("abc"), st.text() | st.lists(st.sampled_from("ab")), max_size=3
)


def of(members: list[Member], name: str) -> Member:
    return next(one for one in members if one.name == name)


def marked(line: Line) -> str | None:
    return None if line.marked is None else line.text[slice(*line.marked)]


def test_each_member_says_what_became_of_it() -> None:
    now = {"name": "a", "description": "One.", "outputSchema": {}}
    found = compare(HELD, now)
    assert [(one.name, one.change) for one in found] == [
        ("annotations", Change.REMOVED),
        ("description", Change.CHANGED),
        ("name", Change.SAME),
        ("outputSchema", Change.ADDED),
    ]
    assert [one.differs for one in found] == [True, True, False, True]
    assert {line.sign for line in of(found, "annotations").lines} == {"-"}
    assert [(line.sign, line.text) for line in of(found, "outputSchema").lines] == [
        ("+", '"outputSchema": {}')
    ]


def test_a_changed_sentence_is_the_only_line_that_changes() -> None:
    member = of(compare(HELD, {**HELD, "description": "One. Too. Three."}), "description")
    assert [(line.sign, line.text) for line in member.lines] == [
        (" ", '"description": ('),
        (" ", '  "One."'),
        ("-", '  " Two."'),
        ("+", '  " Too."'),
        (" ", '  " Three."'),
        (" ", ")"),
    ]


def marks(before: str, now: str) -> list[tuple[str, str | None]]:
    lines = compare({"a": [before]}, {"a": [now]})[0].lines
    return [(line.sign, marked(line)) for line in lines if line.sign != " "]


@pytest.mark.parametrize(
    ("before", "now", "old", "new"),
    [
        ("Sends nothing to us", "Sends all to us", "nothing", "all"),
        ("Sends it to us", "Sends it all to us", None, "all "),
        ("Sends it all to us", "Sends it to us", "all ", None),
        ("to us and us", "to us", " and us", None),
        ("send it", "send\u200b it", None, "\\u200b"),
        ("one two", "three four", None, None),
    ],
)
def test_what_changed_within_a_line_is_marked(
    before: str, now: str, old: str | None, new: str | None
) -> None:
    assert marks(before, now) == [("-", old), ("+", new)]


def test_lines_far_from_a_change_are_left_out() -> None:
    before = [str(number) for number in range(40)]
    lines = compare({"a": before}, {"a": ["x", *before[1:-1], "y"]})[0].lines
    assert [line.sign for line in lines] == [*" -+   ~   -+ "]


def test_what_the_policy_source_does_not_state_is_shown_and_no_difference() -> None:
    found = compare({"name": "a"}, HELD, partial=True)
    assert not any(one.differs for one in found)
    assert of(found, "description").change is Change.NEW
    assert {line.sign for line in of(found, "description").lines} == {" "}


def test_what_the_policy_source_states_and_the_server_lacks_is_a_difference() -> None:
    assert of(compare(HELD, {"name": "a"}, partial=True), "description").differs


def test_a_definition_alone_has_all_its_lines() -> None:
    assert [line.text for line in whole({"b": 1, "a": 2}, "+")] == ['"a": 2', '"b": 1']
    assert {line.sign for line in whole({"a": 1})} == {" "}


@pytest.mark.parametrize("size", [tool_changes.MOST_LINES, 100_000])
def test_a_definition_made_to_take_hours_is_shown_uncompared(size: int) -> None:
    lines = compare({"a": ["x"] * size}, {"a": ["x", "y"] * (size // 2)})[0].lines
    assert sum(line.sign == "-" for line in lines) == size + 2
    assert sum(line.sign == "+" for line in lines) == size + 2


@given(MEMBERS, MEMBERS)
def test_both_definitions_can_be_read_off_a_comparison(
    held: dict[str, Any], registered: dict[str, Any]
) -> None:
    for one in compare(held, registered):
        assert one.differs == (held.get(one.name) != registered.get(one.name))
        for sign, definition in (("-", held), ("+", registered)):
            if one.differs and not any(line.sign == "~" for line in one.lines):
                texts = [line.text for line in one.lines if line.sign in {" ", sign}]
                in_it = {name: definition[name] for name in definition if name == one.name}
                assert not in_it or set(texts) <= {line.text for line in whole(in_it)}
