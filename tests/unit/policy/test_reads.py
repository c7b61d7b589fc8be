"""What a policy looks at is found in any of its forms; what is unclear counts as everything."""

import json

import cedarpy
import pytest

from governd.policy.reads import Arguments, arguments_read, united


def read(condition: str) -> Arguments:
    text = f"permit (principal, action, resource) {condition};"
    (est,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    return arguments_read(est["conditions"])


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("", set()),
        ("when { principal in resource.owners }", set()),
        ("when { context.delegated || context.args_undeclared }", set()),
        ("when { context has args }", set()),
        ("when { context.args.amount < 500 }", {"amount"}),
        ('when { context.args["amount"] < 500 }', {"amount"}),
        ('when { context["args"]["amount"] < 500 }', {"amount"}),
        ("unless { context.args has amount && context.args.amount > 1 }", {"amount"}),
        ("when { context.args has place.host }", {"place"}),
        ('when { context.args.place.host like "*.example.org" }', {"place"}),
        ("when { true } unless { [context.args.a, 1].contains(context.args.b) }", {"a", "b"}),
        ('when { if context.args has a then {"x": context.args.b}.x else false }', {"a", "b"}),
        ('when { context.args.price.lessThan(decimal("1.5")) }', {"price"}),
        ("when { resource.args.a == 1 }", set()),
        ("when { {args: {b: 1}}.args.b == context.args.a }", {"a"}),
    ],
)
def test_what_is_looked_at_is_found(condition: str, names: set[str]) -> None:
    assert read(condition) == frozenset(names)


@pytest.mark.parametrize(
    "condition",
    [
        'when { context == {"args": {}} }',
        "when { context.args == {a: 1} }",
        "when { [context.args].contains({a: 1}) }",
        "when { (if true then context else context).args.a == 1 }",
        "when { (if true then context.args else context.args).a == 1 }",
        "when { {inner: context}.inner.args.a == 1 }",
        "when { context.args.a == 1 && [context].isEmpty() }",
    ],
)
def test_what_is_unclear_counts_as_everything(condition: str) -> None:
    assert read(condition) is None


def test_a_name_in_a_record_or_a_string_is_no_look() -> None:
    assert read('when { {"attr": "args", "left": "context"}.attr == "x" }') == frozenset()
    assert arguments_read([{"kind": "when", "body": {".": "x"}}]) == frozenset()
    assert arguments_read([{"kind": "when", "body": {".": {"left": 1, "attr": 2}}}]) == frozenset()


def test_several_policies_look_at_what_any_of_them_does() -> None:
    assert united([frozenset({"a"}), frozenset({"b"}), frozenset()]) == frozenset({"a", "b"})
    assert united([frozenset({"a"}), None]) is None
    assert united([]) == frozenset()
