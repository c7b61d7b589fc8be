"""Lists as they are on the wire: what can be asked about, and what a digest covers."""

import hashlib
import json
import math
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd_client import Kind
from governd_client.mcp_lists import (
    FORMS,
    MAX_NAME_BYTES,
    ListError,
    clear,
    read_page,
)

TOOLS = FORMS["tools/list"]
MESSAGES: dict[str, Any] = {
    "tools/list": types.ListToolsResult,
    "prompts/list": types.ListPromptsResult,
    "resources/list": types.ListResourcesResult,
}
SCHEMA = {"type": "object"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def tool(name: Any, **members: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": SCHEMA, **members}


def names(entries: Any) -> list[str]:
    return [each.name for each in entries]


def test_the_digest_is_that_of_the_canonical_form_of_the_pinned_members() -> None:
    listed = tool(
        "git_log",
        title="Log",
        description="Ünï",
        annotations={"readOnlyHint": True},
        _meta={"io.governd/requires": ["git:read"]},
        icons=[{"src": "x"}],
    )
    [entry] = read_page(TOOLS, {"tools": [listed]}).entries
    canonical = (
        '{"annotations":{"readOnlyHint":true},"description":"Ünï",'
        '"inputSchema":{"type":"object"},"name":"git_log"}'
    ).encode()
    assert entry.canonical == canonical
    assert entry.digest == "sha-256:" + hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize(
    ("method", "kind", "listed", "pinned"),
    [
        (
            "resources/list",
            Kind.RESOURCE,
            {"uri": "file:///a", "name": "a", "mimeType": "text/plain", "size": 7, "title": "A"},
            {"uri": "file:///a", "name": "a", "mimeType": "text/plain"},
        ),
        (
            "resources/templates/list",
            Kind.RESOURCE_TEMPLATE,
            {"uriTemplate": "file:///{a}", "name": "a", "description": "", "title": "A"},
            {"uriTemplate": "file:///{a}", "name": "a", "description": ""},
        ),
        (
            "prompts/list",
            Kind.PROMPT,
            {"name": "review", "arguments": [{"name": "a", "required": True}], "title": "A"},
            {"name": "review", "arguments": [{"name": "a", "required": True}]},
        ),
    ],
)
def test_each_kind_has_its_name_and_its_pinned_members(
    method: str, kind: Kind, listed: dict[str, Any], pinned: dict[str, Any]
) -> None:
    form = FORMS[method]
    [entry] = read_page(form, {form.member: [listed]}).entries
    assert (entry.kind, entry.name) == (kind, listed[form.key])
    assert json.loads(entry.canonical) == pinned


def test_a_message_reads_as_what_it_is_on_the_wire() -> None:
    listed = types.Tool(name="git_log", description="Log", input_schema=SCHEMA, title="T")
    raw = {"tools": [{"inputSchema": SCHEMA, "description": "Log", "name": "git_log"}]}
    message = types.ListToolsResult(tools=[listed], next_cursor="2")
    page = read_page(TOOLS, message)
    assert page.cursor == "2"
    assert page.entries[0].digest == read_page(TOOLS, raw).entries[0].digest


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        "tools",
        {},
        {"tools": None},
        {"tools": {"git_log": {}}},
        {"tools": "git_log"},
        {"prompts": []},
        types.EmptyResult(),
        types.ErrorData(code=1, message="x"),
    ],
    ids=repr,
)
def test_a_result_that_is_no_list_is_not_read(result: Any) -> None:
    with pytest.raises(ListError):
        read_page(TOOLS, result)


@pytest.mark.parametrize(
    "entry", [None, 7, "git_log", [], {}, tool(""), tool(None), tool(7), tool(["a"])], ids=repr
)
def test_an_entry_without_a_name_is_left_out(entry: Any) -> None:
    page = read_page(TOOLS, {"tools": [entry, tool("git_log")]})
    assert names(page.entries) == names(clear(page.entries)) == ["git_log"]
    assert page.entries[0].index == 1


def test_of_a_name_that_is_there_twice_nothing_is_clear() -> None:
    listed = [tool("a"), tool("b"), tool("a", description="better"), tool("A")]
    page = read_page(TOOLS, {"tools": listed})
    assert names(page.entries) == ["a", "b", "a", "A"]
    assert names(clear(page.entries)) == ["b", "A"]


