"""``governd tool show``: everything about one definition, and nothing that deceives."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2 as admin
from governd._proto.governd.v1 import tool_service_pb2 as tools
from governd.cli import tool_show, tool_text
from tests.unit.cli.tool_answers import (
    EVIL,
    NOW,
    PINNED,
    an_answer,
    changed,
    json_of,
    printed,
)


def shown(capsys: pytest.CaptureFixture[str], answer: admin.GetToolResponse) -> str:
    return printed(capsys, *tool_show.words(answer, NOW))


def full() -> admin.GetToolResponse:
    answer = an_answer(
        changed(description="Records it.\nNever pushes."),
        declared=True,
        reasons=[tools.QUARANTINE_REASON_CHANGED],
        detail="description differs from the one first registered",
        requires=["git:write"],
        destructive=True,
        untyped_arguments=["meta"],
    )
    answer.arguments.add(name="message", type="String", required=True)
    answer.arguments.add(name="paths", type="Set<String>")
    return answer


def test_everything_that_governd_makes_of_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    answer = full()
    said = [line.rstrip() for line in shown(capsys, answer).splitlines()]
    for line in (
        "git/git_commit  tool  quarantined: changed",
        "  description differs from the one first registered",
        "--- held to: its first registration",
        f"    {answer.status.pinned_digest}",
        "+++ registered: 3 h 0 min ago",
        f"    {answer.status.digest}",
        "declared    by the policy source",
        "requires    git:write",
        "destroys    yes",
        "open world  no",
        "untyped     meta (no policy sees them)",
        "message    String        yes",
        "paths      Set<String>   no",
        "\u2502 Records it.",
        "\u2502 Never pushes.",
        '\u2502 "inputSchema": {',
    ):
        assert line in said


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (admin.PIN_ORIGIN_FIRST_REGISTRATION, "its first registration"),
        (admin.PIN_ORIGIN_OPERATOR, "an operator's approval"),
        (admin.PIN_ORIGIN_POLICY_SOURCE, "the policy source"),
        (admin.PIN_ORIGIN_UNSPECIFIED, "the policy source"),
    ],
)
def test_it_is_told_whose_word_the_pin_is(
    capsys: pytest.CaptureFixture[str], origin: admin.PinOrigin.ValueType, words: str
) -> None:
    said = shown(capsys, an_answer(PINNED, pin_origin=origin))
    assert f"--- held to: {words}\n" in said


def test_a_tool_that_nobody_registered_shows_what_the_policy_source_states(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = an_answer(None, {"description": "Records it."}, declared=True, pinned_digest="")
    said = shown(capsys, answer)
    assert "git/git_commit  tool  not registered\n" in said
    assert "+++ registered: nothing\n" in said
    assert "\u2502 Records it.\n" in said


def test_a_tool_of_which_nobody_has_a_text_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, an_answer(None, None, declared=True))
    assert "--- held to: nothing yet\n" in said
    assert "requires    nothing that a grant could give" in said
    assert "definition" not in said


def test_a_resource_has_nothing_that_only_tools_have(capsys: pytest.CaptureFixture[str]) -> None:
    kind = tools.DEFINITION_KIND_RESOURCE
    said = shown(capsys, an_answer({"uri": "file:///a", "name": "a"}, kind=kind))
    assert "declared  by nobody but the server" in said
    assert "requires" not in said
    assert "description" not in said


def test_a_description_with_terminal_escapes_is_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = an_answer(
        changed(description=f"a{EVIL}", title=EVIL, inputSchema={EVIL: {"description": EVIL}}),
        detail=EVIL,
        requires=[EVIL],
        untyped_arguments=[EVIL],
    )
    answer.arguments.add(name=EVIL, type=EVIL)
    said = shown(capsys, answer)
    assert r"a\x1b[2J\x1b]0;owned\x07\x9b31m\r\u2028\u202e\u2066\u200b\U000e0041" in said


def test_a_description_that_imitates_governd_stays_behind_its_bar(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = "git/git_commit  tool  in force"
    said = shown(capsys, an_answer(changed(description=f"a\n\n{fake}")))
    assert f"\n{fake}" not in said.partition("description\n")[2]
    assert f"\n\u2502 {fake}\n" in said


@pytest.mark.parametrize("width", [4, 20, 80])
def test_no_part_of_a_long_line_leaves_its_sign(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(
            tool_text.Ledger([(Text("+ "), Text("x" * 50 + " + y" * 50)), (Text("- "), Text())])
        )
    *lines, last = captured.get().splitlines()
    assert all(line.startswith("+ ") for line in lines)
    assert len(lines) > 1
    assert last.strip() == "-"


def test_a_terminal_without_any_width_is_no_crash() -> None:
    console = Console(file=io.StringIO(), width=1)
    console.print(tool_text.Ledger([(Text("+ "), Text("ab"))]))


def test_letters_of_a_language_stay_whole_after_a_line_break(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = shown(capsys, an_answer(changed(description="x", title="Да.\nПривет")))
    assert r'"\nПривет"' in said


def test_a_definition_has_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    said = json_of(capsys, tool_show.to_json(full()))
    assert said.keys() == {
        *tool_text.to_json(admin.ToolStatus()),
        *("definition", "held_to", "arguments"),
    }
    assert said["held_to"] == PINNED
    assert said["definition"]["description"] == "Records it.\nNever pushes."
    assert said["arguments"] == [
        {"name": "message", "type": "String", "required": True},
        {"name": "paths", "type": "Set<String>", "required": False},
    ]


def test_a_text_that_is_not_there_is_null() -> None:
    said = tool_show.to_json(an_answer(None, None))
    assert (said["definition"], said["held_to"], said["arguments"]) == (None, None, [])
