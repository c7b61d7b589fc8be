"""The cut into single policies is Cedar's own, and nothing takes the process down."""

import json
from collections.abc import Callable

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import PolicyError
from governd.policy.statements import (
    MAX_NESTING,
    MAX_PATH,
    MAX_STATEMENT_CHARS,
    parse_statements,
    refuse_deep,
    refuse_namespaces,
    split_statements,
)

PERMIT = "permit (principal, action, resource);"
FORBID = "forbid (principal, action, resource);"


def cut(text: str) -> list[str]:
    return [statement.text for statement in split_statements("x.cedar", text)]


def when(condition: str) -> str:
    return f"permit (principal, action, resource) when {{ {condition} }};"


def refusal(text: str) -> str:
    with pytest.raises(PolicyError) as error:
        parse_statements(split_statements("x.cedar", text))
    return str(error.value)


def test_each_policy_has_its_text_and_its_line() -> None:
    text = f'// first\n\n@id("a")\n{PERMIT}\n{FORBID} {PERMIT}'
    found = split_statements("x.cedar", text)
    assert [(one.line, one.text) for one in found] == [
        (3, f'@id("a")\n{PERMIT}'),
        (5, FORBID),
        (5, PERMIT),
    ]


@pytest.mark.parametrize("text", ["", " \n\t", "// nothing", "// nothing\r\n"])
def test_a_file_without_policies_is_one(text: str) -> None:
    assert cut(text) == []


@pytest.mark.parametrize(
    "condition",
    [
        '"a;b" == "c"',
        r'"\";" == "c"',
        r'"\\" == ";"',
        '"//" == "c"',
        '"}" == "{"',
        '"a\nb;" == "c"',
        "true // it is; really",
        "{a: 1} == {a: 2}",
    ],
)
def test_a_semicolon_in_a_string_or_comment_ends_nothing(condition: str) -> None:
    assert cut(f"{when(condition).replace('};', chr(10) + '};')}{FORBID}")[1:] == [FORBID]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_comment_ends_where_cedar_ends_it(end: str) -> None:
    """Else a forbid behind a carriage return would be lost without a word."""
    assert cut(f"// look here{end}{FORBID}") == [FORBID]


def test_a_string_that_does_not_end_is_refused_with_its_line() -> None:
    assert refusal(f'{PERMIT}\n@id("x) {PERMIT}') == (
        "x.cedar:2: policy: has a string that does not end"
    )


def test_text_behind_the_last_semicolon_is_refused() -> None:
    assert refusal(f"{PERMIT}\n\nforbid (principal, action, resource)") == (
        "x.cedar:3: policy: does not end with a semicolon"
    )


def test_an_overlong_policy_is_refused() -> None:
    text = f"@id({json.dumps('x' * MAX_STATEMENT_CHARS)}) {PERMIT}"
    assert "has more than 16384 characters" in refusal(f"{PERMIT}\n{text}")


