"""A policy source is read as a whole or refused as a whole, with file and line."""

from typing import Any

import pytest

from governd.errors import PolicyError
from governd.policy.layout import digest_of, is_read, is_seen
from governd.policy.source import read_source
from tests.policies import (
    ACME,
    MANIFEST,
    PERMIT_ALL,
    TENANTS,
    base,
    read,
    server_file,
    source_files,
)

BROKEN = "permit (oops);"


def problems(policies: str = "", **parts: Any) -> list[str]:
    with pytest.raises(PolicyError) as error:
        read(policies, **parts)
    assert error.value.reason == "POLICY_INVALID"
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("manifest.toml", True),
        ("policies/a.cedar", True),
        ("policies/a/b.cedar", True),
        ("schema.cedarschema", True),
        ("entities.json", True),
        ("grants.toml", True),
        ("tools/git.json", True),
        ("tenants/acme/policies/a.cedar", True),
        ("tenants/acme/entities.json", True),
        ("tenants/acme/grants.toml", True),
        ("tenants/acme/tools/git.json", False),
        ("tenants/acme/schema.cedarschema", False),
        ("tenants/acme/manifest.toml", False),
        ("tenants//policies/a.cedar", False),
        ("a.cedar", False),
        ("policies/.cedar", False),
        ("policies/a.cedar~", False),
        ("tests/git.yaml", False),
        ("sub/manifest.toml", False),
        ("Manifest.toml", False),
    ],
)
def test_what_belongs_to_a_source_is_told_by_its_path(path: str, wanted: bool) -> None:
    assert is_read(path) is wanted


def test_everything_is_read() -> None:
    source = read(PERMIT_ALL, entities=[], schema="entity X;", grants="grant = []")
    assert [policy.id for policy in source.policies][-1] == "all"
    assert source.policies[0].id.startswith("base/")
    assert (source.schema, source.manifest.version) == ("entity X;", 7)
    assert list(source.servers) == ["git"]


def test_a_missing_manifest_is_half_a_source() -> None:
    files = source_files()
    del files["manifest.toml"]
    with pytest.raises(PolicyError, match=r"^manifest\.toml: is missing: .* half of one$"):
        read_source(files, base())


def test_a_manifest_that_is_not_one_is_refused() -> None:
    assert problems(extra={"manifest.toml": "format = 2"})[0].startswith("manifest.toml:1: format")


def test_a_listed_file_that_is_missing_is_named_with_the_line() -> None:
    listed = (
        'files = ["grants.toml", "tools/git.json", "policies/test.cedar",\n"policies/b.cedar"]\n'
    )
    assert problems(PERMIT_ALL, manifest=listed) == [
        "manifest.toml:6: files: policies/b.cedar is listed but missing"
    ]


def test_a_present_file_that_is_not_listed_is_refused() -> None:
    listed = 'files = ["grants.toml", "tools/git.json"]\n'
    assert problems(PERMIT_ALL, manifest=listed) == [
        "policies/test.cedar: is not listed in files of manifest.toml"
    ]


def test_a_test_may_add_files_that_are_not_listed() -> None:
    files = source_files(PERMIT_ALL, manifest='files = ["grants.toml", "tools/git.json"]\n')
    assert read_source(files, base(), unlisted=["policies/test.cedar"]).manifest.name == "test"


@pytest.mark.parametrize("path", ["a.cedar", "policy/a.cedar", "tenants/acme/a.cedar"])
def test_a_policy_in_the_wrong_place_is_not_passed_over(path: str) -> None:
    assert problems(extra={path: PERMIT_ALL}) == [
        f"{path}: is not read here: policies belong into policies/ and end in .cedar"
    ]


