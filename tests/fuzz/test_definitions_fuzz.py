"""Whatever a server says of its tools: a definition or a refusal; and it only ever adds."""

import json
from functools import cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import DefinitionError
from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.definitions import Definition, DefinitionLimits, Kind, read_definition
from governd.policy.entities import Uid
from governd.policy.lookalikes import skeleton
from governd.policy.offering import offer
from governd.policy.quarantine import QuarantineReason
from governd.policy.registration import (
    Key,
    Registration,
    approve,
    read_registration,
    register,
    write_registration,
)
from governd.policy.tools import Tool
from tests.policies import SERVER, compiled, server_file

LIMITS = DefinitionLimits()
EVIL = "spiffe://example.org/mcp/evil"
KINDS = st.sampled_from(Kind)
WORDS = st.sampled_from(
    [
        *("name", "uri", "uriTemplate", "description", "mimeType", "arguments"),
        *("inputSchema", "outputSchema", "annotations", "readOnlyHint", "destructiveHint"),
        *("type", "properties", "items", "required", "enum", "anyOf", "$ref", "$defs"),
        *("x-mcp-header", "object", "string", "#/$defs/a", "a", "", "\0", "é", "\U0001f525"),
        *("\ue000", "\ud800", "http://evil.example"),
    ]
)
NUMBERS = st.integers() | st.floats() | st.integers(-(2**54), 2**54) | st.sampled_from([1e20, 1e21])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(WORDS | st.text(max_size=5), VALUES, max_size=4)
HINTS = st.dictionaries(
    st.sampled_from(["readOnlyHint", "destructiveHint", "openWorldHint", "title"]), st.booleans()
)
ENTRIES = st.fixed_dictionaries(
    {"name": WORDS | st.text(min_size=1, max_size=8)},
    optional={
        "uri": WORDS,
        "uriTemplate": WORDS,
        "description": st.text(max_size=8),
        "inputSchema": OBJECTS,
        "outputSchema": OBJECTS,
        "annotations": HINTS,
        "title": VALUES,
        "arguments": st.lists(VALUES, max_size=2),
    },
)


def read(kind: Kind, text: bytes, requires: tuple[str, ...] = ()) -> Definition | None:
    """A definition; ``None`` where it is refused, as it has to be."""
    try:
        return read_definition(kind, text, requires, limits=LIMITS, field="definitions[0]")
    except DefinitionError as error:
        assert error.field.startswith("definitions[0].")
        assert str(error).startswith(error.field)
        return None


@given(KINDS, st.binary(max_size=60))
@example(Kind.TOOL, b"[" * 60_000)
@example(Kind.TOOL, b'{"name":' * 8_000)
def test_any_bytes(kind: Kind, content: bytes) -> None:
    read(kind, content)


@given(KINDS, ENTRIES | OBJECTS, st.randoms())
@example(Kind.TOOL, {"name": "a", "inputSchema": {"default": 1e20}}, None)
@example(Kind.TOOL, {"name": "a", "inputSchema": {"default": 2**53 - 1}}, None)
@example(Kind.TOOL, {"name": "a", "inputSchema": {"\ue000": 1, "\U00010000": 2}}, None)
def test_a_canonical_form_is_its_own_and_the_same_however_it_is_written(
    kind: Kind, entry: dict[str, Any], random: Any
) -> None:
    found = read(kind, json.dumps(entry).encode())
    if found is None:
        return
    again = read(kind, found.canonical)
    assert again == found
    assert (again.parameters, again.hints) == (found.parameters, found.hints)
    assert b"{" + b",".join(found.members().values()) + b"}" == found.canonical
    members = list(entry.items())
    if random is not None:
        random.shuffle(members)
    other = json.dumps(dict(members), indent=1, ensure_ascii=False).encode()
    assert read(kind, other) == found


NAMES = ["read", "reset", "Read", "re\u0430d", "x", "X", "y"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["", "One.", "Two."]),
        HINTS,
        st.lists(st.sampled_from(["git:read", "a", "b"]), max_size=2).map(tuple),
        st.booleans(),
    ),
    max_size=4,
)
HISTORIES = st.lists(st.tuples(STEPS, st.booleans(), st.booleans()), min_size=1, max_size=4)


@cache
def policy() -> CompiledPolicy:
    evil = {"server": "evil", "spiffe_id": EVIL, "trust_annotations": True}
    tools: list[dict[str, Any]] = [
        {"name": "read", "requires": ["git:read"], "annotations": {"readOnlyHint": True}},
        {"name": "reset", "description": "One."},
    ]
    files = {"tools/git.json": server_file(tools=tools), "tools/evil.json": json.dumps(evil)}
    return compiled(extra=files)


