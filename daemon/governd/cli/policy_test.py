"""``governd policy test``: does the policy decide as its author wants?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd.cli import case_run, evaluation, junit, options, output
from governd.cli.case_run import FileReport
from governd.cli.failure import NO, Failure
from governd.cli.policy_source import as_json as problems_as_json
from governd.cli.policy_source import count
from governd.errors import PolicyError
from governd.policy.cases import CaseResult


@click.command(short_help="Run the cases of a policy's author.")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the results as JUnit XML, too.",
)
@options.as_json()
def test(
    directory: Path, files: tuple[Path, ...], junit_file: Path | None, *, as_json: bool
) -> int:
    """Ask a policy directory the questions in FILE and compare the decisions.

    Without FILE: DIRECTORY/tests/*.yaml. No governd need run.

    A file of cases:
      policies: |            # optional: Cedar text, in force for these cases only
        @id("none") forbid (principal, action, resource);
      entities: []           # optional: further entities, in Cedar's JSON form
      cases:
        - name: a reader may look
          subject: spiffe://example.org/agent/reader
          action: tools/call
          resource: tool:git/git_status
          arguments: {repo_path: /srv/repo}          # optional
          age_seconds: 60                            # optional, of the policy
          want: allow                                # or deny, or all of:
        # want: {decision: deny, code: FORBIDDEN, reasons: [none], obligations: []}

    Exit code:
      0 all as wanted, 1 not, or something could not be read, 2 usage.

    JSON:
      passed, failed (how many), files, each with file, problems (each with file, line,
      message; why it could not be run) and cases, each with name, passed, failures (texts),
      decision (allow or deny; null where it could not be asked), code, reasons.

    Examples:
      governd policy test policy
      governd policy test policy more-cases.yaml --junit report.xml
    """
    reports = _run(directory, files or case_run.find(directory))
    if junit_file:
        _write(junit_file, junit.document(reports))
    if as_json:
        output.show_json(_to_json(reports))
    else:
        output.show(*_words(reports))
    return NO if any(report.failed for report in reports) else 0


def _run(directory: Path, files: Sequence[Path]) -> list[FileReport]:
    """Runs the cases; a directory that is refused is a report of its own."""
    if not files and directory.is_dir():
        message = f"no cases: name a FILE, or write {directory / 'tests'}/*.yaml"
        raise click.UsageError(message, click.get_current_context(silent=True))
    try:
        return list(case_run.run(directory, files))
    except PolicyError as error:
        return [FileReport(str(directory), problems=error.problems)]


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        message = f"--junit: cannot write {path}: {(error.strerror or str(error)).lower()}"
        raise Failure(message, exit_code=NO) from error


def _to_json(reports: Sequence[FileReport]) -> dict[str, object]:
    failed = sum(report.failed for report in reports)
    return {
        "passed": sum(not one.result.failures for report in reports for one in report.results),
        "failed": failed,
        "files": [
            {
                "file": report.file,
                "problems": problems_as_json(report.problems),
                "cases": [_case_to_json(one.result) for one in report.results],
            }
            for report in reports
        ],
    }


def _case_to_json(result: CaseResult) -> dict[str, object]:
    decision = result.decision
    return {
        "name": result.name,
        "passed": not result.failures,
        "failures": list(result.failures),
        "decision": ("allow" if decision.allowed else "deny") if decision else None,
        "code": decision.code.name if decision else None,
        "reasons": list(decision.reasons) if decision else [],
    }


def _words(reports: Sequence[FileReport]) -> Iterator[RenderableType]:
    for report in reports:
        yield output.text(report.file, output.STRONG)
        yield from (output.text(f"  {problem}", output.BAD) for problem in report.problems)
        if report.results:
            rows = [_row(one.result) for one in report.results]
            yield output.table(["", "case", "decision", "decided by"], rows)
        yield output.gap()
    failed = sum(report.failed for report in reports)
    total = sum(len(report.results) + bool(report.problems) for report in reports)
    if failed:
        yield output.text(f"{failed} of {count(total, 'case')} failed", output.BAD)
    else:
        yield output.text(f"{count(total, 'case')} passed", output.GOOD)


def _row(result: CaseResult) -> Sequence[RenderableType]:
    case = output.text(result.name)
    for failure in result.failures:
        case.append("\n").append_text(output.text(f"  {failure}", output.BAD))
    mark = Text("FAIL", output.BAD) if result.failures else Text("ok", output.GOOD)
    if result.decision is None:
        return mark, case, "", ""
    by = ", ".join(result.decision.reasons) or result.decision.code.name
    verdict = evaluation.verdict(allowed=result.decision.allowed)
    return mark, case, verdict, output.text(by, output.DIM)
