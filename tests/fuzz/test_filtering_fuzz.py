"""What lists hide is denied whatever the arguments, and what they show is not refused as hidden.

Held against the decisions themselves, each of which is made alone: other subjects, other
phases and other entries have no part in it.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import cedarpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.definitions import Kind
from governd.policy.delegated import PLAIN, Circumstances, DelegatedTools
from governd.policy.engine import decide
from governd.policy.entities import Uid
from governd.policy.filtering import Listing, filter_listing
from governd.policy.input_schema import read_parameters
from governd.policy.known_card import KnownCard
from governd.policy.offered import Offered, literal_prefix
from governd.policy.question import Question
from governd.policy.tools import Hints, Tool
from governd.policy.unknowns import _spelled
from tests.policies import (
    ACME,
    ALICE,
    BOB,
    EXPIRES,
    READER,
    SERVER,
    TENANTS,
    WRITER,
    acting,
    compiled,
    question,
)

pytestmark = pytest.mark.req("gi-5")

SUBJECTS = (WRITER, READER, ACME)
SUBJECT = st.sampled_from(SUBJECTS)
AGE = st.sampled_from([0.0, 5.0, 12.0])
ALL_OF_GIT = ("tools:call:git/*", "resources:read:git/*", "prompts:get:git/*")
OPENING = DelegatedTools(frozenset({"call"}), frozenset({SERVER}), frozenset({"open", "read"}))
TOKEN: dict[str, Any] = {"evidence": ["acting_as"], "binding": 3}


def circumstances_of(subject: str) -> tuple[Circumstances, ...]:
    """Of nobody, of users, along chains, by tokens with scopes."""
    return (
        PLAIN,
        Circumstances(kya_level=2),
        Circumstances(1, kya=KnownCard("clerk", "Acme", frozenset({"refunds"}), "1")),
        acting(ALICE, subject, own_level=2)._replace(kya=KnownCard("other", "Acme")),
        acting(ALICE, subject),
        acting(BOB, subject, kya_level=1, own_level=2, scopes=["x"], evidence=["access_token"]),
        acting(ALICE, subject, READER, scopes=ALL_OF_GIT, **TOKEN, expires=EXPIRES + 86_400),
        acting(BOB, subject, scopes=["tools:call:git/open", "resources:read:git/*"], **TOKEN),
        acting(
            BOB, subject, WRITER, scopes=["resources:read:git/file:///a"], evidence=["acting_as"]
        ),
        acting("https://idp.example#carol", subject, **TOKEN),
        acting(BOB, subject, details=(OPENING,), **TOKEN),
        acting(BOB, subject, scopes=["x", *ALL_OF_GIT], evidence=["acting_as", "access_token"]),
    )


CIRCUMSTANCES = st.integers(0, len(circumstances_of(WRITER)) - 1)
GROUPS = ("g0", "g1", "g2")
TOOL_NAMES = ("open", "read", "reset", "bare", "extra", "extra2", "nobody", "Open", "open ")
URIS = ("file:///a", "file:///a/b", "file:///b", "http://x.example/%20", "FILE:///a", "file:///c'd")
PROMPTS = ("hello", "bye", "\u0301")
TEMPLATES = ("file:///{path}", "file:///a{x}", "{+any}", "file:///b", "http://y.example/{z}", "\n")
EXPANDED = ("file:///a", "file:///a/b", "file:///b", "file:///zzz", "http://y.example/q", "x", "é'")
SCHEMA = """
entity Catalog = { things: Set<Resource> };
"""


class About(NamedTuple):
    """Scopes and conditions that fit each other."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[str, ...]