DEEP = {
    "parentheses": when("(" * 10_000 + "true" + ")" * 10_000),
    "parentheses that close first": when(")" * 9_000 + "(" * 10_000),
    "brackets": when("[" * 10_000),
    "braces": when("{" * 10_000),
    "ifs": when("if true then true else " * 10_000 + "true"),
    "calls": when("principal.contains(" * 10_000),
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_ten_thousand_levels_are_refused_before_cedar_overflows(text: str) -> None:
    assert f"nested deeper than {MAX_NESTING} levels" in refusal(text)


LONG = {
    "operators": when("1" + "+1" * 7_000 + " == 1"),
    "conjuncts": when("true" + "&&true" * 2_000),
    "indices": when("principal" + '["a"]' * 2_000 + " == 1"),
    "sixty conjuncts": when("true" + " && principal is Agent" * 60),
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_what_cedar_could_not_read_back_is_refused(text: str) -> None:
    assert "too many operators in a row" in refusal(PERMIT + "\n" + text)
    assert refusal(PERMIT + "\n" + text).startswith("x.cedar:2: ")


def test_a_long_path_is_refused_because_has_makes_a_square_of_it() -> None:
    said = f"has a path of more than {MAX_PATH} names"
    assert said in refusal(when("principal has a" + ".a" * 4_000))
    assert said in refusal(when("principal has a" + " . a" * 2_000))
    assert said in refusal(when("principal has a" + ".// dot\na" * 1_000))


def test_what_is_as_deep_or_long_as_the_limits_is_taken() -> None:
    texts = [
        when("(" * (MAX_NESTING - 1) + "true" + ")" * (MAX_NESTING - 1)),
        when("true" + " && true" * 50),
        when(" && ".join(["context has a.b.c"] * 10)),
        when('"' + "." * 200 + '" == "("'),
    ]
    assert len(parse_statements(split_statements("x.cedar", "\n".join(texts)))) == len(texts)


@pytest.mark.parametrize(
    "text",
    ["type T = " + "Set<" * 20_000, "entity E = " + "{a: " * 20_000, ">" * 99 + "Set<" * 20_000],
)
def test_a_deep_schema_is_refused_before_cedar_overflows(text: str) -> None:
    said = r"^schema\.cedarschema:1: schema: is nested deeper than 64 levels$"
    with pytest.raises(PolicyError, match=said):
        refuse_deep("schema.cedarschema", text)


def test_a_flat_schema_is_not_deep() -> None:
    refuse_deep("schema.cedarschema", "entity A = {a:Set<Long>,b:Set<Long>}; // <<<\n" * 100)
    refuse_deep("schema.cedarschema", 'action "' + "<" * 100 + '";')


@pytest.mark.parametrize("check", [refuse_deep, refuse_namespaces])
def test_a_schema_with_a_string_that_does_not_end_is_refused_as_a_schema(
    check: Callable[[str, str], None],
) -> None:
    with pytest.raises(PolicyError, match=r"^s:2: schema: has a string that does not end$"):
        check("s", 'entity A;\naction "x;')


NAMESPACES = {
    "alone": "\nnamespace N { entity X; }",
    "behind a declaration": "entity A;\nnamespace N {}",
    "behind another on one line": "entity A;type B = Long;\n namespace\nN::M{}",
    "behind an annotation": '@doc("x")\nnamespace N {}',
    "behind an annotation without a value": "@doc\nnamespace N {}",
    "behind an annotation in pieces": "@ doc\nnamespace N {}",
    "behind a comment": "entity A; // namespace\nnamespace// x\nN {}",
}


@pytest.mark.parametrize("text", NAMESPACES.values(), ids=NAMESPACES.keys())
def test_a_namespace_in_the_schema_is_refused_with_its_line(text: str) -> None:
    """No question could name what is in it, so policies about it would never apply."""
    cedarpy.Schema.from_str(text)
    said = r"^s:2: schema: namespaces are not supported in the schema extension$"
    with pytest.raises(PolicyError, match=said):
        refuse_namespaces("s", text)


@pytest.mark.parametrize(
    "text",
    [
        "entity namespace;",
        "entity A = { namespace: Long, b: Long };",
        "entity A, namespace;\nentity B in namespace;",
        "entity A;\naction namespace appliesTo { principal: [A], resource: [A] };",
        "type namespace = Long;\ntype B = namespace;",
        'action "; namespace N {}"; // ; namespace N {}',
        "entity A;\n// namespace N {}\nentity B;",
        "entity namespaces;",
    ],
)
def test_the_word_namespace_is_a_name_elsewhere(text: str) -> None:
    cedarpy.Schema.from_str(text)
    refuse_namespaces("s", text)


def test_every_policy_that_does_not_parse_is_named() -> None:
    text = f"permit (oops);\n{PERMIT}\nforbid (principal);"
    lines = refusal(text).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["x.cedar:1", "x.cedar:3"]


@pytest.mark.parametrize(
    "slot",
    ["principal == ?principal, action, resource", "principal, action, resource in ?resource"],
)
def test_a_template_is_refused(slot: str) -> None:
    assert "templates are not supported" in refusal(f"{PERMIT} permit ({slot});")


def test_two_policies_in_one_piece_are_refused() -> None:
    """However that came about, the cut and Cedar disagree."""
    piece = split_statements("x.cedar", PERMIT)[0]
    two = type(piece)(piece.file, piece.line, PERMIT + FORBID)
    with pytest.raises(PolicyError):
        parse_statements([two])


NOISE = st.sampled_from(
    [" ", "\n", "\r", "\r\n", "// ; \n", "// ; \r", '// " \n', "//\n", "\t", "// permit\r\n"]
)
WORDS = st.sampled_from([";", "//", '\\"', "\\\\", "a", "\n", "{", "(", "'", "/", "é"])
STRINGS = st.lists(WORDS, max_size=5).map(lambda words: '"' + "".join(words) + '"')


@st.composite
def policies(draw: st.DrawFn) -> str:
    """A policy with noise between its tokens and awkward strings inside."""
    tokens = ["permit", "(", "principal", ",", "action", ",", "resource", ")"]
    tokens += ["when", "{", draw(STRINGS), "==", draw(STRINGS), "}"] * draw(st.integers(0, 2))
    return "".join(token + draw(NOISE) for token in [*tokens, ";"])


@given(st.lists(policies(), max_size=4), NOISE)
def test_as_many_pieces_as_cedar_finds_policies(texts: list[str], noise: str) -> None:
    text = noise + "".join(texts)
    found = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    parsed = parse_statements(split_statements("x.cedar", text))
    assert len(parsed) == len(found) == len(texts)
    ordered = [found[f"policy{ordinal}"] for ordinal in range(len(texts))]
    assert [one.est for one in parsed] == ordered
