"""What a policy looks at is found in any of its forms; what is unclear counts as all of it."""

import json

import cedarpy
import pytest

from governd.policy.likeness import Looks, looks_of, looks_united


def looks(condition: str) -> Looks:
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    (est,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    return looks_of(est["conditions"])


def seen(*attributes: str, held: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> Looks:
    return Looks(frozenset(), frozenset(attributes), frozenset(held), frozenset(whole))


NAMED = 'Tool::"git/a"'


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("true", seen()),
        ('principal in Group::"x" && principal.hasTag("resource")', seen()),
        ("resource.name == resource.other", seen("name", "other")),
        ('resource["odd name"] like "*"', seen("odd name")),
        ("resource has place.host && resource.place.host == 1", seen("place")),
        ("principal.capabilities.containsAll(resource.requires)", seen("requires")),
        ("[resource.a].contains(resource.b)", seen("a", "b")),
        ("resource is Tool", seen()),
        (f"resource is Tool in {NAMED}", seen()),
        (f"resource == {NAMED} || {NAMED} != resource", seen()),
        (f"resource in [{NAMED}] || resource in {NAMED} || resource in []", seen()),
        ('action == Action::"a" || action in [Action::"a"]', seen()),
        ("principal.destructive.contains(resource)", seen(held=("destructive",))),
        ('principal["destructive"].contains(resource)', seen(held=("destructive",))),
        ("principal.destructive.contains(resource.twin)", seen("twin")),
    ],
)
def test_plain_looks_are_found(condition: str, found: Looks) -> None:
    assert looks(condition) == found


@pytest.mark.parametrize(
    "condition",
    [
        f"{NAMED} in resource",
        f"[{NAMED}].contains(resource)",
        "[resource].isEmpty()",
        "principal == resource",
        "principal in resource",
        "resource in principal",
        "resource in [principal]",
        "resource in principal.destructive",
        "resource is Tool in principal",
        "(if true then principal else principal).destructive.contains(resource)",
        "principal.nested.destructive.contains(resource)",
        "(principal has destructive).contains(resource)",
        'resource.hasTag("x")',
        '{"r": resource}.r.name == 1',
        f"(if true then resource else {NAMED}).name == 1",
    ],
)
def test_a_resource_that_is_looked_at_in_another_way_is_like_no_other(condition: str) -> None:
    assert looks(condition).whole == {"resource"}


@pytest.mark.parametrize(
    "condition",
    ["action == principal", 'Action::"a" in action', "action.name == 1", "[action].isEmpty()"],
)
def test_an_action_that_is_looked_at_in_another_way_is_like_no_other(condition: str) -> None:
    assert looks(condition).whole == {"action"}


@pytest.mark.parametrize(
    ("condition", "context"),
    [
        ("context.delegated || context has args", {"delegated", "args"}),
        ("context.args.amount > 1 && context.args_undeclared", {"args", "args_undeclared"}),
        ('context[""] == 1', {""}),
        ("context == {}", None),
        ("(if true then context else context).delegated", None),
        ("context.delegated && [context].isEmpty()", None),
    ],
)
def test_members_of_the_context_are_found(condition: str, context: set[str] | None) -> None:
    assert looks(condition).context == context


def test_a_name_in_a_record_or_a_string_is_no_look() -> None:
    assert looks('{"Var": "resource", "in": 1, "is": 2, "==": 3}.Var == "resource"') == Looks()
    odd = [{"Var": 1}, {"in": {"left": 1}}, {"==": 1}, {"is": 1}, {"contains": {"left": 1}}]
    assert looks_of([{"kind": "when", "body": odd}]) == Looks()
    nothing = {"in": {"left": {"Var": "resource"}, "right": 1}}
    assert looks_of([{"kind": "when", "body": nothing}]).whole == {"resource"}


def test_several_policies_look_at_what_any_of_them_does() -> None:
    one = Looks(frozenset({"args"}), frozenset({"a"}), frozenset(), frozenset({"action"}))
    two = Looks(frozenset(), frozenset({"b"}), frozenset({"h"}), frozenset({"resource"}))
    assert looks_united([one, two]) == Looks(
        frozenset({"args"}), frozenset("ab"), frozenset("h"), frozenset({"action", "resource"})
    )
    assert looks_united([one, Looks(context=None)]).context is None
    assert looks_united([]) == Looks()


def test_what_is_not_known_counts_where_it_is_looked_at() -> None:
    unknown = frozenset({"args"})
    assert not looks("context.delegated").depends_on(unknown)
    assert looks("context has args").depends_on(unknown)
    assert looks("context == {}").depends_on(unknown)