def of(kind: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{kind}::{json.dumps(name, ensure_ascii=False)}" for name in names)


MOMENT = 'context has delegation && context.delegation.expires > datetime("2026-01-02")'
ANYTHING = (
    "true",
    "false",
    "context.delegated",
    "context.args_undeclared",
    "context.delegated || context.args_undeclared",
    'principal.hasTag("team") && principal.getTag("team") == "x"',
    "1 + 9223372036854775807 > 0",
    *(f"principal in {group}" for group in of("Group", *GROUPS)),
    *(f"{group} in {of('Group', 'g2')[0]}" for group in of("Group", "g0", "missing")),
    'Group::"missing".hasTag("x") && context.delegated',
    "context.kya_level > 1",
    'context has kya && context.kya.provider == "Acme"',
    'context has kya && context.kya.skills.contains("refunds")',
    "context has delegation && context.delegation.depth > 1",
    f'context has delegation && context.delegation.user == User::"{ALICE}"',
    'context has delegation && context.delegation.user in Group::"g0"',
    'context has delegation && context.delegation.user.hasTag("team")',
    'context has delegation && context.delegation.origin in Group::"g1"',
    'context has delegation && context.delegation.scopes.contains("x")',
    'context has delegation && context.delegation.scopes.contains("tools:call:git/read")',
    'context has delegation && context.delegation.granted.contains("x")',
    MOMENT,
    "if context has delegation then context.delegation.kya_level > 0 else true",
    "context has delegation && context.delegation.binding + 9223372036854775807 > 0",
    'Tool::"git/reset".destructive',
)
OPEN, READ_TOOL, RESET = of("Tool", "git/open", "git/read", "git/reset")
CALL_OPEN, CALL_READ, CALL = of(
    "Action", "tools/call:git/open", "tools/call:git/read", "tools/call"
)
(SERVER,) = of("McpServer", "git")
TOOLS = About(
    (f"action in {CALL}", f"action == {CALL_OPEN}", f"action in [{CALL_OPEN}, {CALL_READ}]"),
    (
        *("resource", "resource is Tool", f"resource in {SERVER}", f"resource == {OPEN}"),
        f"resource is Tool in {SERVER}",
    ),
    (
        *ANYTHING,
        *("resource.read_only", "resource.destructive", "!resource.idempotent"),
        *('resource.requires.contains("git:read")', "resource.requires.isEmpty()"),
        *('resource.name like "*e*"', 'resource.name == "extra"', "resource has name"),
        *(f"resource == {OPEN}", f"resource in [{OPEN}, {READ_TOOL}]", f"{RESET} != resource"),
        *(f"resource in {SERVER}", f"{OPEN} in resource", f"[{OPEN}].contains(resource)"),
        *("principal.destructive.contains(resource)", f"action == {CALL_OPEN}"),
        f"(if context.delegated then {OPEN} else resource).destructive",
        "context.delegated && 1 + 9223372036854775807 > 0",
    ),
)
ARGUED = About(
    (f"action == {CALL_OPEN}", f"action in [{CALL_OPEN}, {CALL_READ}]"),
    ("resource", "resource is Tool", f"resource == {READ_TOOL}"),
    (
        'context.args has text && context.args.text == "a"',
        'context.args has text && context.args.text like "*b*" && principal in Group::"g0"',
        'principal in Group::"g1" && context.args has flag && context.args.flag',
        'principal in Group::"g1" || context.args has count && context.args.count > 1',
        "context.args has count && context.args.count + 1 > 2",
        'context.args has amount && context.args.amount.lessThan(decimal("1.5"))',
        'context.args has tags && context.args.tags.contains("a")',
        "context.args has nested.deep && context.args.nested.deep == 0",
        "if context.args has flag then resource.read_only else principal in resource",
        "(if context.delegated then context.args else context.args) has text",
        "context.args has text && 1 + 9223372036854775807 > 0",
        "1 + 9223372036854775807 > 0 || context.args has text",
        "context.args has count && context.delegated",
        "context.args has count && context has delegation && context.delegation.depth > 1",
        'context has delegation && context.delegation.user in Group::"g0" || context.args has text',
        f"{MOMENT} && context.args has text",
    ),
)
A, B, C = of("Resource", "git/file:///a", "git/file:///b", "git/file:///c'd")
RESOURCES = About(
    ('action == Action::"resources/read"',),
    (
        "resource",
        "resource is Resource",
        f"resource in {SERVER}",
        f"resource == {A}",
        f"resource == {C}",
    ),
    (
        *ANYTHING,
        *('resource.uri like "file:///a*"', f"resource == {A}", f"resource in [{A}, {B}]"),
        *(f"resource != {B}", f"[{A}].contains(resource)", "resource has uri"),
        'Catalog::"c".things.contains(resource)',
        f"principal in {of('Group', 'g0')[0]} && resource == {C}",
    ),
)
PROMPT = About(
    (
        'action == Action::"prompts/get"',
        'action in [Action::"prompts/get", Action::"resources/read"]',
    ),
    ("resource", f"resource in {SERVER}"),
    (*ANYTHING, f"resource in {SERVER}"),
)
EVERYTHING = About(("action",), ("resource",), (*ANYTHING, f"resource in {SERVER}"))

ALL = (TOOLS, ARGUED, RESOURCES, PROMPT, EVERYTHING)


def unargued(about: About) -> About:
    """Without conditions that look at arguments."""
    found = (one for one in about.conditions if "args" not in one)
    return about._replace(conditions=tuple(found) or ("true",))


PRINCIPALS = st.sampled_from(
    [
        *("principal", "principal is Agent"),
        *(f"principal == {name}" for name in of("Agent", *SUBJECTS)),
        *(f"principal in {name}" for name in of("Group", *GROUPS)),
    ]
)
MARKS = {
    "permit": ("", "", "", '@mode("shadow") ', '@max_staleness("4s") ', '@max_staleness("10s") '),
    "forbid": ("", "", "", '@mode("shadow") '),
}


@st.composite
def policies(draw: st.DrawFn, *kinds: About, most: int = 6) -> str:
    """A few policies about what is listed."""
    texts = []
    for number in range(draw(st.integers(1, most))):
        about = draw(st.sampled_from(kinds))
        effect = draw(st.sampled_from(["permit", "permit", "forbid"]))
        scope = ", ".join(
            draw(st.sampled_from(one)) if isinstance(one, tuple) else draw(one)
            for one in (PRINCIPALS, about.actions, about.resources)
        )
        bodies = draw(
            st.lists(
                st.tuples(st.sampled_from(["when", "unless"]), st.sampled_from(about.conditions)),
                max_size=2,
            )
        )
        rest = "".join(f" {word} {{ {body} }}" for word, body in bodies)
        mark = draw(st.sampled_from(MARKS[effect]))
        texts.append(f'@id("p{number}") {mark}{effect} ({scope}){rest};')
    return "\n".join(texts)


@st.composite
def entities(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Groups, agents in them, and a catalogue of resources."""
    found: list[dict[str, Any]] = []
    for number, name in enumerate(GROUPS):
        above = draw(st.sets(st.sampled_from(GROUPS[number + 1 :]))) if GROUPS[number + 1 :] else ()
        parents = [{"type": "Group", "id": one} for one in sorted(above)]
        found.append({"uid": {"type": "Group", "id": name}, "parents": parents})
    for name in SUBJECTS[:2]:
        within = draw(st.sets(st.sampled_from(GROUPS)))
        parents = [{"type": "Group", "id": one} for one in sorted(within)]
        tags = draw(st.sampled_from([{}, {"team": "x"}]))
        found.append({"uid": {"type": "Agent", "id": name}, "parents": parents, "tags": tags})
    for name in (ALICE, BOB):
        within = draw(st.sets(st.sampled_from((*GROUPS, "revoked"))))
        parents = [{"type": "Group", "id": one} for one in sorted(within)]
        tags = draw(st.sampled_from([{}, {"team": "x"}]))
        found.append({"uid": {"type": "User", "id": name}, "parents": parents, "tags": tags})
    things = [{"__entity": {"type": "Resource", "id": f"git/{uri}"}} for uri in URIS[:2]]
    return [*found, {"uid": {"type": "Catalog", "id": "c"}, "attrs": {"things": things}}]


GRANTS = st.lists(
    st.tuples(
        st.sampled_from([f'agents = ["{name}"]' for name in SUBJECTS] + ['groups = ["g0"]']),
        st.sampled_from(
            ['capabilities = ["git:read"]', 'capabilities = ["git:read", "git:write", "more"]']
        ),
        st.sampled_from(["", 'destructive = ["git/reset", "git/bare"]']),
    ),
    max_size=3,
).map(lambda all_: "\n".join("\n".join(("[[grant]]", *one)) for one in all_))


def tool(name: str, requires: tuple[str, ...], hints: Hints) -> Tool:
    parameters = read_parameters({"type": "object", "properties": {"text": {"type": "string"}}})
    return Tool(f"git/{name}", name, "git", requires, hints, parameters, declared=False)


def record(one: Tool) -> dict[str, Any]:
    attributes = {
        "name": one.name,
        "requires": list(one.requires),
        "destructive": one.destructive,
        "idempotent": one.hints.idempotent,
        "open_world": one.hints.open_world,
        "read_only": one.hints.read_only,
    }
    server = [{"type": "McpServer", "id": "git"}]
    return {"uid": Uid("Tool", one.id).json(), "attrs": attributes, "parents": server}


@st.composite
def offers(draw: st.DrawFn) -> Offered:
    """Tools that only their server declares, one that requires more, and quarantine."""
    harmless = Hints(readOnlyHint=True, destructiveHint=False)
    tools = [
        tool("extra", draw(st.sampled_from([(), ("git:read",)])), Hints()),
        tool("extra2", ("more",), draw(st.sampled_from([Hints(), harmless]))),
    ]
    records: dict[Uid, Any] = {}
    for one in tools:
        action = Uid("Action", one.action)
        call = [{"type": "Action", "id": "tools/call"}]
        records[Uid("Tool", one.id)] = record(one)
        records[action] = {"uid": action.json(), "attrs": {}, "parents": call}
    hidden = draw(
        st.sets(
            st.sampled_from(
                [
                    *(Uid("Tool", f"git/{name}") for name in ("open", "extra")),
                    *(Uid("Resource", f"git/{uri}") for uri in URIS[:2]),
                    *(Uid("ResourceTemplate", f"git/{name}") for name in TEMPLATES[:2]),
                    Uid("Prompt", "git/hello"),
                ]
            ),
            max_size=2,
        )
    )
    kept = {one.id: one for one in tools if Uid("Tool", one.id) not in hidden}
    closed = tuple(
        literal_prefix(uid.id.partition("/")[2])
        for uid in sorted(hidden)
        if uid.type == "ResourceTemplate"
    )
    return Offered(kept, records, frozenset(hidden), closed={"git": closed})


@st.composite
def sources(draw: st.DrawFn, *kinds: About) -> CompiledPolicy:
    """A policy with a tenant, grants, and what servers registered."""
    mine = draw(policies(*kinds, most=2)) if draw(st.booleans()) else ""
    manifest = TENANTS if draw(st.booleans()) else TENANTS.replace('servers = ["git"]\n', "")
    policy = compiled(
        draw(policies(*kinds)),
        manifest=manifest,
        entities=draw(entities()),
        grants=draw(GRANTS),
        schema=SCHEMA,
        extra={"tenants/acme/policies/x.cedar": _of_tenant(mine)},
    )
    return policy.offering(draw(offers()))


def _of_tenant(text: str) -> str:
    """The same about the tenant's own groups and agents: it may name no others."""
    for name in (*GROUPS, "missing"):
        text = text.replace(f'"{name}"', f'"acme/{name}"')
    for name in SUBJECTS[:2]:
        text = text.replace(name, ACME)
    text = text.replace(f'User::"{ALICE}"', 'User::"acme/alice"')
    return text.replace('Catalog::"c"', 'Catalog::"acme/c"')


TEXT = st.sampled_from(["a", "ab", "c"])
COUNT = st.sampled_from([0, 1, 2, 2**63 - 1])
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXT | st.just(1),
        "count": COUNT,
        "amount": st.sampled_from([1, 1.5, 2.25]),
        "flag": st.booleans(),
        "tags": st.lists(TEXT, max_size=2),
        "nested": st.fixed_dictionaries({}, optional={"deep": COUNT}),
        "unheard_of": TEXT,
    },
)
SAMPLES = st.lists(ARGUMENTS, min_size=1, max_size=4).map(lambda some: [{}, {"text": "ab"}, *some])
LISTS = {
    Kind.TOOL: ("tools/call", "tool", TOOL_NAMES),
    Kind.RESOURCE: ("resources/read", "resource", URIS),
    Kind.PROMPT: ("prompts/get", "prompt", PROMPTS),
}


