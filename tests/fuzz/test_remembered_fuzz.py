"""What is remembered of earlier questions never changes an answer.

The judge is the same policy with all its caches emptied: it checks the whole question
against the schema and hands Cedar every argument.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from governd.policy.engine import decide
from tests.policies import READER, WRITER, compiled, question

CONDITIONS = (
    "true",
    "context.args_undeclared",
    'context.args has text && context.args.text == "a"',
    'context.args has text && context.args.text like "*b*"',
    "context.args has count && context.args.count + 1 > 2",
    "context.args has flag && context.args.flag",
    'context.args has tags && context.args.tags.contains("a")',
    "context.args has nested.deep && context.args.nested.deep == 0",
    'context.args has amount && context.args.amount.lessThan(decimal("1.5"))',
    "(if principal == resource then context.args else context.args) has text",
    "[context.args has flag].contains(context.args has text)",
)
TEXT = st.sampled_from(["a", "b", "ab", ""])
COUNT = st.sampled_from([0, 1, 2, 2**63 - 1])
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXT,
        "count": COUNT,
        "amount": st.sampled_from([1, 1.5, 2.25]),
        "flag": st.booleans(),
        "tags": st.lists(TEXT, max_size=2),
        "nested": st.fixed_dictionaries({}, optional={"deep": COUNT}),
        "unheard_of": TEXT,
    },
)
QUESTIONS = st.lists(
    st.tuples(
        st.sampled_from([WRITER, READER]),
        st.sampled_from(["tool:git/open", "tool:git/read", "tool:git/bare"]),
        ARGUMENTS,
        st.sampled_from([0.0, 5.0, 20.0]),
    ),
    min_size=2,
    max_size=12,
)
POLICIES = st.lists(
    st.tuples(
        st.sampled_from(["permit", "permit", "forbid"]),
        st.sampled_from(["principal", f'principal == Agent::"{WRITER}"']),
        st.sampled_from(["open", "read"]),
        st.sampled_from(["when", "unless"]),
        st.sampled_from(CONDITIONS),
        st.sampled_from(["", "", '@mode("shadow")', "@no_lease", '@max_staleness("10s")']),
    ),
    min_size=1,
    max_size=5,
)


def text_of(made: list[tuple[str, ...]]) -> str:
    return "\n".join(
        f'@id("p{number}") {mark if effect == "permit" or "stale" not in mark else ""} {effect} '
        f'({principal}, action == Action::"tools/call:git/{tool}", resource) {word} {{ {body} }};'
        for number, (effect, principal, tool, word, body, mark) in enumerate(made)
    )


@given(POLICIES, QUESTIONS)
def test_what_is_remembered_changes_no_answer(
    made: list[tuple[str, ...]], asked: list[tuple[str, str, dict[str, Any], float]]
) -> None:
    warm, cold = (compiled(text_of(made)) for _ in range(2))
    for subject, resource, arguments, age in asked:
        one = question(subject, resource=resource, arguments=arguments)
        for _ in cold.forget():
            pass
        judged = decide(cold, one, age_seconds=age, max_lease_seconds=30)
        for _ in range(2):
            assert decide(warm, one, age_seconds=age, max_lease_seconds=30) == judged