PASSED_OVER = {
    "policies/x.CEDAR": "is not read here: policies belong into policies/ and end in .cedar",
    "tests/x.cedar": "is not read here: policies belong into policies/ and end in .cedar",
    "README.cedar": "is not read here: policies belong into policies/ and end in .cedar",
    "policies/x.ceder": "is not read: policies/ holds *.cedar",
    "policies/sub/x": "is not read: policies/ holds *.cedar",
    "policies/x.cedar.bak": "is not read: policies/ holds *.cedar",
    "policies": "is not read: policies/ holds *.cedar",
    "tools/git.JSON": "is not read: tools/ holds *.json",
    "Tools/git.json": "is not read: is tools/ meant?",
    "tool/git.json": "is not read: is tools/ meant?",
    "policy/x.yaml": "is not read: is policies/ meant?",
    "tenant/acme/grants.toml": "is not read: is tenants/ meant?",
    "Entities.json": "is not read: is entities.json meant?",
    "entities.yaml": "is not read: is entities.json meant?",
    "entity.json": "is not read: is entities.json meant?",
    "grants.tml": "is not read: is grants.toml meant?",
    "grant.toml": "is not read: is grants.toml meant?",
    "manifest.json": "is not read: is manifest.toml meant?",
    "schema.cedarchema": "is not read: is schema.cedarschema meant?",
    "mine.cedarschema": "is not read: is schema.cedarschema meant?",
    **{
        f"tenants/{name}": "is not read: tenants/ holds <name>/policies/*.cedar, "
        "<name>/grants.toml and <name>/entities.json"
        for name in (
            "acme/Entities.json",
            "acme/grants.tml",
            "acme/schema.cedarschema",
            "acme/tools/git.json",
            "acme/manifest.toml",
            "acme/tests/x.yaml",
            "acme/policies/x",
            "acme.toml",
        )
    },
}


@pytest.mark.parametrize(("path", "said"), PASSED_OVER.items(), ids=PASSED_OVER.keys())
def test_a_file_that_looks_like_policy_is_refused_and_not_passed_over(path: str, said: str) -> None:
    """Whoever wrote it believes that it says something."""
    assert is_seen(path)
    assert not is_read(path)
    assert problems(PERMIT_ALL, manifest=TENANTS, extra={path: "x"}) == [f"{path}: {said}"]


@pytest.mark.parametrize(
    "path",
    [
        "README",
        "README.md",
        "policies/README.rst",
        "policies/notes.md",
        "tools/notes.txt",
        "tenants/acme/README.md",
        "tenants/README.md",
        "LICENSE",
        "LICENSES/MIT",
        "tests/git.yaml",
        "tests/data/grants.toml",
        ".gitignore",
        "policies/.gitkeep",
        "policies/a.cedar~",
        "entities.json~",
        "Makefile",
        "CODEOWNERS",
        "docs/schema.svg",
        "kustomization.yaml",
    ],
)
def test_what_is_plainly_no_policy_may_stand_by(path: str) -> None:
    assert not is_seen(path)
    assert read_source(source_files(extra={path: "x"}), base()).digest == read().digest


@pytest.mark.parametrize("path", ["policies/\udc80.cedar", "policies/a\n.cedar", "tests/\0.yaml"])
def test_a_name_that_cannot_be_told_is_refused(path: str) -> None:
    (problem,) = problems(extra={path: ""})
    assert problem.isprintable()
    assert "not printable" in problem


def test_a_mistake_in_one_file_keeps_everything_out_with_file_and_line() -> None:
    extra = {"policies/a.cedar": PERMIT_ALL, "policies/b.cedar": f"// bad\n{BROKEN}"}
    (problem,) = problems(extra=extra)
    assert problem.startswith("policies/b.cedar:2: policy: ")


def test_all_mistakes_are_found_at_once_and_sorted() -> None:
    found = problems(
        BROKEN,
        grants="[[grant]]\nagents = ['x']",
        extra={
            "tools/bad.json": "{",
            "entities.json": "{}",
            "policies/x.cedar": b"\n\xff",
            "schema.cedarschema": "{" * 100,
        },
    )
    places = [problem.partition(": ")[0] for problem in found]
    assert places == [
        "entities.json",
        "grants.toml:2",
        "policies/test.cedar:1",
        "policies/x.cedar:2",
        "schema.cedarschema:1",
        "tools/bad.json:1",
    ]