def listing(
    subject: str,
    kind: Kind,
    *names: str,
    circumstances: Circumstances = PLAIN,
    bootstrap: bool = False,
) -> Listing:
    return Listing(SpiffeId.parse(subject), "git", kind, names, circumstances, bootstrap)


def asked(
    subject: str, kind: Kind, name: str, arguments: Any, circumstances: Circumstances = PLAIN
) -> Question | None:
    action, wire_type, _ = LISTS[kind]
    try:
        return question(
            subject, action, f"{wire_type}:git/{name}", arguments, circumstances=circumstances
        )
    except RequestError:
        return None


def pages(
    policy: CompiledPolicy, subject: str, age: float, **parts: Any
) -> Iterator[tuple[Kind, str, bool]]:
    """Each entry of each list, and whether it is shown."""
    for kind, (_, _, names) in LISTS.items():
        one = listing(subject, kind, *names, **parts)
        seen = filter_listing(policy, one, age_seconds=age)
        assert seen.above < age <= seen.upto
        yield from ((kind, name, index in seen.shown) for index, name in enumerate(names))


@given(sources(*ALL, TOOLS, ARGUED), SUBJECT, AGE, st.tuples(CIRCUMSTANCES, st.booleans()), SAMPLES)
def test_what_is_hidden_is_denied_whatever_the_arguments_and_whoever_may_delegate(
    policy: CompiledPolicy,
    subject: str,
    age: float,
    phase: tuple[int, bool],
    samples: list[dict[str, Any]],
) -> None:
    number, bootstrap = phase
    everything = circumstances_of(subject)
    now = everything[number]
    known = now.kya_level
    possible = [one._replace(kya_level=known) for one in everything if one.delegation]
    for kind, name, is_shown in pages(policy, subject, age, circumstances=now, bootstrap=bootstrap):
        under = [now, *(possible if bootstrap else ())]
        calls = (asked(subject, kind, name, sample, one) for sample in samples for one in under)
        assert is_shown or not [
            call for call in calls if call and decide(policy, call, age_seconds=age).allowed
        ]


