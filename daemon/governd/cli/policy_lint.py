"""``governd policy lint``: mistakes and second looks, by file and line."""

from pathlib import Path

import click

from governd.cli import options, output
from governd.cli.failure import NO
from governd.cli.policy_source import as_json as problems_as_json
from governd.cli.policy_source import compile_files, count, located, read_files
from governd.errors import PolicyError, Problem
from governd.policy import lint as second_looks


@click.command(short_help="Check a policy directory.")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@options.as_json()
def lint(directory: Path, *, strict: bool, as_json: bool) -> int:
    """Read and compile a policy directory as governd would, and look twice.

    Errors are what governd would refuse; warnings are what is probably not meant.

    Exit code:
      0 good, 1 errors (with --strict: or warnings), 2 usage.

    JSON:
      errors and warnings, each a list of objects with file, line (0: none), message.

    Examples:
      governd policy lint /etc/governd/policy
      governd policy lint policy --strict --json
    """
    errors, warnings = examine(directory)
    if as_json:
        output.show_json(
            {"errors": problems_as_json(errors), "warnings": problems_as_json(warnings)}
        )
    else:
        _show(directory, errors, warnings)
    return NO if errors or (strict and warnings) else 0


def examine(directory: Path) -> tuple[list[Problem], list[Problem]]:
    """Errors and warnings of a policy directory."""
    try:
        source, _ = compile_files(read_files(directory))
    except PolicyError as error:
        return list(located(directory, error.problems)), []
    return [], list(located(directory, second_looks.lint(source)))


def _show(directory: Path, errors: list[Problem], warnings: list[Problem]) -> None:
    for kind, style, problems in (
        ("error", output.BAD, errors),
        ("warning", output.WARN, warnings),
    ):
        for one in problems:
            place = f"{one.file}:{one.line}" if one.line else one.file
            line = output.text(f"{place}: ")
            output.show(
                line.append_text(output.text(kind, style))
                .append(": ")
                .append_text(output.text(one.message))
            )
    said = f"{count(len(errors), 'error')}, {count(len(warnings), 'warning')}"
    style = output.BAD if errors else output.WARN if warnings else output.GOOD
    output.show(output.text(f"{directory}: {said}", style))