@pytest.mark.parametrize("name", ["base/revoked", "base/mine", "tenant/acme/x"])
def test_ids_of_governd_are_reserved(name: str) -> None:
    (problem,) = (
        one for one in problems(f'\n@id("{name}") {PERMIT_ALL[10:]}') if "governd's" in one
    )
    assert problem.startswith("policies/test.cedar:2: policy: @id(")


def test_an_id_is_given_once_in_the_whole_source() -> None:
    assert problems(PERMIT_ALL, extra={"policies/b.cedar": f"\n{PERMIT_ALL}"}) == [
        'policies/test.cedar:1: policy: @id("all"): policies/b.cedar:2 has the same id'
    ]


def test_a_policy_without_id_is_called_by_its_place() -> None:
    bare = "permit (principal, action, resource);"
    assert [policy.id for policy in read(bare + bare).policies][-2:] == [
        "policies/test.cedar#1",
        "policies/test.cedar#2",
    ]


def test_a_bad_annotation_is_refused_with_its_line() -> None:
    (problem,) = problems('\n\n@mode("shadwo") permit (principal, action, resource);')
    assert problem.startswith('policies/test.cedar:3: policy: @mode("shadwo")')


def test_an_annotation_without_a_value_is_an_empty_one() -> None:
    source = read('@no_lease @id("x") permit (principal, action, resource);')
    assert source.policies[-1].traits.no_lease


def test_a_tenants_policies_bear_its_name() -> None:
    text = '@id("x") @obligation("notify") permit (principal, action, resource);'
    source = read(manifest=TENANTS, extra={"tenants/acme/policies/x.cedar": text})
    policy = source.policies[-1]
    assert (policy.id, policy.tenant) == ("tenant/acme/x", "acme")
    assert policy.traits.obligations[0].policy_id == "tenant/acme/x"


def test_two_tenants_may_use_one_id() -> None:
    extra = {f"tenants/{name}/policies/x.cedar": PERMIT_ALL for name in ("acme", "beta")}
    ids = [policy.id for policy in read(PERMIT_ALL, manifest=TENANTS, extra=extra).policies]
    assert ids[-3:] == ["all", "tenant/acme/all", "tenant/beta/all"]


def test_a_folder_of_no_tenant_is_refused() -> None:
    assert problems(manifest=TENANTS, extra={"tenants/zeta/policies/x.cedar": PERMIT_ALL}) == [
        "tenants/zeta/policies/x.cedar: tenant zeta is not in manifest.toml"
    ]


def test_overlapping_tenants_are_refused() -> None:
    overlap = '[[tenant]]\nname = "gamma"\nspiffe_prefixes = ["spiffe://example.org/ns/acme/sa"]\n'
    assert problems(manifest=TENANTS + overlap) == [
        "manifest.toml: tenant: gamma and acme both cover spiffe://example.org/ns/acme/sa"
    ]


def test_what_a_tenant_says_of_others_is_refused_wherever_it_stands() -> None:
    outside = "spiffe://example.org/ns/beta/sa/bot"
    extra = {
        "tenants/acme/policies/x.cedar": (
            f'permit (principal == Agent::"{outside}", action, resource);'
        ),
        "tenants/acme/grants.toml": f'[[grant]]\nagents = ["{outside}"]',
        "tenants/acme/entities.json": f'[{{"uid": {{"type": "Agent", "id": "{outside}"}}}}]',
    }
    found = problems(manifest=TENANTS, extra=extra)
    assert [problem.partition(":")[0] for problem in found] == sorted(extra)
    assert all("outside tenant acme" in problem for problem in found)


