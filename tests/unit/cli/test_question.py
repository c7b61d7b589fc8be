"""Questions as they are written on the command line."""

from pathlib import Path

import click
import pytest

from governd.cli import question


def test_action_and_resource_are_taken_apart_at_the_first_colon() -> None:
    request = question.ask("tools/call", "agent:spiffe://example.org/a", None, None)
    assert request.action.name == "tools/call"
    assert (request.resource.type, request.resource.id) == ("agent", "spiffe://example.org/a")


def test_what_is_not_given_is_absent_from_the_request() -> None:
    request = question.ask("tools/list", "mcp_server:git", None, None)
    assert not request.HasField("subject")
    assert not request.HasField("context")


def test_a_subject_is_passed_on() -> None:
    request = question.ask("tools/list", "mcp_server:git", None, "spiffe://example.org/a")
    assert request.subject.id == "spiffe://example.org/a"


@pytest.mark.parametrize("resource", ["tool", "tool:", ":git", "", "git/git_commit"])
def test_a_resource_that_is_not_type_and_id_is_refused(resource: str) -> None:
    with pytest.raises(click.UsageError, match=r"RESOURCE: .* is not TYPE:ID"):
        question.ask("tools/call", resource, None, None)


@pytest.mark.parametrize(
    ("action", "resource", "subject", "name"),
    [
        ("\udcff", "a:b", None, "ACTION"),
        ("a", "a:\udcff", None, "RESOURCE"),
        ("a", "a:b", "\udcff", "--subject"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused(
    action: str, resource: str, subject: str | None, name: str
) -> None:
    with pytest.raises(click.UsageError, match=f"{name}: not valid UTF-8"):
        question.ask(action, resource, None, subject)


def test_arguments_are_passed_on_byte_for_byte_for_governd_to_judge() -> None:
    request = question.ask("a", "b:c", '{"x": 1, "x": 2.0}', None)
    assert request.context.arguments_json == b'{"x": 1, "x": 2.0}'
    assert question.ask("a", "b:c", "\udcff", None).context.arguments_json == b"\xff"


def test_arguments_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "call.json"
    file.write_bytes(b'{"path": "\xff"}')
    assert question.ask("a", "b:c", f"@{file}", None).context.arguments_json == b'{"path": "\xff"}'


def test_an_absent_file_of_arguments_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"--arguments: cannot read .*nope: no such file"):
        question.ask("a", "b:c", f"@{tmp_path / 'nope'}", None)


def test_endless_arguments_are_refused() -> None:
    with pytest.raises(click.UsageError, match="--arguments: more than"):
        question.ask("a", "b:c", "@/dev/zero", None)
