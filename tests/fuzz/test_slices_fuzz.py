"""A slice answers as the whole set does, whatever scopes and hierarchies there are.

Held against Cedar itself, which is handed every policy that counts and every entity. In
``make fuzz`` 10,000 sources, and of each every question below.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import cedarpy
from hypothesis import given
from hypothesis import strategies as st

from governd.policy.compiled import CompiledPolicy
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.entities import Uid
from governd.policy.inquiry import Inquiry, translate
from tests.policies import (
    ACME,
    ALICE,
    BOB,
    READER,
    TENANTS,
    WRITER,
    acting,
    compiled,
    question,
)

SUBJECTS = (WRITER, READER, ACME)
GROUPS = tuple(f"g{number}" for number in range(5))
SERVICES = ("api.example", "other.example", "unlisted.example")
ASKED = (
    ("tools/call", "tool:git/open", {"count": 2**63 - 1}),
    ("tools/call", "tool:git/bare", None),
    ("tools/list", "mcp_server:git", None),
    ("resources/read", "resource:git/file:///a", None),
    *(("http/request", f"external_service:{name}", None) for name in SERVICES),
)


class Kind(NamedTuple):
    """Scopes that fit each other."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[str, ...] = ()


def of(kind: str, *names: str) -> tuple[str, ...]:
    return tuple(f'{kind}::"{name}"' for name in names)


AGENTS, IN = of("Agent", *SUBJECTS), of("Group", *GROUPS)
OPEN, BARE, CALL, LIST, READ, SEND = of(
    "Action",
    *("tools/call:git/open", "tools/call:git/bare", "tools/call"),
    *("tools/list", "resources/read", "http/request"),
)
(SERVER,) = of("McpServer", "git")
(TOOL,) = of("Tool", "git/open")
SERVED = ("resource", f"resource in {SERVER}")
TOOLS = (*SERVED, f"resource == {TOOL}", "resource is Tool", f"resource is Tool in {SERVER}")
KINDS = (
    Kind(("action",), ("resource",)),
    Kind((f"action == {OPEN}",), TOOLS, ("context.args has count && context.args.count + 1 > 0",)),
    Kind(
        (f"action in {CALL}", f"action in [{OPEN}, {BARE}]", f"action in [{CALL}, {OPEN}]"), TOOLS
    ),
    Kind(
        (f"action == {LIST}", f"action in [{LIST}, {READ}]", 'action in Action::"list"'),
        ("resource", f"resource == {SERVER}", "resource is McpServer", f"resource in {SERVER}"),
    ),
    Kind((f"action == {READ}",), (*SERVED, "resource is Resource")),
    Kind(
        (f"action == {SEND}", f"action in [{SEND}]"),
        (
            *("resource", "resource is ExternalService"),
            *(f"resource == {name}" for name in of("ExternalService", *SERVICES)),
            *(f"resource in {name}" for name in IN),
            *(f"resource is ExternalService in {name}" for name in IN),
        ),
    ),
)
PRINCIPALS = st.sampled_from(
    [
        *("principal", "principal is Agent"),
        *(f"principal == {name}" for name in AGENTS),
        *(f"principal in {name}" for name in (*IN, AGENTS[0])),
        *(f"principal is Agent in {name}" for name in IN),
    ]
)
CONDITIONS = (
    f'context has delegation && context.delegation.user == User::"{ALICE}"',
    *(f"context has delegation && context.delegation.user in {name}" for name in IN[:2]),
    f"context has delegation && context.delegation.origin in {IN[0]}",
    "context has delegation && context.delegation.depth > 1",
    'context has delegation && context.delegation.user.hasTag("team")',
    "context.kya_level > 1",
    *("true", "false", "context.args_undeclared", 'principal.hasTag("team")'),
    *(f"principal in {name}" for name in IN),
    f"principal in [{IN[0]}, {IN[3]}]",
    f"principal in {IN[1]} && resource in {IN[2]}",
    f"{AGENTS[1]} in {IN[0]} || {IN[4]} in {IN[1]}",
    f'{IN[2]}.hasTag("team") && {IN[2]}.getTag("team") == "x"',
    f"if resource in {SERVER} then principal in {IN[0]} else principal == {AGENTS[0]}",
)


