"""YAML with one meaning, bounded."""

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from governd.cli import strict_yaml

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["C", "Z"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("True", "True"),
        ("~", None),
        ("null", None),
        ("'1'", "1"),
        ("<<", "<<"),
        ("-.inf", -math.inf),
        ("", None),
        ("a:", {"a": None}),
        ("!!str 1", "1"),
    ],
)
def test_a_scalar_is_what_the_core_schema_says(text: str, value: object) -> None:
    found = strict_yaml.read(text)[1]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", 'the key "a" twice'),
        ("1: a", "a key that is no text"),
        ("[a]: b", "a key that is no text"),
        ("a: &x 1\nb: *x", "an alias"),
        ("a: !!python/object/apply:os.system [id]", "the tag tag:yaml.org,2002:python"),
        ("a: !!binary aGk=", "the tag"),
        ("a: !mine 1", "the tag !mine"),
        ("a: !!int nope", "does not fit its type"),
        ("a: " + "9" * 5000, "does not fit its type"),
        ("a: [1", "expected ',' or ']'"),
        ("--- 1\n--- 2", "but found another document"),
    ],
)
def test_what_could_surprise_is_refused(text: str, said: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        strict_yaml.read(text)
    assert said in str(caught.value)
    assert caught.value.problem_mark is not None


def test_a_bomb_of_nesting_ends_in_an_error() -> None:
    with pytest.raises(RecursionError):
        strict_yaml.read("[" * 100_000)


@given(JSON)
def test_json_means_the_same_as_yaml(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert strict_yaml.read(text)[1] == json.loads(text)


@given(st.text(max_size=60) | st.text("{}[]:,&*!|>-'\"# \n\tab1", max_size=60))
def test_any_text_is_a_value_or_an_error(text: str) -> None:
    try:
        _, value = strict_yaml.read(text)
    except yaml.YAMLError:
        return
    json.dumps(value)
