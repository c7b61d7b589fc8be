"""A policy directory, read and compiled as the daemon would."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from governd.adapters.policy_directory import PolicyDirectory, base_policy, base_schema
from governd.errors import Problem
from governd.policy.bundle import PolicySource
from governd.policy.compiler import CompiledPolicy, compile_policy
from governd.policy.source import read_source

Files = Mapping[str, bytes]


def read_files(directory: Path) -> Files:
    """Everything that governd reads of a directory, by path within it.

    Raises:
        PolicyError: It cannot be read.
    """
    return PolicyDirectory(directory).read()[1]


def compile_files(
    files: Files, unlisted: Iterable[str] = ()
) -> tuple[PolicySource, CompiledPolicy]:
    """The policy in files, read and compiled.

    Args:
        files: Content by path within the source.
        unlisted: Paths that the manifest need not list.

    Raises:
        PolicyError: With everything that is wrong.
    """
    source = read_source(files, base_policy(), unlisted=unlisted)
    return source, compile_policy(source, base_schema())


def located(directory: Path, problems: Iterable[Problem]) -> Sequence[Problem]:
    """Problems whose files are named as seen from here, where they are files."""
    return [
        replace(one, file=str(directory / one.file)) if (directory / one.file).is_file() else one
        for one in problems
    ]


def as_json(problems: Iterable[Problem]) -> list[dict[str, object]]:
    """Problems under stable keys."""
    return [{"file": one.file, "line": one.line, "message": one.message} for one in problems]


def count(number: int, noun: str) -> str:
    """``1 policy``, ``2 policies``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
