"""Laws of every policy, held against generated ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.policy.analysis import explain
from governd.policy.compiler import CompiledPolicy
from governd.policy.decision import Decision, DecisionCode
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.engine import decide
from governd.policy.question import Question
from tests.policies import (
    ACME,
    ALICE,
    BETA,
    BOB,
    OPEN,
    PERMIT_ALL,
    READER,
    TENANTS,
    WRITER,
    acting,
    compiled,
    question,
)

SUBJECTS = st.sampled_from([WRITER, READER, ACME, BETA, ACME + "-2"])
ASKED = st.sampled_from(
    [
        ("tools/call", OPEN),
        ("tools/call", "tool:git/reset"),
        ("tools/call", "tool:git/none"),
        ("tools/list", "mcp_server:git"),
        ("agent/invoke", f"agent:{BETA}"),
    ]
)
ARGUMENTS = st.none() | st.fixed_dictionaries(
    {}, optional={"count": st.sampled_from([0, 1, 2**63 - 1]), "text": st.sampled_from(["a", "b"])}
)

UNDER: st.SearchStrategy[Callable[[str], Circumstances]] = st.sampled_from(
    [
        lambda _: PLAIN,
        lambda _: Circumstances(2),
        lambda subject: acting(ALICE, subject),
        lambda subject: acting(BOB, subject, READER, binding=1, evidence=["acting_as"]),
        lambda subject: acting(
            ALICE, subject, scopes=["tools:call:git/open"], evidence=["acting_as"]
        ),
    ]
)

PRINCIPALS = st.sampled_from(["principal", "principal is Agent", 'principal in Group::"acme/g"'])
ANY_ACTION = st.sampled_from(
    ["action", 'action in Action::"tools/call"', 'action in Action::"list"']
)
RESOURCES = st.sampled_from(["resource", "resource is Tool", 'resource == Tool::"git/open"'])
SIMPLE = st.sampled_from(
    [
        *("true", "false", "context.args_undeclared", 'principal in Namespace::"acme"'),
        *("context.kya_level > 1", "context.delegated"),
        'context has delegation && context.delegation.user_subject == "alice"',
        "context has delegation && context.delegation.depth > 1",
        "context has delegation && context.delegation.binding + 9223372036854775807 > 0",
    ]
)
OF_ARGUMENTS = st.sampled_from(
    [
        "context.args has count && context.args.count + 1 > 1",
        'context.args has text && context.args.text == "a"',
        "context.args_undeclared",
    ]
)


@st.composite
def policies(draw: st.DrawFn, prefix: str, effects: str = "permit forbid") -> str:
    """A few policies with ids that begin with ``prefix``."""
    texts = []
    for number in range(draw(st.integers(1, 3))):
        effect = draw(st.sampled_from(effects.split()))
        action, condition = draw(ANY_ACTION), draw(SIMPLE)
        resource = draw(RESOURCES)
        if draw(st.booleans()):
            action, condition = 'action == Action::"tools/call:git/open"', draw(OF_ARGUMENTS)
            resource = "resource"
        elif "list" in action:
            resource = "resource"
        kind = draw(st.sampled_from(["when", "unless"]))
        scope = f"{draw(PRINCIPALS)}, {action}, {resource}"
        texts.append(f'@id("{prefix}{number}") {effect} ({scope}) {kind} {{ {condition} }};')
    return "\n".join(texts)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """A question that policies of this module may judge."""
    action, resource = draw(ASKED)
    subject, under = draw(SUBJECTS), draw(UNDER)
    return question(subject, action, resource, draw(ARGUMENTS), circumstances=under(subject))


ENTITIES = [
    {"uid": {"type": "Group", "id": "acme/g"}},
    {"uid": {"type": "Agent", "id": ACME}, "parents": [{"type": "Group", "id": "acme/g"}]},
]


def make(text: str, **parts: Any) -> CompiledPolicy:
    return compiled(text, manifest=TENANTS, entities=ENTITIES, **parts)


def answer(policy: CompiledPolicy, asked: Question) -> Decision:
    return decide(policy, asked, age_seconds=0.0)


@given(policies("a"), questions())
def test_forbid_wins(text: str, asked: Question) -> None:
    everything = '@id("no") forbid (principal, action, resource);'
    assert not answer(make(text + everything), asked).allowed


@given(policies("a", effects="forbid"), questions())
def test_without_a_permit_everything_is_denied(text: str, asked: Question) -> None:
    assert not answer(make(text), asked).allowed


@given(policies("a"), policies("b", effects="permit"), questions())
def test_adding_a_permit_never_turns_an_allow_into_a_deny(
    text: str, more: str, asked: Question
) -> None:
    text += PERMIT_ALL
    before, after = answer(make(text), asked), answer(make(text + more), asked)
    # A permit that fails denies: an error is never passed over.
    failed = after.code is DecisionCode.ENGINE_ERROR
    assert after.allowed or failed or not before.allowed


@given(policies("a"), policies("b", effects="forbid"), questions())
def test_adding_a_forbid_never_turns_a_deny_into_an_allow(
    text: str, more: str, asked: Question
) -> None:
    before, after = answer(make(text), asked), answer(make(text + more), asked)
    assert before.allowed or not after.allowed


TENANT_FILES = st.fixed_dictionaries(
    {"tenants/acme/policies/x.cedar": policies("t")},
    optional={
        "tenants/acme/grants.toml": st.sampled_from(
            [
                '[[grant]]\ngroups = ["acme/g"]\ncapabilities = ["acme/use"]',
                '[[grant]]\nnamespaces = ["acme"]\ncapabilities = ["acme/use"]',
            ]
        ),
        "tenants/acme/entities.json": st.just(
            f'[{{"uid": {{"type": "Agent", "id": "{ACME}/2"}},'
            ' "parents": [{"type": "Group", "id": "acme/g"}]}]'
        ),
    },
)


@pytest.mark.req("tenant-1", part=True)
@given(policies("a"), TENANT_FILES, questions())
def test_a_tenants_folder_decides_nothing_about_anothers_agent(
    text: str, files: dict[str, str], asked: Question
) -> None:
    alone, together = make(text), make(text, extra=files)
    if alone.manifest.tenant_of(asked.subject) != "acme":
        assert answer(alone, asked) == answer(together, asked)


@given(policies("a"), questions(), st.data())
def test_whoever_asked_before_changes_no_answer(
    text: str, asked: Question, data: st.DataObject
) -> None:
    used, alone = make(text + PERMIT_ALL), make(text + PERMIT_ALL)
    for _ in range(3):
        answer(used, data.draw(questions()))
    assert answer(used, asked) == answer(alone, asked)


SPEAKING = {
    DecisionCode.PERMITTED: "permit",
    DecisionCode.FORBIDDEN: "forbid",
}


@given(policies("a"), questions())
def test_an_explanation_agrees_with_the_decision(text: str, asked: Question) -> None:
    policy = make(text)
    decision, told = answer(policy, asked), explain(policy, asked, age_seconds=0.0)
    assert told.decision == decision
    effect = SPEAKING.get(decision.code)
    applied = {
        one.policy.id for one in told.policies if one.applied and one.policy.effect == effect
    }
    failed = {one.policy.id for one in told.policies if one.error}
    if decision.code is DecisionCode.ENGINE_ERROR:
        assert failed == set(decision.reasons)
    else:
        assert applied == set(decision.reasons)
        assert not failed
    for one in told.policies:
        assert one.applied + bool(one.first_false) + bool(one.error) == 1


@given(policies("a"), policies("s"), questions())
def test_shadow_policies_change_what_is_told_and_nothing_else(
    text: str, watched: str, asked: Question
) -> None:
    shadow = watched.replace("@id", '@mode("shadow") @id')
    without, together = answer(make(text), asked), answer(make(text + watched), asked)
    decision = answer(make(text + shadow), asked)
    assert replace(decision, shadow=None) == without
    told = decision.shadow.allowed if decision.shadow else decision.allowed
    assert told == together.allowed
    if decision.shadow:
        assert decision.shadow.reasons == together.reasons
