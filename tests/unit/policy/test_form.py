"""A compiled form is read back as it was written, or it is refused."""

import json
from collections.abc import Callable

import pytest

from governd.policy import form_reader
from governd.policy.compiler import compile_source
from governd.policy.entities import Uid
from governd.policy.form import FormError, Stamp, sealed
from governd.policy.form_reader import FormReader, read_form
from tests.policies import (
    ACME,
    PERMIT_ALL,
    TENANTS,
    WRITER,
    ask,
    compiled,
    read,
    schema_text,
    server_file,
)

STAMP = Stamp("1.0", "base", "sha-256:ab")
GRANTS = f"""
[[grant]]
agents = ["{WRITER}"]
capabilities = ["git:read"]
destructive = ["git/reset"]
"""
POLICIES = """
@id("x") @max_staleness("30s") @obligation("step-up;method=webauthn") @no_lease
permit (principal, action in [Action::"tools/list", Action::"tools/call:git/open"], resource)
when { principal in Group::"staff" || "\\u{2028}\\n" == "é" };

@id("s") @mode("shadow") forbid (principal, action, resource);
"""
PIN = "sha-256:" + "a" * 64
PARTS = {
    "manifest": TENANTS + '[revoked]\nsubjects = ["spiffe://example.org/gone"]\n',
    "grants": GRANTS,
    "entities": [
        {"uid": {"type": "Agent", "id": WRITER}, "parents": [{"type": "Group", "id": "staff"}]},
        {"uid": {"type": "Group", "id": "staff"}, "tags": {"team": "\u2028"}},
    ],
    "schema": "entity Repo;",
    "extra": {
        "tenants/acme/policies/x.cedar": PERMIT_ALL,
        "tools/more.json": server_file("more", "spiffe://example.org/mcp/more"),
        "tools/wiki.json": json.dumps(
            {
                "server": "wiki",
                "spiffe_id": "spiffe://example.org/mcp/wiki",
                "tools": [{"name": "search", "description": "\u2028", "pin": PIN}],
                "trust_annotations": True,
            }
        ),
    },
}


def written(stamp: Stamp = STAMP) -> bytes:
    lines = compile_source(read(POLICIES, **PARTS), schema_text())
    return b"".join(sealed(stamp, lines))


@pytest.fixture(scope="module")
def form() -> bytes:
    return written()


def test_everything_comes_back(form: bytes) -> None:
    source, policy = read(POLICIES, **PARTS), read_form(form, STAMP)
    assert (policy.digest, policy.manifest) == (STAMP.source, source.manifest)
    assert list(policy.policies) == [one.id for one in source.policies]
    for one in source.policies:
        back = policy.policies[one.id]
        assert (back.effect, back.tenant, back.traits) == (one.effect, one.tenant, one.traits)
        assert back.statement == (one.statement.file, one.statement.line)
        assert policy.policies.est(one.id) == one.est
    for name, server in source.servers.items():
        assert policy.servers[name].spiffe_id == server.spiffe_id
        assert (
            policy.servers[name].trust_annotations is server.trust_annotations is (name == "wiki")
        )
        assert dict(policy.servers[name].tools) == server.tools
    assert policy.tool("more/read") == source.servers["more"].tools["read"]
    search = policy.tool("wiki/search")
    assert search
    assert (search.pin, search.stated) == (PIN, '{"description":"\u2028"}')
    assert {"Repo", "Agent"} <= policy.types
    assert "tools/list" in policy.actions


def test_a_policy_that_was_read_back_answers(form: bytes) -> None:
    policy = read_form(form, STAMP)
    assert ask(policy).code.name == "PERMITTED"
    assert ask(policy).shadow
    assert (
        ask(policy, resource="tool:git/reset").reasons
        == ask(compiled(POLICIES, **PARTS), resource="tool:git/reset").reasons
    )
    assert policy.graph.record(Uid("Group", "staff"))
    assert ask(policy, ACME).reasons == ("tenant/acme/all",)


def test_what_is_written_is_one_line_an_item(form: bytes) -> None:
    lines = form.split(b"\n")
    assert lines.pop() == b""
    for line in lines:
        json.loads(line)


def line(number: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def changed(form: bytes) -> bytes:
        lines = form.splitlines(keepends=True)
        lines[number] = change(lines[number])
        return b"".join(lines)

    return changed


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing at all": lambda _: b"",
    "no seal": lambda form: form[: form.rindex(b"\n", 0, -1) + 1],
    "the last byte is missing": lambda form: form[:-1],
    "half of it": lambda form: form[: len(form) // 2],
    "the stamp alone": lambda _: STAMP.line(),
    "a permit where a forbid was": lambda form: form.replace(b"forbid", b"permit", 1),
    "a line twice": line(3, lambda one: one * 2),
    "a line less": line(4, lambda _: b""),
    "something behind the seal": lambda form: form + b"{}\n",
    "the seal of another form": line(-1, lambda _: written(STAMP._replace(base="b"))[-79:]),
    "a seal that is none": line(-1, lambda _: b"[]\n"),
    "another format": line(0, lambda one: one.replace(b'"format": 3', b'"format": 2')),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_form_is_refused(form: bytes, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FormError):
        read_form(damage(form), STAMP)


@pytest.mark.parametrize("part", Stamp._fields)
def test_a_form_of_something_else_is_refused(form: bytes, part: str) -> None:
    with pytest.raises(FormError, match="another"):
        read_form(form, STAMP._replace(**{part: "other"}))


FORGED = {
    "a head that is none": lambda lines: [b"{}", *lines[1:]],
    "a schema that is none": lambda lines: [lines[0].replace(b"entity", b"entty"), *lines[1:]],
    "a line more than the head says": lambda lines: [*lines, b"{}"],
    "a line less than the head says": lambda lines: lines[:-1],
    "a policy that is none": lambda lines: [lines[0], b'{"id": "x"}', *lines[2:]],
    "an entity where a policy belongs": lambda lines: [lines[0], *lines[-30:]],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_even_under_a_good_seal_every_line_is_read(
    form: bytes, forge: Callable[[list[bytes]], list[bytes]]
) -> None:
    lines = forge(form.splitlines()[1:-1])
    with pytest.raises(FormError):
        read_form(b"".join(sealed(STAMP, lines)), STAMP)


def test_reading_pauses_after_a_few_items(form: bytes) -> None:
    whole = len(list(FormReader(form, STAMP).steps()))
    lines = form.count(b"\n")
    assert whole >= lines // form_reader.STEP_ITEMS // 2


def test_reading_pauses_after_large_items(form: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_reader, "STEP_BYTES", 1)
    assert len(list(FormReader(form, STAMP).steps())) > form.count(b"\n") // 2