def test_a_tenants_files_are_read_where_they_say_nothing_wrong() -> None:
    extra = {
        "tenants/acme/grants.toml": f'[[grant]]\nagents = ["{ACME}"]\ncapabilities = ["acme/x"]',
        "tenants/acme/entities.json": f'[{{"uid": {{"type": "Agent", "id": "{ACME}"}}}}]',
    }
    source = read(manifest=TENANTS, extra=extra)
    assert set(source.entities) == {"tenants/acme/entities.json"}
    assert "tenants/acme/grants.toml" in source.grants


def test_a_schema_that_declares_a_namespace_is_refused_with_its_line() -> None:
    assert problems(schema="entity X;\nnamespace N { entity Y; }") == [
        "schema.cedarschema:2: schema: namespaces are not supported in the schema extension"
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("entities.json", '[\n{"uid": {"type": "Group", "id": "\\ud800"}}]'),
        ("tools/x.json", '{\n"\\ud800": 1}'),
    ],
)
def test_half_a_character_in_a_document_is_refused_with_its_line(path: str, text: str) -> None:
    assert problems(extra={path: text}) == [
        f"{path}:2: has \\ud800 alone, which is half a character"
    ]


def test_servers_are_declared_once_and_properly() -> None:
    extra = {"tools/again.json": server_file(), "tools/bad.json": server_file("bad", "bad")}
    found = problems(extra=extra)
    assert any("server: git is declared by another file" in problem for problem in found)
    assert any(problem.startswith("tools/bad.json:1: spiffe_id: ") for problem in found)


def test_a_tool_is_declared_once() -> None:
    tools = [{"name": "a"}, {"name": "a"}]
    assert problems(extra={"tools/git.json": server_file(tools=tools)}) == [
        "tools/git.json: tools: a is declared twice"
    ]


def test_a_grant_of_a_tool_that_nobody_declares_is_a_misspelt_one() -> None:
    grants = '[[grant]]\nnamespaces = ["x"]\ndestructive = ["git/reset",\n"git/rset"]'
    assert problems(grants=grants) == [
        "grants.toml:4: destructive: no tool git/rset is declared under tools/"
    ]


def test_a_server_that_registers_its_tools_may_have_any_granted() -> None:
    grants = '[[grant]]\nnamespaces = ["x"]\ndestructive = ["wiki/delete", "wik/delete"]'
    extra = {"tools/wiki.json": server_file("wiki", "spiffe://example.org/wiki", [])}
    assert problems(grants=grants, extra=extra) == [
        "grants.toml:3: destructive: no tool wik/delete is declared under tools/"
    ]


def test_what_a_file_states_has_a_canonical_form() -> None:
    tools = [{"name": "a", "inputSchema": {"maximum": 2**53}}]
    (found,) = problems(extra={"tools/git.json": server_file(tools=tools)})
    assert found.startswith("tools/git.json: tools: a has no canonical form: 9007199254740992 ")


def test_files_that_are_not_read_change_nothing() -> None:
    files = source_files(extra={"README.md": "x", "tests/a.yaml": "x"})
    assert read_source(files, base()).digest == read().digest


def test_the_digest_is_of_names_contents_and_base() -> None:
    first = digest_of({"a": b"1", "b": b"2"}, "base")
    others = [
        digest_of({"a": b"2", "b": b"1"}, "base"),
        digest_of({"a": b"1", "b": b"2"}, "other"),
        digest_of({"a": b"1"}, "base"),
        digest_of({"ab": b"12"}, "base"),
        digest_of({"a": b"1", "c": b"2"}, "base"),
    ]
    assert first.startswith("sha-256:")
    assert len({first, *others}) == len(others) + 1
    assert digest_of({"b": b"2", "a": b"1"}, "base") == first


def test_a_manifest_of_the_wrong_text_encoding_is_refused() -> None:
    assert any(
        "UTF-8" in one for one in problems(extra={"manifest.toml": b"\xff" + MANIFEST.encode()})
    )
