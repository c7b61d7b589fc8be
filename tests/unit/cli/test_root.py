"""The tree of verbs: help everywhere, errors on one line, codes that mean something."""

import click
import pytest
from click.testing import CliRunner

from governd import __version__
from governd.cli import failure, root
from governd.cli.help_text import verbatim
from governd.cli.printable import clean
from governd.cli.root import LazyGroup, governd


def leaves(group: click.Command, *path: str) -> list[tuple[str, ...]]:
    """The paths of all verbs."""
    if not isinstance(group, LazyGroup):
        return [path]
    context = click.Context(group)
    names = group.list_commands(context)
    commands = {name: group.get_command(context, name) for name in names}
    return [
        one for name, command in commands.items() if command for one in leaves(command, *path, name)
    ]


VERBS = leaves(governd)


def test_every_verb_is_there() -> None:
    assert {" ".join(path) for path in VERBS} == {
        "run",
        "validate",
        "healthcheck",
        "status",
        "whoami",
        "evaluate",
        "explain",
        "caller list",
        "identity list",
        "identity show",
        "tool list",
        "tool show",
        "tool diff",
        "tool approve",
        "agent list",
        "agent show",
        "agent approve",
        "agent forget",
        "card show",
        "card verify",
        "delegation mint",
        "delegation show",
        "delegation verify",
        "upstream list",
        "upstream check",
        "upstream jwks",
        "token get",
        "token cache",
        "revocation add",
        "revocation list",
        "policy lint",
        "policy test",
        "policy reload",
    }


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_has_help_with_examples_and_exit_codes(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(governd, [*path, "--help"])
    assert result.exit_code == 0
    assert "\n  Exit code:\n" in result.stdout
    assert "\n  Example" in result.stdout
    assert f"    governd {' '.join(path)}" in result.stdout


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_that_prints_an_answer_has_json_with_its_keys_told(
    path: tuple[str, ...],
) -> None:
    said = CliRunner().invoke(governd, [*path, "--help"]).stdout
    assert ("--json" in said and "\n  JSON:\n" in said) or path == ("run",)


GROUPS = ["policy", "caller", "identity", "tool", "delegation", "upstream", "token"]


@pytest.mark.parametrize("group", [governd, *GROUPS])
def test_a_line_of_help_in_a_table_is_the_verbs_own(group: click.Command | str) -> None:
    context = click.Context(governd)
    found = governd.get_command(context, group) if isinstance(group, str) else group
    assert isinstance(found, LazyGroup)
    for name in found.list_commands(context):
        command = found.get_command(context, name)
        assert command is not None
        assert (command.short_help or "no help") in CliRunner().invoke(found, ["--help"]).stdout


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(governd, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"governd {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "no such command 'nope'; see 'governd --help'"),
        (["--nope"], "no such option '--nope'; see 'governd --help'"),
        (["evaluate", "tools/list"], "missing argument 'RESOURCE'; see 'governd evaluate --help'"),
        (["explain", "a", "b:c"], "missing option '--caller'; see 'governd explain --help'"),
        (["policy", "nope"], "no such command 'nope'; see 'governd policy --help'"),
        (["healthcheck", "--timeout", "0"], "--help'"),
        (["status", "--admin-socket", "unix://host/a"], "names a host"),
    ],
)
def test_a_command_that_is_not_understood_gets_one_line_and_2(
    arguments: list[str], said: str
) -> None:
    result = CliRunner().invoke(governd, arguments)
    assert result.exit_code == failure.USAGE
    assert result.stdout == ""
    assert result.stderr.startswith("governd: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.mark.parametrize("arguments", [[], *([group] for group in GROUPS)])
def test_a_group_alone_shows_its_verbs(arguments: list[str]) -> None:
    result = CliRunner().invoke(governd, arguments)
    assert result.exit_code == failure.USAGE
    assert "Verbs:" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["whoami", "--socket"],
        ["evaluate", "tools/list", "mcp_server:git", "--socket"],
        ["status", "--admin-socket"],
        ["caller", "list", "--admin-socket"],
        ["policy", "reload", "--admin-socket"],
        ["explain", "--caller", "x", "tools/list", "mcp_server:git", "--admin-socket"],
    ],
)
def test_an_absent_socket_is_named_and_the_code_is_3(arguments: list[str]) -> None:
    result = CliRunner().invoke(governd, [*arguments, "/nowhere/governd.sock"])
    assert result.exit_code == failure.CANNOT_ASK
    assert "no socket at /nowhere/governd.sock; is governd running there?" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_path_that_is_no_socket_is_told_apart() -> None:
    result = CliRunner().invoke(governd, ["status", "--admin-socket", "/etc"])
    assert result.exit_code == failure.CANNOT_ASK
    assert "/etc is no socket" in result.stderr


def test_the_environment_names_the_socket() -> None:
    result = CliRunner().invoke(governd, ["whoami"], env={"GOVERND_SOCKET": "unix:///no/w.sock"})
    assert "no socket at /no/w.sock" in result.stderr
    result = CliRunner().invoke(governd, ["status"], env={"GOVERND_ADMIN_SOCKET": "/no/a.sock"})
    assert "no socket at /no/a.sock" in result.stderr


def test_a_failure_shows_no_control_characters() -> None:
    error = failure.Failure("bad \x1b[31mname\nand more", exit_code=1)
    assert failure.line_of(error) == "governd: bad \\x1b[31mname and more"


def test_clean_text_cannot_move_the_cursor_or_turn_the_line() -> None:
    assert clean("a\x1b[2J\x9b\u202eb\ud800ü") == "a\\x1b[2J\\x9b\\u202eb\\ud800ü"


def test_paragraphs_with_indented_lines_are_left_as_they_are() -> None:
    said = verbatim("First\n    line.\n\n    List:\n      one\n")
    assert said == "First\nline.\n\n\b\nList:\n  one"
    assert verbatim(None) is None


def test_the_tables_name_only_what_exists() -> None:
    context = click.Context(governd)
    assert governd.get_command(context, "nope") is None
    assert all(governd.get_command(context, name) for name in root.VERBS)
