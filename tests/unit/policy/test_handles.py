"""Only policies that can apply are asked, and tenants' only where they count."""

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import PolicyError
from governd.policy import handles
from governd.policy.compiler import CompiledPolicy
from governd.policy.engine import decide
from governd.policy.handles import SetKey
from governd.policy.inquiry import translate
from governd.policy.parameters import quote
from tests.policies import ACME, PERMIT_ALL, READER, TENANTS, WRITER, ask, compiled, question

ENTITIES = [
    {"uid": {"type": "Group", "id": "staff"}, "parents": [{"type": "Group", "id": "all"}]},
    {"uid": {"type": "Group", "id": "all"}},
    {"uid": {"type": "Agent", "id": WRITER}, "parents": [{"type": "Group", "id": "staff"}]},
    {"uid": {"type": "Agent", "id": READER}, "parents": [{"type": "Group", "id": "all"}]},
]


def entity(kind: str, name: str) -> str:
    return f"{kind}::{quote(name)}"


STAFF, ALL = entity("Group", "staff"), entity("Group", "all")
SERVER, TOOL = entity("McpServer", "git"), entity("Tool", "git/open")
OPEN, CALL, LIST = (entity("Action", f"tools/{one}") for one in ("call:git/open", "call", "list"))
PRINCIPALS = st.sampled_from(
    [
        "principal",
        f"principal == {entity('Agent', WRITER)}",
        f"principal == {entity('Agent', READER)}",
        f"principal in {STAFF}",
        f"principal in {ALL}",
        "principal is Agent",
        f"principal is Agent in {STAFF}",
        f"principal in {entity('Agent', WRITER)}",
    ]
)
ACTIONS = st.sampled_from(
    [
        "action",
        f"action == {OPEN}",
        f"action in {CALL}",
        f"action == {LIST}",
        f"action in [{OPEN}, {LIST}]",
        f"action in [{CALL}, {OPEN}]",
        f"action in {entity('Action', 'list')}",
    ]
)
RESOURCES = st.sampled_from(
    [
        "resource",
        f"resource == {TOOL}",
        f"resource == {SERVER}",
        f"resource in {SERVER}",
        "resource is Tool",
        f"resource is Tool in {SERVER}",
        "resource is McpServer",
    ]
)
CONDITIONS = st.sampled_from(
    [
        "",
        "when { false }",
        "unless { context.args_undeclared }",
        f"when {{ principal in {STAFF} }}",
        f"unless {{ resource in {SERVER} && principal in {ALL} }}",
    ]
)
POLICIES = st.lists(
    st.tuples(st.sampled_from(["permit", "forbid"]), PRINCIPALS, ACTIONS, RESOURCES, CONDITIONS),
    min_size=1,
    max_size=8,
)
ASKED = st.sampled_from(
    [
        ("tools/call", "tool:git/open"),
        ("tools/call", "tool:git/bare"),
        ("tools/list", "mcp_server:git"),
    ]
)


def whole(
    policy: CompiledPolicy, subject: str, action: str, resource: str
) -> tuple[bool, list[str]]:
    """What Cedar says when it is handed every policy and every entity."""
    inquiry = translate(policy, question(subject, action, resource))
    everything, _ = handles._policy_set(policy.policies.values())
    result = cedarpy.is_authorized(
        inquiry.request(), everything, inquiry.part.entities, schema=policy.schema
    )
    return result.allowed, sorted(result.diagnostics.reasons)


@given(POLICIES, st.sampled_from([WRITER, READER, ACME]), ASKED)
def test_a_slice_answers_as_the_whole_set_does(
    made: list[tuple[str, ...]], subject: str, asked: tuple[str, str]
) -> None:
    text = "".join(
        f'@id("p{number}") {effect} ({principal}, {action}, {resource}) {condition};\n'
        for number, (effect, principal, action, resource, condition) in enumerate(made)
    )
    try:
        policy = compiled(text, entities=ENTITIES)
    except PolicyError:  # some scopes fit no action, which is refused elsewhere
        return
    decision = decide(policy, question(subject, *asked), age_seconds=0)
    assert (decision.allowed, sorted(decision.reasons)) == whole(policy, subject, *asked)


def test_the_cost_of_a_question_does_not_depend_on_policies_about_others() -> None:
    others = "".join(
        f'@id("p{n}") permit (principal == Agent::"{WRITER}-{n}", action, resource);'
        for n in range(200)
    )
    policy = compiled(others + PERMIT_ALL)
    inquiry = translate(policy, question(WRITER))
    assert len(inquiry.sets.enforced) < 10
    assert ask(policy, f"{WRITER}-7").reasons == ("all", "p7")


def test_questions_with_the_same_candidates_share_a_handle() -> None:
    policy = compiled(PERMIT_ALL)
    first, second = (translate(policy, question(subject)) for subject in (WRITER, READER))
    assert first.sets is second.sets


def test_without_shadow_policies_there_is_one_set() -> None:
    assert translate(compiled(PERMIT_ALL), question()).sets.with_shadow is None
    shadow = '@id("s") @mode("shadow") forbid (principal, action, resource);'
    assert translate(compiled(shadow), question()).sets.with_shadow is not None


def test_handles_are_bounded_by_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "MAX_CACHED_CHARS", 100)
    policy = compiled(PERMIT_ALL)
    assert ask(policy).allowed
    assert not policy.handles.__dict__["_made"]


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    ("key", "counting"),
    [
        (SetKey("", foreign=False), {"all"}),
        (SetKey("acme", foreign=False), {"all", "tenant/acme/p", "tenant/acme/f"}),
        (SetKey("acme", foreign=True), {"all", "tenant/acme/f"}),
        (SetKey("beta", foreign=False), {"all", "tenant/beta/p", "tenant/beta/f"}),
        (SetKey("beta", foreign=True), {"all", "tenant/beta/f"}),
    ],
)
def test_which_policies_count_depends_on_tenant_and_resource(
    key: SetKey, counting: set[str]
) -> None:
    extra = {
        f"tenants/{name}/policies/x.cedar": (
            '@id("p") permit (principal, action, resource);'
            '@id("f") forbid (principal, action, resource) when { false };'
        )
        for name in ("acme", "beta")
    }
    policies = compiled(PERMIT_ALL, manifest=TENANTS, extra=extra).policies.values()
    found = {one.id for one in policies if key.counts(one) and not one.id.startswith("base/")}
    assert found == counting
