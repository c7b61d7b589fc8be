"""Runs files of cases against a policy directory.

What a file adds, policies and entities, is in force for its own cases only: the directory
is compiled anew with them.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from governd.cli import case_file
from governd.cli.case_file import LoadedCases
from governd.cli.policy_source import Files, compile_files, located, read_files
from governd.errors import PolicyError, Problem
from governd.policy.cases import CaseResult, run_case
from governd.policy.compiler import CompiledPolicy

_ENTITIES = "entities.json"


@dataclass(frozen=True, slots=True)
class TimedResult:
    """How a case went.

    Attributes:
        result: What came of it.
        seconds: How long it took.
    """

    result: CaseResult
    seconds: float


@dataclass(frozen=True, slots=True)
class FileReport:
    """How a file of cases went.

    Attributes:
        file: Its name.
        results: Its cases; none where it could not be run.
        problems: Why it could not be run.
    """

    file: str
    results: Sequence[TimedResult] = ()
    problems: Sequence[Problem] = ()

    @property
    def failed(self) -> int:
        """How many cases failed; a file that could not be run counts as one."""
        return sum(bool(one.result.failures) for one in self.results) + bool(self.problems)


def find(directory: Path) -> list[Path]:
    """The files of cases that belong to a policy directory."""
    return sorted((directory / "tests").glob("*.yaml"))


def run(directory: Path, files: Iterable[Path]) -> Iterator[FileReport]:
    """Runs files of cases, one after another.

    Raises:
        PolicyError: The directory itself is refused, so that nothing can be run.
    """
    try:
        source = read_files(directory)
        _, policy = compile_files(source)
    except PolicyError as error:
        raise PolicyError(located(directory, error.problems)) from error
    for file in files:
        yield _run_file(directory, source, policy, file)


def _run_file(directory: Path, source: Files, policy: CompiledPolicy, file: Path) -> FileReport:
    try:
        cases = case_file.load(file)
        in_force = _with_additions(source, policy, cases)
    except PolicyError as error:
        return FileReport(str(file), problems=located(directory, error.problems))
    return FileReport(
        str(file), [_timed(in_force, cases, n) for n in range(len(cases.content.cases))]
    )


def _timed(policy: CompiledPolicy, cases: LoadedCases, number: int) -> TimedResult:
    began = time.perf_counter()
    result = run_case(policy, cases.content.cases[number])
    return TimedResult(result, time.perf_counter() - began)


def _with_additions(source: Files, policy: CompiledPolicy, cases: LoadedCases) -> CompiledPolicy:
    """The policy with what a file of cases adds."""
    added: dict[str, bytes] = {}
    policies = f"policies/{cases.file.name}.cedar"
    if policies in source:
        message = f"policies: rename this file, the policy has {policies}"
        raise PolicyError([Problem(str(cases.file), 0, message)])
    if cases.content.policies:
        added[policies] = cases.content.policies.encode()
    if cases.content.entities:
        entities = [*json.loads(source.get(_ENTITIES, b"[]")), *cases.content.entities]
        added[_ENTITIES] = json.dumps(entities).encode()
    if not added:
        return policy
    try:
        # What the directory has may be listed in its manifest, what is new cannot be.
        return compile_files({**source, **added}, unlisted=added.keys() - source.keys())[1]
    except PolicyError as error:
        raise PolicyError([_at_home(one, policies, cases) for one in error.problems]) from error


def _at_home(problem: Problem, policies: str, cases: LoadedCases) -> Problem:
    """A problem with what was added, by its place in the file of cases.

    The directory is good by itself, so whatever is wrong with its entities was added.
    """
    file = str(cases.file)
    if problem.file == policies:
        line = cases.policies_line + problem.line if problem.line else 0
        return replace(problem, file=file, line=line)
    if problem.file == _ENTITIES:
        return replace(problem, file=file, line=cases.entities_line)
    return problem
