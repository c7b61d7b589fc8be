"""Which definition is meant."""

import click
import pytest
from click.testing import CliRunner

from governd._proto.governd.v1 import tool_service_pb2 as tools
from governd.cli import failure, tool_target
from governd.cli.root import governd
from governd.cli.tool_target import Target

VERBS = ["show", "diff", "approve"]


@pytest.mark.parametrize(
    ("definition", "kind", "target"),
    [
        ("git/git_commit", "tool", Target("git", tools.DEFINITION_KIND_TOOL, "git_commit")),
        ("git/a/b", "prompt", Target("git", tools.DEFINITION_KIND_PROMPT, "a/b")),
        (
            "git/file:///srv/a",
            "resource",
            Target("git", tools.DEFINITION_KIND_RESOURCE, "file:///srv/a"),
        ),
        (
            "git/file:///{path}",
            "template",
            Target("git", tools.DEFINITION_KIND_RESOURCE_TEMPLATE, "file:///{path}"),
        ),
        ("git/\u0430", "tool", Target("git", tools.DEFINITION_KIND_TOOL, "\u0430")),
    ],
)
def test_the_server_ends_at_the_first_slash(definition: str, kind: str, target: Target) -> None:
    assert tool_target.read(definition, kind) == target


@pytest.mark.parametrize("definition", ["", "git", "git/", "/git_commit", "/"])
def test_what_names_no_definition_is_told_with_an_example(definition: str) -> None:
    with pytest.raises(click.UsageError, match="such as git/git_commit"):
        tool_target.read(definition, "tool")


def test_a_name_that_no_message_can_carry_is_usage() -> None:
    with pytest.raises(click.UsageError, match="SERVER/NAME: not valid UTF-8"):
        tool_target.read("git/\udcff", "tool")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope\x1b[2J", "--yes"], r"'nope\x1b[2J' is not SERVER/NAME"),
        (["git/a", "--kind", "server"], "'--kind'"),
        ([], "missing argument 'SERVER/NAME'"),
    ],
)
def test_a_definition_that_is_not_understood_is_usage(
    verb: str, arguments: list[str], said: str
) -> None:
    given = [one for one in arguments if one != "--yes" or verb == "approve"]
    result = CliRunner().invoke(governd, ["tool", verb, *given])
    assert result.exit_code == failure.USAGE
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "a/b"], ["diff", "a/b"], ["approve", "a/b", "--yes"]]
)
def test_an_absent_socket_is_named_and_the_code_is_3(arguments: list[str]) -> None:
    socket = ["--admin-socket", "/nowhere/governd.sock"]
    result = CliRunner().invoke(governd, ["tool", *arguments, *socket])
    assert result.exit_code == failure.CANNOT_ASK
    assert "no socket at /nowhere/governd.sock; is governd running there?" in result.stderr
