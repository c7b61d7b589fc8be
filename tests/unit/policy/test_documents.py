"""Files are read strictly, and every mistake is kept with its place."""

import pytest
from pydantic import BaseModel

from governd.errors import PolicyError, Problem
from governd.policy import documents
from governd.policy.documents import Documents


class Wanted(BaseModel):
    name: str = ""
    count: int = 0


def problems_of(content: bytes, kind: str) -> list[str]:
    files = Documents({"f": content})
    assert (files.json("f") if kind == "json" else files.toml("f", Wanted)) is None
    return [str(problem) for problem in files.problems]


BAD_JSON = {
    "a member twice": (b'{"a":1,"a":2}', "f: is not JSON: an object has a member twice"),
    "NaN": (b"[NaN]", "f: is not JSON: NaN is not a number in JSON"),
    "Infinity": (b"[-Infinity]", "f: is not JSON: -Infinity is not a number in JSON"),
    "an integer of 5000 digits": (b"9" * 5000, "f: is not JSON: Exceeds the limit"),
    "depth": (b"[" * 100_000, "f: is not JSON: maximum recursion depth"),
    "a mistake on line 2": (b'[\n"a" "b"]', "f:2: is not JSON: expecting"),
    "a byte order mark": (b"\xef\xbb\xbf[]", "f:1: is not JSON: unexpected utf-8 bom"),
    "null": (b"null", "f: is null"),
    "invalid UTF-8": (b"[\n\xff]", "f:2: is not valid UTF-8"),
    "half a character in a string": (
        b'[\n"a\\ud83d\\ude00",\n{"b": "\\uD800x"}]',
        "f:3: has \\ud800 alone, which is half a character",
    ),
    "half a character in a key": (
        b'{"\\udfff": 1}',
        "f:1: has \\udfff alone, which is half a character",
    ),
}


@pytest.mark.parametrize(("content", "said"), BAD_JSON.values(), ids=BAD_JSON.keys())
def test_json_is_strict(content: bytes, said: str) -> None:
    assert problems_of(content, "json")[0].startswith(said)


BAD_TOML = {
    "a key twice": (b"name = 'a'\nname = 'b'\n", "f:2: is not TOML: "),
    "an integer of 5000 digits": (b"count = " + b"9" * 5000, "f: is not TOML: Exceeds the limit"),
    "depth": (b"a = " + b"[" * 100_000, "f: is not TOML: maximum recursion depth"),
    "half a character in a string": (b'name = "\\ud800"', "f:1: is not TOML: "),
    "half a character in a key": (b'"\\udfff" = 1', "f:1: is not TOML: "),
    "another type": (b"\ncount = 'x'", "f:2: count: input should be a valid integer"),
}


@pytest.mark.parametrize(("content", "said"), BAD_TOML.values(), ids=BAD_TOML.keys())
def test_toml_is_strict(content: bytes, said: str) -> None:
    assert problems_of(content, "toml")[0].startswith(said)


def test_a_whole_character_in_two_escapes_is_one() -> None:
    assert Documents({"f": b'["\\ud83d\\ude00"]'}).json("f") == ["\U0001f600"]


def test_a_problem_can_be_told_whatever_it_is_about() -> None:
    problem = Problem("policies/\udcff.cedar", 1, "names \ud800 and é")
    assert str(problem) == "policies/\\udcff.cedar:1: names \\ud800 and é"
    assert PolicyError([problem]).metadata["file"].encode() == b"policies/\\udcff.cedar"


def test_a_file_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_FILE_BYTES", 10)
    files = Documents({"f": b"x" * 11, "g": b"x" * 10})
    assert (files.text("f"), files.text("g")) == ("", "x" * 10)
    assert str(files.problems[0]) == "f: has more than 10 bytes"


def test_a_mistake_of_the_whole_has_no_line() -> None:
    files = Documents({"f": b"1"})
    assert files.model("f", Wanted, 1) is None
    assert files.problems[0].line == 0


def test_what_is_not_in_a_file_has_no_line() -> None:
    assert Documents({"f": b"a\nb"}).line_of("f", "c") == 0
    assert Documents({"f": b"a\nb"}).line_of("f", "b") == 2


def test_values_are_read() -> None:
    files = Documents({"f": b'{"a": [1, null]}', "g": b"name = 'x'"})
    assert files.json("f") == {"a": [1, None]}
    assert files.toml("g", Wanted) == Wanted(name="x")
    assert files.paths() == {"f", "g"}
    assert "f" in files
    assert "h" not in files
    files.check()


def test_each_problem_is_told_once_by_file_and_line() -> None:
    files = Documents({})
    for file, line in [("b", 1), ("a", 2), ("a", 1), ("b", 1)]:
        files.problem(file, line, "wrong")
    with pytest.raises(PolicyError) as error:
        files.check()
    assert str(error.value) == "a:1: wrong\na:2: wrong\nb:1: wrong"
