"""A secret shows nowhere but to who asks for it by name."""

import copy
import dataclasses
import pickle
import traceback

import pytest

from governd.identity.secret import Secret

HIDDEN = b"-----BEGIN PRIVATE KEY-----"


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{!r:>99}".format, lambda it: f"{it:x}", lambda it: "%s" % it],  # noqa: UP031
)
def test_no_text_of_a_secret_shows_it(show: object) -> None:
    assert callable(show)
    shown = show(Secret(HIDDEN))
    assert "Secret" in shown
    assert "PRIVATE" not in shown


def test_it_is_hidden_inside_other_values() -> None:
    @dataclasses.dataclass
    class Holder:
        secret: Secret

    assert "PRIVATE" not in f"{Holder(Secret(HIDDEN))} {[Secret(HIDDEN)]} {vars(Holder)}"


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_neither_pickled_nor_copied(take: object) -> None:
    assert callable(take)
    with pytest.raises(TypeError, match="secret") as raised:
        take(Secret(HIDDEN))
    assert "PRIVATE" not in "".join(traceback.format_exception(raised.value))


def test_it_has_no_dictionary_to_look_into() -> None:
    with pytest.raises(TypeError):
        vars(Secret(HIDDEN))


def test_who_asks_gets_it() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_secrets_are_equal_if_they_hide_the_same() -> None:
    assert Secret(HIDDEN) == Secret(HIDDEN)
    assert Secret(HIDDEN) != Secret(HIDDEN + b"\n")
    assert Secret(HIDDEN) != HIDDEN


def test_a_secret_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(Secret(HIDDEN))
