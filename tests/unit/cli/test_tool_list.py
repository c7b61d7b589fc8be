"""``governd tool list``: what MCP servers offer, and what of it is quarantined."""

import pytest

from governd._proto.governd.v1 import admin_service_pb2 as admin
from governd._proto.governd.v1 import tool_service_pb2 as tools
from governd.cli import tool_list, tool_text
from tests.unit.cli.tool_answers import EVIL, NOW, a_status, json_of, printed

ANY = admin.ListToolsRequest()
CHANGED = a_status(
    reasons=[tools.QUARANTINE_REASON_CHANGED, tools.QUARANTINE_REASON_DIFFERS_FROM_SOURCE],
    requires=["git:read", "git:write"],
)
ABSENT = a_status(name="git_reset", registered=False, declared=True, destructive=True)
RESOURCE = a_status(kind=tools.DEFINITION_KIND_RESOURCE, name="file:///srv/a")


def shown(capsys: pytest.CaptureFixture[str], *found: admin.ToolStatus) -> str:
    return printed(capsys, *tool_list.words(found, ANY, NOW))


def row(said: str, name: str) -> str:
    return next(line for line in said.splitlines() if line.startswith(name))


def test_a_row_says_state_needs_danger_and_age(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, CHANGED, ABSENT, a_status(name="git_log"))
    assert "quarantined: changed, differs from source" in row(said, "git/git_commit")
    assert "git:read, git:write" in row(said, "git/git_commit")
    assert row(said, "git/git_reset").split() == [
        "git/git_reset",
        "not",
        "registered",
        "-",
        "yes",
        "-",
    ]
    assert row(said, "git/git_log").split("   ")[-1].strip() == "3 h 0 min"
    assert "in force" in row(said, "git/git_log")


def test_only_tools_can_destroy_and_other_kinds_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = shown(capsys, RESOURCE)
    assert row(said, "git/file:///srv/a").split() == [
        *("git/file:///srv/a", "in", "force", "-", "-", "3", "h", "0", "min")
    ]
    assert row(said, "  resource").strip() == "resource"


def test_what_a_server_withdrew_is_told_from_what_it_never_had(
    capsys: pytest.CaptureFixture[str],
) -> None:
    changed = [tools.QUARANTINE_REASON_CHANGED]
    held = a_status(name="a", registered=False, declared=True, reasons=changed)
    gone = a_status(name="b", registered=False)
    said = shown(capsys, held, gone, ABSENT)
    assert "withdrawn, quarantined: changed" in row(said, "git/a")
    assert "withdrawn" in row(said, "git/b")
    assert "withdrawn" not in row(said, "git/git_reset")
    assert "0 in force, 1 quarantined, 2 not registered" in said


def test_a_summary_counts(capsys: pytest.CaptureFixture[str]) -> None:
    other = a_status(server="fetch", name="fetch")
    said = shown(capsys, CHANGED, ABSENT, other, RESOURCE)
    assert said.endswith(
        "\n4 definitions of 2 servers: 2 in force, 1 quarantined, 1 not registered\n"
    )
    assert "1 definition of 1 server: 1 in force, 0 quarantined" in shown(capsys, other)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (ANY, "no definition is declared or registered"),
        (admin.ListToolsRequest(server="git"), "no definition of git is declared or registered"),
        (admin.ListToolsRequest(quarantined=True), "nothing is quarantined"),
        (
            admin.ListToolsRequest(server="\x1b", quarantined=True),
            r"nothing of \x1b is quarantined",
        ),
    ],
)
def test_an_empty_list_says_so(
    capsys: pytest.CaptureFixture[str], request_: admin.ListToolsRequest, said: str
) -> None:
    assert printed(capsys, *tool_list.words([], request_, NOW)) == f"{said}\n"


def test_a_name_with_terminal_escapes_is_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = a_status(name=f"a{EVIL}", requires=[EVIL], reasons=[tools.QUARANTINE_REASON_ODD_NAME])
    said = shown(capsys, evil)
    assert r"git/a\x1b[2J\x1b]0;owned" in said
    assert len(said.splitlines()) < 12


def test_a_name_that_looks_like_another_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert r"git/git_\u0441ommit" in shown(capsys, a_status(name="git_\u0441ommit"))


@pytest.mark.parametrize("name", tools.QuarantineReason.keys()[1:])
def test_every_reason_has_words(name: str) -> None:
    status = a_status(reasons=[tools.QuarantineReason.Value(name)])
    words = name.removeprefix("QUARANTINE_REASON_").lower().replace("_", " ")
    assert tool_text.state(status).plain == f"quarantined: {words}"


@pytest.mark.parametrize(
    ("kind", "word"), [(1, "tool"), (2, "resource"), (3, "template"), (4, "prompt"), (9, "9")]
)
def test_every_kind_has_the_word_that_the_option_takes(kind: int, word: str) -> None:
    assert tool_text.kind_word(kind) == word  # type: ignore[arg-type]


def test_a_reason_of_a_newer_governd_is_a_number_and_quarantined_all_the_same() -> None:
    newer = admin.ToolStatus.FromString(b"\x28\x01\x32\x01\x63\x50\x09")
    said = tool_text.to_json(newer)
    assert (said["quarantined"], said["reasons"], said["pin_origin"]) == (True, ["99"], "9")
    assert tool_text.state(newer).plain == "quarantined: 99"


def test_a_tool_has_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    tool = a_status(
        declared=True,
        reasons=[tools.QUARANTINE_REASON_CHANGED],
        detail="description differs",
        digest="sha-256:new",
        pinned_digest="sha-256:old",
        pin_origin=admin.PIN_ORIGIN_POLICY_SOURCE,
        requires=["git:write"],
        destructive=True,
        open_world=True,
        untyped_arguments=["meta"],
        formerly_required=["git:write"],
    )
    assert json_of(capsys, tool_text.to_json(tool)) == {
        "server": "git",
        "kind": "tool",
        "name": "git_commit",
        "declared": True,
        "registered": True,
        "quarantined": True,
        "reasons": ["CHANGED"],
        "detail": "description differs",
        "digest": "sha-256:new",
        "pinned_digest": "sha-256:old",
        "pin_origin": "policy_source",
        "registered_at": "2026-01-02T00:00:00Z",
        "requires": ["git:write"],
        "destructive": True,
        "open_world": True,
        "untyped_arguments": ["meta"],
        "formerly_required": ["git:write"],
    }


def test_what_only_tools_have_is_null_for_others() -> None:
    said = tool_text.to_json(RESOURCE)
    assert (said["destructive"], said["open_world"], said["pin_origin"]) == (None, None, "")
    assert tool_text.to_json(ABSENT)["registered_at"] is None
