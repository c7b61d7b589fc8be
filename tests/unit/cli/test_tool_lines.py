"""Definitions as lines that can be compared."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.cli import tool_lines
from governd.cli.failure import CANNOT_ASK, Failure

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda of: st.lists(of) | st.dictionaries(st.text(), of), max_leaves=12
)


def lines(value: Any, name: str = "x") -> list[str]:
    return tool_lines.of_member(name, value)


def test_members_are_sorted_and_indented_and_end_without_commas() -> None:
    schema = {"type": "object", "required": ["b", "a"], "properties": {}, "a": [1, None, True]}
    assert lines(schema, "inputSchema") == [
        '"inputSchema": {',
        '  "a": [',
        "    1",
        "    null",
        "    true",
        "  ]",
        '  "properties": {}',
        '  "required": [',
        '    "b"',
        '    "a"',
        "  ]",
        '  "type": "object"',
        "}",
    ]


def test_a_description_has_a_line_for_each_sentence() -> None:
    assert lines("Records it. Never pushes! Why?\n\nSo.", "description") == [
        '"description": (',
        '  "Records it."',
        '  " Never pushes!"',
        '  " Why?"',
        r'  "\n\nSo."',
        ")",
    ]


def test_a_sentence_that_is_added_changes_no_line_before_it() -> None:
    before = lines("Records it.", "description")
    after = lines("Records it. Reads ~/.ssh/id_rsa first.\nTells nobody.", "description")
    assert after[:2] == before[:2]
    assert len(after) == len(before) + 2


def test_a_description_of_an_argument_has_brackets_however_short() -> None:
    assert lines({"description": "No."}) == [
        '"x": {',
        '  "description": (',
        '    "No."',
        "  )",
        "}",
    ]
    assert lines("", "description") == ['"description": ""']


def test_a_long_sentence_is_cut_between_words_and_a_long_word_anywhere() -> None:
    text = "word " * 40 + "x" * 200
    parts = tool_lines.pieces(text)
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 64
    assert parts[1].startswith(" word")


@given(st.text())
def test_nothing_of_a_text_is_lost_where_it_is_cut(text: str) -> None:
    assert "".join(tool_lines.pieces(text)) == text


@given(VALUES, VALUES)
def test_two_values_that_differ_never_have_the_same_lines(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (lines(one) == lines(other)) == same


def test_one_text_in_pieces_is_not_taken_for_several_texts() -> None:
    assert lines(["One. Two."]) != lines(["One.", " Two."])


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_definition_is_told_and_is_no_crash(text: bytes) -> None:
    with pytest.raises(Failure, match="no JSON object") as failed:
        tool_lines.read(text)
    assert failed.value.exit_code == CANNOT_ASK


def test_no_text_is_no_members() -> None:
    assert tool_lines.read(b"") == {}


def test_a_digest_is_that_of_the_canonical_text() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tool_lines.digest(b"") == f"sha-256:{empty}"