@given(sources(*ALL, TOOLS, ARGUED), SUBJECT, AGE, CIRCUMSTANCES, SAMPLES)
def test_a_denied_call_is_hidden_if_lists_hide_it_and_only_then(
    policy: CompiledPolicy, subject: str, age: float, number: int, samples: list[dict[str, Any]]
) -> None:
    now = circumstances_of(subject)[number]
    for kind, name, is_shown in pages(policy, subject, age, circumstances=now):
        for call in (asked(subject, kind, name, sample, now) for sample in samples):
            decision = call and decide(policy, call, age_seconds=age)
            assert not decision or decision.hidden is not (is_shown or decision.allowed)


@given(sources(*map(unargued, ALL)), SUBJECT, AGE, CIRCUMSTANCES)
def test_what_is_shown_is_permitted_where_no_policy_looks_at_arguments(
    policy: CompiledPolicy, subject: str, age: float, number: int
) -> None:
    now = circumstances_of(subject)[number]
    for kind, name, is_shown in pages(policy, subject, age, circumstances=now):
        conforming = {"text": "a"} if name == "read" else {}
        call = asked(subject, kind, name, conforming, now)
        assert is_shown is bool(call and decide(policy, call, age_seconds=age).allowed)


@given(
    sources(*ALL, TOOLS, ARGUED),
    st.permutations([*itertools.product(SUBJECTS, LISTS, (*range(0, 8, 2), None))]),
    st.data(),
)
def test_whoever_looked_before_and_whatever_else_is_listed_changes_nothing(
    policy: CompiledPolicy, order: list[tuple[str, Kind, int | None]], data: st.DataObject
) -> None:
    alone = policy.offering(policy.offered)
    for subject, kind, number in order[:6]:
        bootstrap = number is None
        now = circumstances_of(subject)[number or 0]
        names = data.draw(st.lists(st.sampled_from(LISTS[kind][2]), max_size=12))
        age = data.draw(AGE)
        together = listing(subject, kind, *names, circumstances=now, bootstrap=bootstrap)
        ones = [
            listing(subject, kind, name, circumstances=now, bootstrap=bootstrap) for name in names
        ]
        shown = [bool(filter_listing(alone, one, age_seconds=age).shown) for one in ones]
        expected = tuple(index for index, one in enumerate(shown) if one)
        assert filter_listing(policy, together, age_seconds=age).shown == expected


