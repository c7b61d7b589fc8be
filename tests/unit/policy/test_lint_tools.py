"""Second looks at what is said of tools, in their files and by policies."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from governd.policy.lint import lint
from governd.policy.source import read_source
from tests.policies import MANIFEST, base, source_files

NUMBER = {"type": "number"}
REFUND: dict[str, Any] = {
    "name": "refund",
    "inputSchema": {
        "type": "object",
        "properties": {
            "amount": NUMBER,
            "note": {},
            "options": {"type": "object", "properties": {"limit": NUMBER, "filter": {}}},
        },
    },
    "annotations": {"destructiveHint": False},
    "requires": ["pay"],
}
ORDER: dict[str, Any] = {
    **REFUND,
    "name": "order",
    "inputSchema": {"type": "object", "properties": {"note": {"type": "string"}}},
}
PLAIN = {**ORDER, "name": "plain", "inputSchema": {"type": "object", "properties": {}}}
GIT: dict[str, Any] = {**ORDER, "name": "git_log"}


def of(server: str, *tools: Mapping[str, Any]) -> bytes:
    """A file that declares a server with some tools."""
    spiffe_id = f"spiffe://example.org/mcp/{server}"
    return json.dumps({"server": server, "spiffe_id": spiffe_id, "tools": tools}).encode()


def found(policies: str, **servers: bytes) -> list[str]:
    """What is said of a source whose manifest lists all of its files."""
    files = {f"tools/{name}.json": content for name, content in servers.items()}
    files = source_files(policies, extra=files)
    names = sorted(files.keys() - {"manifest.toml"})
    files["manifest.toml"] = f"{MANIFEST}files = {json.dumps(names)}".encode()
    return [str(problem) for problem in lint(read_source(files, base()))]


def said_of(tool: Mapping[str, Any]) -> list[str]:
    """What is said of a tool."""
    return [one.removeprefix("tools (git): t: ") for one in found("", git=of("git", tool))]


NEAT: dict[str, Any] = {**PLAIN, "name": "t"}


def test_a_neat_tool_has_nothing_to_look_at() -> None:
    assert said_of(NEAT) == []


def test_a_tool_that_requires_nothing() -> None:
    (said,) = said_of({**NEAT, "requires": []})
    assert said == "requires nothing, so only policies that name it permit it"


def test_arguments_that_cannot_be_typed_are_named_by_path() -> None:
    assert said_of({**NEAT, "inputSchema": REFUND["inputSchema"]}) == [
        "argument note cannot be typed and counts as undeclared",
        "argument options.filter cannot be typed and counts as undeclared",
    ]


def test_a_tool_without_annotations_counts_as_the_worst() -> None:
    for annotations in ({}, {"annotations": None}):
        tool = {name: value for name, value in NEAT.items() if name != "annotations"}
        (said,) = said_of({**tool, **annotations})
        assert said == "has no annotations, so it counts as destructive and open-world"


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize("name", ["inputSchema", "outputSchema"])
def test_a_schema_that_reaches_outside_or_copies_arguments_into_headers(name: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "x-mcp-header": "Region"},
            "b": {"type": "array", "items": {"$ref": "https://example.org/schema.json"}},
            "c": {"$ref": "#/$defs/c"},
        },
        "$defs": {"c": {"type": "string"}},
    }
    said = [one for one in said_of({**NEAT, name: schema}) if "unsafe" in one]
    assert said == [
        f"{name}.properties.{path} is unsafe, so it is quarantined when it is registered"
        for path in ("a.x-mcp-header", "b.items.$ref")
    ]


SHOP = {"git": of("git", GIT), "pay": of("pay", REFUND, ORDER, PLAIN)}
ABOUT_REFUND = 'principal, action == Action::"tools/call:pay/refund", resource'


def said_by(policy: str, **servers: bytes) -> list[str]:
    """What is said of a policy, beside what is said of tools."""
    problems = found(f'@id("x") {policy}', **(servers or SHOP))
    return [one.partition("policy: ")[2] for one in problems if one.startswith("policies/")]


NAMES: dict[str, tuple[str, str]] = {
    "a misspelt tool in the scope": (
        'forbid (principal, action, resource == Tool::"pay/refnd");',
        'names Tool::"pay/refnd", which nothing declares; is it pay/refund?',
    ),
    "a misspelt tool in a condition": (
        'forbid (principal is Agent, action, resource) when { resource == Tool::"pay/refnd" };',
        'names Tool::"pay/refnd", which nothing declares; is it pay/refund?',
    ),
    "a tool without its server": (
        'forbid (principal, action, resource == Tool::"order");',
        'names Tool::"order", which nothing declares; is it pay/order?',
    ),
    "a tool on another server": (
        'forbid (principal, action, resource == Tool::"git/refund");',
        'names Tool::"git/refund", which nothing declares; is it pay/refund?',
    ),
    "a tool like no other": (
        'forbid (principal, action, resource == Tool::"mail/send");',
        'names Tool::"mail/send", which nothing declares',
    ),
    "a misspelt server": (
        'forbid (principal, action, resource in McpServer::"gti");',
        'names McpServer::"gti", which nothing declares; is it git?',
    ),
    "a misspelt server beside a type": (
        'forbid (principal, action, resource is Tool in McpServer::"gti");',
        'names McpServer::"gti", which nothing declares; is it git?',
    ),
    "a misspelt server in a condition": (
        (
            'forbid (principal, action in Action::"list", resource)'
            ' when { resource == McpServer::"payy" };'
        ),
        'names McpServer::"payy", which nothing declares; is it pay?',
    ),
    "a resource of a misspelt server": (
        'forbid (principal, action, resource == Resource::"gti/file:///a");',
        (
            'names Resource::"gti/file:///a", which nothing declares:'
            " no server is called gti; is it git?"
        ),
    ),
    "a prompt of a server like no other": (
        'forbid (principal, action, resource == Prompt::"mail/p");',
        'names Prompt::"mail/p", which nothing declares: no server is called mail',
    ),
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("policy", "wanted"), NAMES.values(), ids=NAMES.keys())
def test_a_policy_that_names_what_nobody_declares(policy: str, wanted: str) -> None:
    assert said_by(policy) == [wanted]


KNOWN_NAMES = {
    "tools and servers that are declared": (
        'forbid (principal, action, resource == Tool::"pay/refund")'
        ' when { resource in McpServer::"pay" };'
    ),
    "a resource of a declared server": (
        'forbid (principal, action, resource == Resource::"git/file:///a");'
    ),
    "whatever is on a server": 'forbid (principal, action, resource in McpServer::"git");',
    "an agent": (
        'forbid (principal == Agent::"spiffe://example.org/a", action,'
        ' resource == Agent::"spiffe://example.org/b");'
    ),
}


@pytest.mark.parametrize("policy", KNOWN_NAMES.values(), ids=KNOWN_NAMES.keys())
def test_a_policy_that_names_what_is_declared(policy: str) -> None:
    assert said_by(policy) == []


REGISTERS = {**SHOP, "late": of("late")}
"""With a server that registers its tools itself."""


def test_a_server_without_declared_tools_may_have_any() -> None:
    tool = 'forbid (principal, action, resource == Tool::"late/whatever");'
    assert said_by(tool, **REGISTERS) == []
    argument = 'forbid (principal, action in Action::"tools/call", resource)'
    argument += " when { context.args has whatever };"
    assert said_by(argument, **REGISTERS) == []
    here = argument.replace("resource)", 'resource in McpServer::"late")')
    assert said_by(here, **REGISTERS) == []


ARGUMENTS: dict[str, tuple[str, list[str]]] = {
    "a misspelt argument": (
        (
            f"forbid ({ABOUT_REFUND}) when {{ context.args has amont"
            ' && context.args.amont.lessThan(decimal("1.0")) };'
        ),
        ["names the argument amont, which no tool that it is about declares; is it amount?"],
    ),
    "a misspelt argument of another tool's policy": (
        (
            'forbid (principal, action in [Action::"tools/call:pay/order",'
            ' Action::"tools/call:git/git_log"], resource) when { context.args has amount };'
        ),
        ["names the argument amount, which no tool that it is about declares"],
    ),
    "a misspelt argument of any tool": (
        (
            'forbid (principal, action in Action::"tools/call", resource)'
            " when { context.args has amont };"
        ),
        ["names the argument amont, which no tool that it is about declares; is it amount?"],
    ),
    "a misspelt argument of any call": (
        (
            "forbid (principal is Agent, action, resource)"
            " when { context has args && context.args has amont };"
        ),
        ["names the argument amont, which no tool that it is about declares; is it amount?"],
    ),
    "an argument that another server's tools have": (
        (
            'forbid (principal, action in Action::"tools/call", resource in McpServer::"git")'
            " when { context.args has amount };"
        ),
        ["names the argument amount, which no tool that it is about declares"],
    ),
    "an argument that another tool has": (
        (
            'forbid (principal, action in Action::"tools/call", resource == Tool::"pay/plain")'
            " when { context.args has amount };"
        ),
        ["names the argument amount, which no tool that it is about declares"],
    ),
    "an argument where no tool is called": (
        (
            'forbid (principal, action == Action::"tools/list", resource)'
            " when { context has args && context.args has amount };"
        ),
        ["names the argument amount, which no tool that it is about declares"],
    ),
    "a misspelt member": (
        f"forbid ({ABOUT_REFUND}) when {{ context.args has options.limt }};",
        [
            (
                "names the argument options.limt, which no tool that it is about declares;"
                " is it options.limit?"
            )
        ],
    ),
    "a member where its object is missing": (
        f"forbid ({ABOUT_REFUND}) when {{ context.args has limit }};",
        ["names the argument limit, which no tool that it is about declares; is it options.limit?"],
    ),
    "members of what is misspelt are told once": (
        f"forbid ({ABOUT_REFUND}) when {{ context.args has optoins.limit.x }};",
        ["names the argument optoins, which no tool that it is about declares; is it options?"],
    ),
    "an untyped argument": (
        f"forbid ({ABOUT_REFUND}) unless {{ context.args has note }};",
        ["names the argument note, which cannot be typed, so context.args never has it"],
    ),
    "a member of an untyped argument": (
        f"forbid ({ABOUT_REFUND}) when {{ context.args has options.filter.x }};",
        ["names the argument options.filter, which cannot be typed, so context.args never has it"],
    ),
    "two at once": (
        f"forbid ({ABOUT_REFUND}) when {{ context.args has note || context.args has zzz }};",
        [
            "names the argument note, which cannot be typed, so context.args never has it",
            "names the argument zzz, which no tool that it is about declares",
        ],
    ),
    "what one of its tools declares": (
        (
            'forbid (principal, action in [Action::"tools/call:pay/order",'
            ' Action::"tools/call:pay/refund"], resource)'
            " when { context.args has amount && context.args has note };"
        ),
        [],
    ),
    "what some tool declares": (
        (
            'forbid (principal, action in Action::"tools/call", resource)'
            " when { context.args has amount && context.args has note };"
        ),
        [],
    ),
    "members that are declared": (
        (
            f"forbid ({ABOUT_REFUND}) when {{ context.args has options.limit"
            ' && context.args.options.limit.lessThan(decimal("1.0")) };'
        ),
        [],
    ),
    "what has the form of an argument and is none": (
        (
            f'forbid ({ABOUT_REFUND}) when {{ {{"has": {{"left": 1, "attr": "a"}}}}'
            ' == {"has": {"left": 2, "attr": "b"}} || context.delegated'
            ' || principal.hasTag("args") || context has args };'
        ),
        [],
    ),
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("policy", "wanted"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_a_policy_about_arguments_that_no_call_has(policy: str, wanted: list[str]) -> None:
    assert said_by(policy) == wanted
