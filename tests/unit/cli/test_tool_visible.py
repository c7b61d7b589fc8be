r"""What servers wrote reaches the operator's eyes as it reaches the model."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.cli.tool_visible import quoted, visible
from tests.unit.cli.tool_answers import EVIL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\x9b31mb", r"a\x9b31mb"),
        ("a\nb\rc\td\x00", r"a\nb\rc\td\x00"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("a\ud800b", r"a\ud800b"),
    ],
)
def test_a_description_with_terminal_escapes_moves_nothing(text: str, said: str) -> None:
    assert visible(text) == said


@pytest.mark.parametrize("code", [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200F, 0x61C])
def test_a_character_that_turns_the_line_is_shown(code: int) -> None:
    assert visible(f"a{chr(code)}b") == f"a\\u{code:04x}b"


@pytest.mark.parametrize(
    "code",
    [
        *(0xA0, 0xAD, 0x34F, 0x115F, 0x180E, 0x200B, 0x200D, 0x2060, 0x2800, 0x3000, 0x3164),
        *(0xFE0F, 0xFEFF, 0xFFA0, 0xE000),
    ],
)
def test_a_character_that_nobody_sees_is_shown(code: int) -> None:
    assert visible(f"a{chr(code)}b") == "a" + chr(code).encode("unicode_escape").decode() + "b"


def test_words_hidden_in_tags_and_selectors_are_shown() -> None:
    hidden = "".join(chr(0xE0000 + ord(one)) for one in "hi") + chr(0xE0101)
    assert visible(f"a{hidden}") == r"a\U000e0068\U000e0069\U000e0101"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p\u0430ypal", r"p\u0430ypal"),
        ("git_\u0441ommit", r"git_\u0441ommit"),
        ("\u03bfk", r"\u03bfk"),
        ("\u13a0b", r"\u13a0b"),
    ],
)
def test_a_letter_that_looks_like_a_latin_one_is_shown_among_latin_ones(
    text: str, said: str
) -> None:
    assert visible(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "für das Café",
        "привет, мир",
        "Ελληνικά",
        "日本語のAPIを使う",
        "हिन्दी",
        "ภาษาไทยน้ำ",
        "a \u2018b\u2019 \u2014 ✓",
    ],
)
def test_the_languages_of_the_world_stay_as_they_are(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [("cafe\u0301", r"cafe\u0301"), ("\u212aelvin", r"\u212aelvin"), ("\u1112\u1161", r"ᄒ\u1161")],
)
def test_two_spellings_that_look_the_same_are_told_apart(text: str, said: str) -> None:
    assert visible(text) == said
    assert visible(unicodedata.normalize("NFC", text)) == unicodedata.normalize("NFC", text)


def test_marks_stacked_over_other_lines_are_shown() -> None:
    pile = "\u0e19" + "\u0e49" * 2 + "\u0e4d" * 3
    assert visible(pile) == "\u0e19\u0e49\u0e49" + r"\u0e4d" * 3


def test_a_mark_without_a_letter_is_shown() -> None:
    assert visible("\u0e49") == r"\u0e49"
    assert visible("a \u0e49") == r"a \u0e49"


def test_quotes_cannot_be_ended_from_within() -> None:
    assert quoted('a"b\\') == r'"a\"b\\"'


def test_a_text_that_spells_an_escape_is_no_such_character() -> None:
    assert quoted("\\u200b") == r'"\\u200b"'
    assert quoted("\u200b") == r'"\u200b"'


@given(st.text(st.one_of(st.characters(), st.sampled_from(EVIL + 'a\\"\u0430\u0301'))))
def test_whatever_is_written_stays_on_its_line_and_shows_all_of_itself(text: str) -> None:
    said = visible(text)
    assert not any(unicodedata.category(one) in {"Cc", "Cf", "Cn", "Co", "Cs"} for one in said)
    assert len(said.splitlines()) == (1 if said else 0)
    assert visible(said) == said or "\\" in said
    assert (quoted(text) == quoted(text[:-1])) == (not text)