@given(sources(RESOURCES, RESOURCES, EVERYTHING), SUBJECT, AGE, SAMPLES)
def test_a_template_is_hidden_only_if_nothing_can_be_read_that_it_expands_to(
    policy: CompiledPolicy, subject: str, age: float, samples: list[dict[str, Any]]
) -> None:
    one = listing(subject, Kind.RESOURCE_TEMPLATE, *TEMPLATES)
    seen = filter_listing(policy, one, age_seconds=age)
    for index, template in enumerate(TEMPLATES):
        if Uid("ResourceTemplate", f"git/{template}") in policy.offered.quarantined:
            assert index not in seen.shown
        expanded = (uri for uri in EXPANDED if uri.startswith(template.partition("{")[0]))
        calls = (
            asked(subject, Kind.RESOURCE, uri, sample) for uri in expanded for sample in samples
        )
        permitted = [one for one in calls if one and decide(policy, one, age_seconds=age).allowed]
        assert index in seen.shown or not permitted


@given(st.text(min_size=1, max_size=30), st.text(max_size=10))
def test_a_name_reaches_cedar_as_it_is_whatever_is_in_it(name: str, other: str) -> None:
    """Partial evaluation takes names in one spelling only."""
    assume(name != other)
    uid = Uid("Tool", name)
    static = {
        "x": {
            "effect": "permit",
            "principal": {"op": "All"},
            "action": {"op": "All"},
            "resource": {"op": "==", "entity": uid.json()},
            "conditions": [],
        }
    }
    handle = cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})
    )
    for one in (uid, Uid("Tool", other)):
        request = {
            "principal": _spelled(Uid("Agent", name)),
            "action": _spelled(Uid("Action", name)),
            "resource": _spelled(one),
            "context": {},
        }
        result = cedarpy.is_authorized_partial(request, handle, [])
        assert not result.diagnostics.errors
        assert result.allowed is (one == uid)