@st.composite
def policies(draw: st.DrawFn, *, least: int, most: int) -> str:
    """A few policies, some of them in shadow."""
    texts = []
    for number in range(draw(st.integers(least, most))):
        kind = draw(st.sampled_from(KINDS))
        action, resource = (draw(st.sampled_from(one)) for one in kind[:2])
        conditions = st.sampled_from(CONDITIONS + kind.conditions)
        bodies = draw(
            st.lists(st.tuples(st.sampled_from(["when", "unless"]), conditions), max_size=2)
        )
        shadow = draw(st.sampled_from(["", "", '@mode("shadow") ']))
        effect = draw(st.sampled_from(["permit", "permit", "forbid"]))
        scope = f"({draw(PRINCIPALS)}, {action}, {resource})"
        rest = "".join(f" {word} {{ {body} }}" for word, body in bodies)
        texts.append(f'@id("p{number}") {shadow}{effect} {scope}{rest};')
    return "\n".join(texts)


@st.composite
def entities(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Groups in groups, agents and services in them."""
    found = []
    for number, name in enumerate(GROUPS):
        tags = draw(st.sampled_from([{}, {"team": "x"}]))
        found.append(_listed(draw, "Group", name, GROUPS[:number]) | {"tags": tags})
    found += [_listed(draw, "Agent", name, GROUPS) for name in SUBJECTS[:2]]
    found.append(_listed(draw, "User", ALICE, (*GROUPS, "revoked")))
    return found + [_listed(draw, "ExternalService", name, GROUPS) for name in SERVICES[:2]]


def _listed(draw: st.DrawFn, kind: str, name: str, groups: tuple[str, ...]) -> dict[str, Any]:
    within = draw(st.sets(st.sampled_from(groups), max_size=2)) if groups else ()
    parents = [{"type": "Group", "id": one} for one in sorted(within)]
    return {"uid": {"type": kind, "id": name}, "parents": parents}


def _under(subject: str) -> tuple[Circumstances, ...]:
    chain = acting(ALICE, subject, READER, scopes=["tools:call:git/open"], evidence=["acting_as"])
    return PLAIN, acting(ALICE, subject), acting(BOB, subject, own_level=2), chain


def of_slice(
    policy: CompiledPolicy, inquiry: Inquiry, schema: cedarpy.Schema | None
) -> Iterator[object]:
    sets = inquiry.asked.sets
    for handle in (sets.enforced, sets.with_shadow or sets.enforced):
        yield _said(inquiry, handle, inquiry.asked.part.entities, schema)


def of_whole(policy: CompiledPolicy, inquiry: Inquiry) -> Iterator[object]:
    counting = [one for one in policy.policies.values() if inquiry.asked.key.counts(one)]
    graph = policy.graph
    uids = {*(Uid(*name) for name in graph._records), *(Uid("Agent", name) for name in SUBJECTS)}
    uids |= {Uid("User", name) for name in (ALICE, BOB)}
    records = [record for uid in uids if (record := graph.record(uid))]
    served = {"uid": {"type": "Resource", "id": "git/file:///a"}, "attrs": {"uri": "file:///a"}}
    records.append(served | {"parents": [{"type": "McpServer", "id": "git"}]})
    everything = cedarpy.Entities.from_json_str(json.dumps(records))
    for shadow in (False, True):
        names = [one.id for one in counting if shadow or not one.traits.shadow]
        static = {name: policy.policies.est(name) for name in names}
        text = json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})
        yield _said(inquiry, cedarpy.PolicySet.from_json_str(text), everything, policy.schema)


def _said(
    inquiry: Inquiry,
    handle: cedarpy.PolicySet,
    known: cedarpy.Entities,
    schema: cedarpy.Schema | None,
) -> object:
    result = cedarpy.is_authorized(inquiry.request(), handle, known, schema=schema)
    diagnostics = result.diagnostics
    return result.decision, sorted(diagnostics.reasons), sorted(diagnostics.errors)


@given(policies(least=1, most=8), policies(least=0, most=2), entities(), st.integers(0, 3))
def test_a_slice_answers_as_the_whole_set_does(
    text: str, tenants: str, listed: list[dict[str, Any]], number: int
) -> None:
    mine = {"tenants/acme/policies/x.cedar": _of_tenant(tenants)}
    policy = compiled(text, manifest=TENANTS, entities=listed, extra=mine)
    for subject in SUBJECTS:
        now = _under(subject)[number]
        for action, resource, arguments in ASKED:
            asked = question(subject, action, resource, arguments, circumstances=now)
            whole = translate(policy, asked, whole=True)
            expected = list(of_whole(policy, whole))
            assert list(of_slice(policy, whole, policy.schema)) == expected
            assert list(of_slice(policy, translate(policy, asked), None)) == expected


def _of_tenant(text: str) -> str:
    """The same about the tenant's own groups and agents: it may name no others."""
    for name in GROUPS:
        text = text.replace(f'"{name}"', f'"acme/{name}"')
    for name in SUBJECTS[:2]:
        text = text.replace(name, ACME)
    return text.replace(f'User::"{ALICE}"', 'User::"acme/alice"')
