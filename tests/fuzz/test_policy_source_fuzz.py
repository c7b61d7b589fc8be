"""Whatever stands in a policy source: a policy, or a refusal with its places; never a crash."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import PolicyError
from governd.policy.argument_types import Record
from governd.policy.compiler import compile_policy
from governd.policy.input_schema import read_parameters
from governd.policy.lint import lint
from governd.policy.source import read_source
from governd.policy.statements import parse_statements, refuse_deep, split_statements
from tests.policies import TENANTS, base, schema_text, source_files

PATHS = st.sampled_from(
    [
        "manifest.toml",
        "policies/x.cedar",
        "schema.cedarschema",
        "entities.json",
        "grants.toml",
        "tools/x.json",
        "tenants/acme/policies/x.cedar",
        "tenants/acme/entities.json",
        "tenants/acme/grants.toml",
        "tenants/zeta/grants.toml",
        "tenants/acme/tools/x.json",
        "policies/x.txt",
        "policies/x",
        "Entities.json",
        "x.cedar",
        "README.md",
    ]
)
WORDS = st.sampled_from(
    [
        "permit",
        "forbid",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "principal",
        "action",
        "resource",
        ",",
        ";",
        "when",
        "unless",
        "if",
        "then",
        "else",
        "has",
        "like",
        "in",
        "is",
        "==",
        "&&",
        "!",
        ".",
        "<",
        ">",
        '"',
        '"x"',
        "//",
        "@id",
        "@mode",
        "?principal",
        "Agent",
        "::",
        "1",
        "context",
        "entity",
        "type",
        "Set",
        "=",
        ":",
        "é",
        "\\",
        "/*",
        *list("\n\r\x00\u2028"),
    ]
)
CEDAR = st.lists(WORDS, max_size=30).map(" ".join)


def load(files: dict[str, bytes]) -> None:
    try:
        source = read_source(files, base())
        compile_policy(source, schema_text())
        lint(source)
    except PolicyError as error:
        assert error.problems
        str(error).encode()


@given(st.dictionaries(PATHS, st.binary(max_size=60), max_size=4))
def test_any_bytes_in_any_file(files: dict[str, bytes]) -> None:
    load(source_files(manifest=TENANTS, extra=files))


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=20), max_size=4))
@example({"policies/\udcff.cedar": b""})
@example({"tenants/\0/grants.toml": b""})
def test_any_files(files: dict[str, bytes]) -> None:
    load(files)


@given(CEDAR)
@example("permit(principal, action, resource) when { " + "(" * 5000)
@example("permit(principal, action, resource) when { " + "-" * 5000 + "1 == 1 };")
@example("permit(principal, action, resource) when { [" + "1," * 5000 + "1] == 1 };")
@example("permit(principal, action, resource) " + "when { true }" * 1000 + ";")
@example("@" * 10000 + ";")
def test_words_of_cedar_as_policies(text: str) -> None:
    load(source_files(text, manifest=TENANTS, extra={"tenants/acme/policies/x.cedar": text}))


@given(CEDAR)
def test_words_of_cedar_as_a_schema(text: str) -> None:
    load(source_files(schema=text))


@given(st.text(max_size=80) | CEDAR)
def test_the_splitter_cuts_or_refuses(text: str) -> None:
    try:
        refuse_deep("x", text)
        statements = split_statements("x", text)
        parse_statements(statements)
    except PolicyError:
        return
    for one in statements:
        assert one.text in text
        assert one.text.endswith(";")
        assert 1 <= one.line <= text.count("\n") + 1


NAMES = st.sampled_from(["type", "id", "uid", "attrs", "parents", "tags", "__entity", "__extn"])
LEAVES = st.sampled_from(
    ["Agent", "Group", "Robot", "x", "acme/x", "revoked", "spiffe://example.org/a", 1, None, 0.5]
)
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3)
)
ENTITIES = st.fixed_dictionaries(
    {"uid": st.fixed_dictionaries({"type": LEAVES, "id": LEAVES}) | TREES},
    optional={"parents": TREES, "attrs": TREES, "tags": TREES},
)


@given(st.lists(ENTITIES | TREES, max_size=3))
def test_things_like_entities(entities: list[Any]) -> None:
    text = json.dumps(entities)
    load(source_files(extra={"entities.json": text}))
    load(source_files(manifest=TENANTS, extra={"tenants/acme/entities.json": text}))


SCHEMA_KEYS = st.sampled_from(
    ["type", "properties", "items", "anyOf", "enum", "required", "$ref", "a", "__cedar"]
)
SCHEMA_WORDS = st.sampled_from(["string", "integer", "object", "array", "null", True, None, 1, "a"])
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    SCHEMA_WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCHEMA_KEYS, inner, max_size=4),
)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYWORDS = {"required", "properties", "items", "anyOf", "type", "enum"}


@given(
    st.fixed_dictionaries(
        {"type": st.just("object") | JSON},
        optional={
            **dict.fromkeys(KEYWORDS - {"type"}, JSON),
            "properties": JSON | st.dictionaries(st.text(max_size=5) | SCHEMA_KEYS, SCHEMAS),
            "required": JSON | st.lists(SCHEMA_KEYS | JSON, max_size=4),
        },
    )
)
@example({"type": "object", "properties": {"a": {"type": "string"}}, "required": [["a"], {}]})
@example({"type": [{}, [], "null"], "enum": [{}], "anyOf": [[{}]]})
def test_any_json_under_the_words_of_an_input_schema(schema: dict[str, Any]) -> None:
    tool = {"name": "t", "inputSchema": schema}
    file = {"server": "x", "spiffe_id": "spiffe://example.org/x", "tools": [tool]}
    load(source_files(extra={"tools/x.json": json.dumps(file)}))
    assert isinstance(read_parameters({"type": "object", "properties": {"a": schema}}), Record)


@given(st.sampled_from(sorted(KEYWORDS)), JSON)
def test_any_json_under_one_word_is_read(word: str, value: object) -> None:
    inner = {"a": {"type": "string"}}
    for kind in ("object", "array"):
        schema = {"type": kind, "properties": inner, "required": ["a"], word: value}
        assert isinstance(read_parameters(schema), Record)


@given(st.dictionaries(SCHEMA_KEYS, SCHEMAS, max_size=4))
def test_things_like_input_schemas(schema: dict[str, Any]) -> None:
    tools = [{"name": "t", "inputSchema": {"type": "object", "properties": schema}}]
    tools += [{"name": "u", "inputSchema": schema}]
    file = {"server": "x", "spiffe_id": "spiffe://example.org/x", "tools": tools}
    load(source_files(extra={"tools/x.json": json.dumps(file)}))