@pytest.mark.parametrize(
    "members",
    [
        {"description": "\ud800"},
        {"inputSchema": {"maximum": 2**53}},
        {"inputSchema": {"maximum": math.nan}},
        {"inputSchema": {"maximum": math.inf}},
        {"inputSchema": {"default": object()}},
        {"inputSchema": {7: "x"}},
    ],
    ids=["lone surrogate", "2**53", "NaN", "infinity", "no JSON", "key that is no text"],
)
def test_what_has_no_canonical_form_is_not_clear(members: dict[str, Any]) -> None:
    page = read_page(TOOLS, {"tools": [tool("a", **members), tool("b")]})
    assert names(clear(page.entries)) == ["b"]
    assert page.entries[0].digest == ""


def test_what_is_nested_without_end_is_not_clear() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"items": deep}
    assert not clear(read_page(TOOLS, {"tools": [tool("a", inputSchema=deep)]}).entries)


@pytest.mark.parametrize(
    ("name", "sure"), [("é" * (MAX_NAME_BYTES // 2), True), ("é" * 1025, False)]
)
def test_a_name_that_no_question_can_have_is_not_clear(name: str, sure: bool) -> None:
    assert bool(clear(read_page(TOOLS, {"tools": [tool(name)]}).entries)) is sure


@pytest.mark.parametrize(
    ("method", "listed", "through_models"),
    [
        (
            "tools/list",
            tool(
                "a",
                description=None,
                outputSchema=None,
                title=None,
                annotations={"readOnlyHint": True, "idempotentHint": None, "vendor": "x"},
            ),
            tool("a", annotations={"readOnlyHint": True}),
        ),
        ("tools/list", tool("a", annotations=None), tool("a")),
        ("tools/list", tool("a", annotations={"vendor": 1}), tool("a", annotations={})),
        (
            "prompts/list",
            {"name": "a", "arguments": [{"name": "x", "required": None, "vendor": 1}]},
            {"name": "a", "arguments": [{"name": "x"}]},
        ),
        ("prompts/list", {"name": "a", "arguments": None}, {"name": "a"}),
        (
            "resources/list",
            {"uri": "file:///a", "name": "a", "description": None, "mimeType": None},
            {"uri": "file:///a", "name": "a"},
        ),
    ],
)
def test_a_digest_is_the_same_of_raw_json_and_of_what_went_through_the_models_of_an_sdk(
    method: str, listed: dict[str, Any], through_models: dict[str, Any]
) -> None:
    form = FORMS[method]
    raw, own = read_page(form, {form.member: [listed, through_models]}).entries
    message = MESSAGES[method].model_validate({form.member: [listed]}, by_name=False)
    [parsed] = read_page(form, message).entries
    assert raw.digest == parsed.digest == own.digest != ""
    assert raw.canonical == own.canonical


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": {"title": "Harmless"}},
        {"annotations": {"readOnlyHint": True}},
        {"inputSchema": {"type": "object", "default": None}},
        {"inputSchema": {"type": "object", "x-mcp-header": "Token"}},
    ],
    ids=repr,
)
def test_whatever_an_agent_acts_upon_is_in_the_digest(change: dict[str, Any]) -> None:
    one, two = read_page(TOOLS, {"tools": [tool("a"), {**tool("a"), **change}]}).entries
    assert one.digest != two.digest


def test_arguments_that_are_nested_without_end_are_not_clear() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    form = FORMS["prompts/list"]
    assert not clear(read_page(form, {"prompts": [{"name": "a", "arguments": deep}]}).entries)


@given(items=JSON | st.lists(JSON | st.builds(tool, st.sampled_from("ab") | JSON, x=JSON)))
def test_whatever_is_listed_it_is_no_list_or_each_clear_entry_has_one_name_and_one_digest(
    items: Any,
) -> None:
    try:
        page = read_page(TOOLS, {"tools": items})
    except ListError:
        assert not isinstance(items, list)
        return
    sure = clear(page.entries)
    assert len(set(names(sure))) == len(sure)
    for each in sure:
        assert items[each.index] is each.item
        assert each.digest == "sha-256:" + hashlib.sha256(each.canonical).hexdigest()
        assert json.loads(each.canonical)["name"] == each.name
