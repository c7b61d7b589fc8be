"""What is granted is never wider than what was asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import TokenRefusedError
from governd.tokens.scopes import granted, of_words, split

WORDS = st.lists(st.sampled_from(["read", "write", "admin"]), unique=True).map(
    lambda found: tuple(sorted(found))
)


@given(WORDS, st.lists(st.none() | WORDS, max_size=3))
def test_what_is_granted_is_a_subset_of_what_was_asked_for(
    asked: tuple[str, ...], stated: list[tuple[str, ...] | None]
) -> None:
    try:
        found = granted(asked, *stated)
    except TokenRefusedError as error:
        assert error.metadata == {"rule": "scope_widened"}
        assert any(set(one) - set(asked) for one in stated if one is not None)
    else:
        assert set(found) <= set(asked)
        assert all(set(one) <= set(asked) for one in stated if one is not None)


@given(st.text())
def test_words_have_one_form(text: str) -> None:
    found = split(text)
    if found is not None:
        assert split(" ".join(found)) == found == of_words(reversed(found))


@pytest.mark.parametrize("value", [None, 5, ["read"], "a\\b", 'a"b', "\x7f", "é", "a" * 257])
def test_what_is_no_words_is_none(value: object) -> None:
    assert split(value) is None


def test_the_longest_word_is_a_word() -> None:
    assert split("a" * 256) == ("a" * 256,)
