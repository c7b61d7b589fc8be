"""Cedar is asked about a few entries of a list, a few at a time, and answers for all."""

import itertools
from collections.abc import Iterable
from typing import Any

import cedarpy
import pytest

from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.definitions import Kind
from governd.policy.filtering import Filtering, Listing, filter_listing
from tests.policies import READER, WRITER, ask, compiled, server_file

pytestmark = pytest.mark.req("gi-5")

NOBODY = "spiffe://example.org/agent/nobody"
MANY = 200
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
TOOLS: list[dict[str, Any]] = [
    {
        "name": f"t{number}",
        "inputSchema": TEXT,
        "annotations": {"readOnlyHint": number % 2 == 0, "idempotentHint": number % 3 == 0},
        "requires": ["git:read", "git:write"][: 1 + number % 2],
    }
    for number in range(MANY)
]
NAMES = tuple(tool["name"] for tool in TOOLS)
GRANTS = f"""
[[grant]]
agents = ["{READER}", "{WRITER}"]
capabilities = ["git:read", "git:write"]
[[grant]]
agents = ["{WRITER}"]
destructive = ["git/t1", "git/t3"]
"""
ARGUED = 'context.args has text && context.args.text like "OPS-*"'


class Asks:
    """Counts what Cedar is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.whole = self.partial = 0
        self.sets: list[cedarpy.PolicySet] = []
        authorized, partially = cedarpy.is_authorized, cedarpy.is_authorized_partial

        def is_authorized(
            request: Any, policies: cedarpy.PolicySet, *rest: Any, **more: Any
        ) -> Any:
            self.whole += 1
            self.sets.append(policies)
            return authorized(request, policies, *rest, **more)

        def is_authorized_partial(request: Any, policies: cedarpy.PolicySet, *rest: Any) -> Any:
            self.partial += 1
            self.sets.append(policies)
            return partially(request, policies, *rest)

        monkeypatch.setattr(cedarpy, "is_authorized", is_authorized)
        monkeypatch.setattr(cedarpy, "is_authorized_partial", is_authorized_partial)

    @property
    def all(self) -> int:
        return self.whole + self.partial


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> Asks:
    return Asks(monkeypatch)


def many(policies: str = "", **parts: Any) -> CompiledPolicy:
    extra = {"tools/git.json": server_file(tools=TOOLS)}
    return compiled(policies, grants=GRANTS, extra=extra, **parts)


def of(subject: str = WRITER, names: tuple[str, ...] = NAMES, kind: Kind = Kind.TOOL) -> Listing:
    return Listing(SpiffeId.parse(subject), "git", kind, names)


def shown(policy: CompiledPolicy, listing: Listing) -> set[str]:
    seen = filter_listing(policy, listing, age_seconds=0)
    return {listing.names[index] for index in seen.shown}


def permitted(policy: CompiledPolicy, subject: str = WRITER) -> set[str]:
    """What a conforming call of is permitted, asked one by one."""
    arguments = {"text": "OPS-1"}
    return {
        name
        for name in NAMES
        if ask(policy, subject, resource=f"tool:git/{name}", arguments=arguments).allowed
    }


def test_tools_that_policies_cannot_tell_apart_are_asked_about_once(asks: Asks) -> None:
    policy = many()
    found = shown(policy, of())
    assert (asks.whole, asks.partial) == (3, 0)
    assert found == permitted(policy)
    assert len(found) == MANY // 2 + 2


def test_a_list_that_was_shown_costs_nothing(asks: Asks) -> None:
    policy = many()
    first, before = shown(policy, of()), asks.all
    assert shown(policy, of()) == first
    assert asks.all == before


ALL_CALLS = 'principal, action in Action::"tools/call", resource'


def forbid(condition: str, scope: str = ALL_CALLS) -> str:
    return f"forbid ({scope}) when {{ {condition} }};"


NAMED = 'principal, action == Action::"tools/call:git/t7", resource'
TOLD_APART = {
    "an attribute": (forbid("resource.idempotent"), 6),
    "an attribute that each has": (forbid("!(resource has name)"), MANY),
    "names in scopes": (
        forbid("true", NAMED) + forbid("true", 'principal, action, resource == Tool::"git/t8"'),
        5,
    ),
    "names in conditions": (
        forbid('resource == Tool::"git/t7" || resource in [Tool::"git/t8", Tool::"git/t9"]'),
        6,
    ),
    "an action in a condition": (forbid('action == Action::"tools/call:git/t6"'), 4),
    "all of a tool": (forbid('[Tool::"git/t7"].contains(resource)'), MANY),
    "all of an action": (forbid('[Action::"tools/call:git/t7"].contains(action)'), MANY),
    "what it is in": (forbid('!(resource in McpServer::"git" && resource is Tool)'), 3),
}


@pytest.mark.parametrize(("text", "most"), TOLD_APART.values(), ids=TOLD_APART.keys())
def test_tools_are_asked_about_apart_as_far_as_policies_tell_them_apart(
    text: str, most: int, asks: Asks
) -> None:
    policy = many(text)
    found = shown(policy, of())
    assert asks.whole == most
    assert found == permitted(policy)


def test_partial_evaluation_is_for_what_arguments_may_change_only(asks: Asks) -> None:
    text = "".join(
        f'forbid (principal, action == Action::"tools/call:git/t{number}", resource)'
        f" unless {{ {ARGUED} }};"
        for number in range(10)
    )
    policy = many(text)
    found = shown(policy, of())
    assert asks.partial == 5 + 2, "five are harmless, two are granted by name"
    assert found == permitted(policy)


def naming(names: Iterable[str]) -> str:
    return "".join(
        f'permit (principal, action == Action::"tools/call:git/{name}", resource);'
        for name in names
    )


def test_policies_that_name_many_tools_are_asked_a_few_at_a_time(asks: Asks) -> None:
    """Each is parsed for its own tool and those beside it, not for all of a long list."""
    policy = many(naming(NAMES))
    found = shown(policy, of(NOBODY))
    assert max(map(len, asks.sets)) < 64
    assert found == permitted(policy, NOBODY)


def test_a_few_policies_are_parsed_once_for_a_whole_list(asks: Asks) -> None:
    policy = many(naming(NAMES[:40]))
    assert len(shown(policy, of(NOBODY))) == 20
    assert (len(set(map(id, asks.sets))), asks.whole > 32) == (1, True)


def test_policies_that_are_parsed_already_are_not_parsed_again(asks: Asks) -> None:
    text = "".join(
        f'forbid (principal, action == Action::"tools/call:git/{name}", resource)'
        f" unless {{ {ARGUED} }};"
        for name in ("t0", "t2")
    )
    policy = many(text)
    assert not ask(policy, resource="tool:git/t0").allowed
    (own,) = set(map(id, asks.sets))
    asks.sets.clear()
    shown(policy, of())
    assert [id(one) for one in asks.sets].count(own) == 2


def test_what_shadow_policies_look_at_costs_nothing(asks: Asks) -> None:
    shadow = '@mode("shadow") permit (principal, action == Action::"tools/call:git/t0", resource)'
    shown(many(f"{shadow} when {{ {ARGUED} }};"), of(NOBODY))
    assert (asks.whole, asks.partial) == (3, 0)


def test_a_long_list_is_filtered_a_little_at_a_time(asks: Asks) -> None:
    listing = of(names=tuple(f"file:///{number}" for number in range(1000)), kind=Kind.RESOURCE)
    policy = many(
        'permit (principal, action, resource is Resource) when { resource.uri like "*7" };'
    )
    filtering = Filtering(policy, listing)
    asked = [0, *(asks.all for _ in filtering.steps())]
    assert max(later - before for before, later in itertools.pairwise(asked)) == 1
    assert (asked[-1], len(asked) > 1000) == (1000, True)
    assert len(filtering.visibility(0).shown) == 100
