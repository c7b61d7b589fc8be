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
from tests.upstreams import UPSTREAMS

POLICY = compiled(PERMIT_ALL, manifest=UPSTREAMS)
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
KINDS = ("id_token", "access_token", "acting_as", "x")
DETAILS = st.fixed_dictionaries({"actions": TEXTS, "locations": TEXTS, "tools": TEXTS})
DELEGATIONS = st.fixed_dictionaries(
    {"user": st.sampled_from(["https://idp.example#alice", "#", "a#\ud800"]) | st.text(max_size=5)},
    optional={
        "actors": TEXTS,
        "evidence": st.lists(st.sampled_from(KINDS), max_size=3),
        "scopes": TEXTS,
        "granted": TEXTS,
        "details": st.lists(DETAILS, max_size=2),
        "binding": st.integers(-1, 4) | st.floats(),
        "kya_level": st.integers(-1, 4),
        "expires": st.datetimes().map(str) | st.floats() | TREES,
    },
)
TOKENS = st.fixed_dictionaries(
    {"upstream": st.sampled_from(["crm", "mail", "x", "", "X"])},
    optional={"scopes": st.lists(st.sampled_from(["read", "write", "", "a b"]), max_size=3)},
)
CASES = st.fixed_dictionaries(
    {
        "name": st.just("x"),
        "subject": st.sampled_from([WRITER, "writer", "", "spiffe://example.org"]),
        "action": st.sampled_from(["tools/call", "token/exchange", "", "\0", "x" * 300]),
        "want": st.sampled_from(["allow", "deny", {"decision": "allow", "reasons": ["all"]}]),
    },
    optional={
        "arguments": st.dictionaries(st.text(max_size=5), TREES, max_size=3),
        "kya_level": st.integers(-1, 4) | TREES,
        "delegation": TREES | DELEGATIONS,
        "resource": st.sampled_from([OPEN, "tool", ":", "agent:x", "Tool:git/open"]),
        "token": TREES | TOKENS,
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
