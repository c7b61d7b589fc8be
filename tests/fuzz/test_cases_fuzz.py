"""Whatever a file of cases says: results, or a refusal; never a crash."""

from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from governd.cli.case_file import parse
from governd.errors import PolicyError
from governd.policy.cases import Case, run_case
from tests.policies import OPEN, PERMIT_ALL, WRITER, compiled

POLICY = compiled(PERMIT_ALL)
PIECES = st.sampled_from(
    [
        "cases:",
        "- ",
        "name: x",
        "subject: ",
        "action: tools/call",
        "resource: tool:git/open",
        "want: allow",
        "arguments: ",
        "{",
        "}",
        "&a ",
        "*a",
        "!!binary eA==",
        ".nan",
        "2026-01-01",
        "  ",
        "!!python/object:x",
        "'",
        "? ",
        "<<: ",
        "%YAML 1.1",
        "---",
        "é",
        *list('\n\t\x00"|'),
    ]
)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
)
TEXTS = st.lists(st.text(max_size=5) | st.just(WRITER), max_size=3)
DELEGATIONS = st.fixed_dictionaries(
    {"user": st.sampled_from(["https://idp.example#alice", "#", "a#\ud800"]) | st.text(max_size=5)},
    optional={
        "actors": TEXTS,
        "evidence": st.lists(st.sampled_from(["id_token", "acting_as", "x"]), max_size=3),
        "scopes": TEXTS,
        "binding": st.integers(-1, 4) | st.floats(),
        "kya_level": st.integers(-1, 4),
        "expires": st.datetimes().map(str) | st.floats() | TREES,
    },
)
CASES = st.fixed_dictionaries(
    {
        "name": st.just("x"),
        "subject": st.sampled_from([WRITER, "writer", "", "spiffe://example.org"]),
        "action": st.sampled_from(["tools/call", "", "\0", "x" * 300]),
        "resource": st.sampled_from([OPEN, "tool", ":", "agent:x", "Tool:git/open"]),
        "want": st.sampled_from(["allow", "deny", {"decision": "allow", "reasons": ["all"]}]),
    },
    optional={
        "arguments": st.dictionaries(st.text(max_size=5), TREES, max_size=3),
        "kya_level": st.integers(-1, 4) | TREES,
        "delegation": TREES | DELEGATIONS,
    },
)


@given(st.lists(PIECES, max_size=20).map("".join))
@example("cases: " + "[" * 2000)
@example("a: &a [*a]\ncases: [*a]")
def test_pieces_of_yaml(text: str) -> None:
    try:
        cases = parse(text, Path("x.yaml")).content.cases
    except PolicyError as error:
        assert error.problems
        return
    for case in cases:
        run_case(POLICY, case)


@given(CASES)
def test_things_like_cases(value: dict[str, Any]) -> None:
    try:
        case = Case.model_validate(value)
    except ValidationError:
        return
    result = run_case(POLICY, case)
    assert (result.decision is None) <= bool(result.failures)