def lived(history: Any, server: str, spiffe_id: str) -> Registration:
    """What a server's registrations, and an operator's approvals, lead to."""
    found: Registration | None = None
    for now, (steps, accept_first, approved) in enumerate(history):
        definitions = [
            one
            for name, description, hints, requires, unsafe in steps
            if (one := read(Kind.TOOL, _text(name, description, hints, unsafe), requires))
        ]
        found = register(
            found,
            SpiffeId.parse(spiffe_id),
            server,
            definitions,
            now=float(now),
            accept_first=accept_first,
        )
        for key, offered in found.registered.items() if approved else ():
            if not offered.duplicate:
                found = approve(
                    found, key, offered.definition.digest, declared=_declared(found, key)
                )
    assert found is not None
    return found


def _declared(found: Registration, key: Key) -> Tool | None:
    return policy().servers[found.server].tools.get(key[1])


def _text(name: str, description: str, hints: dict[str, bool], unsafe: bool) -> bytes:
    schema = {"$ref": "http://evil.example"} if unsafe else {}
    members = {"description": description, "annotations": hints, "inputSchema": schema}
    return json.dumps({"name": name, **members}).encode()


@given(HISTORIES)
def test_a_registration_is_read_back_as_it_was_written(history: Any) -> None:
    found = lived(history, "git", SERVER)
    back = read_registration(write_registration(found))
    assert back == found
    assert list(back.registered) == list(found.registered)
    assert list(back.withdrawn) == list(found.withdrawn)


@given(HISTORIES)
def test_the_same_again_is_the_same(history: Any) -> None:
    found = lived(history, "git", SERVER)
    listed = [[one.definition] * (1 + one.duplicate) for one in found.registered.values()]
    definitions = [one for few in listed for one in few]
    again = register(
        found, found.spiffe_id, found.server, definitions, now=99.0, accept_first=False
    )
    assert again is found


@given(HISTORIES, HISTORIES)
def test_a_registration_only_adds_to_what_the_policy_source_says(one: Any, other: Any) -> None:
    registrations = [lived(one, "git", SERVER), lived(other, "evil", EVIL)]
    found = offer(policy(), registrations)
    assert found == offer(policy(), registrations[::-1])
    for (server, kind, name), standing in found.standings.items():
        uid = Uid("Tool", f"{server}/{name}")
        assert (uid in found.offered.quarantined) is bool(standing.reasons)
        assert (uid in found.offered.digests) is not bool(standing.reasons)
        by = registrations[server == "evil"]
        assert standing.offered is ((kind, name) in by.registered)
        assert standing.registered == by.last_seen()[kind, name]
        assert not (uid.id in found.offered.tools and standing.reasons)
        declared = policy().servers[server].tools.get(name)
        tool, registered = standing.tool, standing.registered
        assert tool is not None
        assert registered is not None
        assert set(tool.requires) >= set(registered.definition.requires)
        if declared is not None:
            assert set(tool.requires) >= set(declared.requires)
            assert tool.destructive >= declared.destructive
            assert tool.hints.open_world >= declared.hints.open_world
            assert tool.parameters == declared.parameters


@given(HISTORIES)
def test_leaving_out_changes_nothing_but_what_is_offered(history: Any) -> None:
    """Neither what is quarantined nor what a declared tool requires."""
    found = lived(history, "git", SERVER)
    left = register(found, found.spiffe_id, "git", [], now=99.0, accept_first=False)
    before, after = (offer(policy(), [one]) for one in (found, left))
    names = {QuarantineReason.NAME_TAKEN, QuarantineReason.LOOKALIKE}
    assert not left.registered
    for key, standing in before.standings.items():
        if set(standing.reasons) - names:
            assert Uid("Tool", f"git/{key[2]}") in after.offered.quarantined
        elif standing.declared:
            assert after.standings[key].tool == standing.tool
            assert after.offered.tools.get(f"git/{key[2]}") == before.offered.tools.get(
                f"git/{key[2]}"
            )


@given(HISTORIES, HISTORIES)
def test_of_names_that_look_alike_one_is_in_force_unless_somebody_approved(
    one: Any, other: Any
) -> None:
    """Declared tools aside, which the policy's author wrote side by side."""
    histories = [[(steps, True, False) for steps, _, _ in each] for each in (one, other)]
    found = offer(policy(), [lived(histories[0], "git", SERVER), lived(histories[1], "evil", EVIL)])
    conflicts = {QuarantineReason.NAME_TAKEN, QuarantineReason.LOOKALIKE}
    free = [
        skeleton(name)
        for (_, _, name), standing in found.standings.items()
        if standing.offered and not standing.declared and not conflicts & set(standing.reasons)
    ]
    names = {skeleton(name) for server in policy().servers.values() for name in server.tools}
    assert len(free) == len(set(free))
    assert not names & set(free)
