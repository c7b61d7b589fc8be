"""``governd validate``: would governd start with this configuration and policy?"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from governd.cli import options, output
from governd.cli.failure import NO
from governd.cli.policy_source import as_json as problems_as_json
from governd.cli.policy_source import compile_files, count, located, read_files
from governd.config import Config, load
from governd.errors import ConfigError, PolicyError, Problem
from governd.policy.compiler import CompiledPolicy


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found.

    Attributes:
        problems: Mistakes; governd would not start, or would refuse the policy.
        warnings: What is allowed but should be known.
        config: The settings, where they can be had.
        policy: The policy, where there is one and it is good.
    """

    problems: Sequence[Problem]
    warnings: Sequence[str] = ()
    config: Config | None = None
    policy: CompiledPolicy | None = None


@click.command(short_help="Check a configuration and the policy it names.")
@options.config()
@options.as_json()
def validate(config_file: str | None, *, as_json: bool) -> int:
    """Check a configuration and read and compile the policy directory that it names.

    All mistakes are told at once, as file:line: key: what was expected. Nothing is opened
    but the configuration and the policy.

    Exit code:
      0 no mistakes, 1 mistakes, 2 usage.

    JSON:
      valid, problems (each with file, line, message), warnings (texts), listeners (how
      many; null if unknown), policy (digest, bundle_version, policies; null if none or bad).

    Examples:
      governd validate --config /etc/governd/governd.toml
      GOVERND_PRODUCTION=true governd validate --config governd.toml --json
    """
    outcome = examine(config_file)
    if as_json:
        output.show_json(_to_json(outcome))
    else:
        _show(outcome, config_file or "the environment")
    return NO if outcome.problems else 0


def examine(config_file: str | None) -> Outcome:
    """Reads a configuration and its policy.

    Args:
        config_file: Path of the TOML file; ``None`` for the environment alone.
    """
    try:
        config = load(Path(config_file) if config_file else None, os.environ)
    except ConfigError as error:
        return Outcome(error.problems)
    warnings = [f"{name} is on" for name in config.unsafe_settings()]
    directory = config.policy.directory
    if directory is None:
        warnings.append("policy.directory is not set: everything is denied, governd never ready")
        return Outcome((), warnings, config)
    try:
        _, policy = compile_files(read_files(directory))
    except PolicyError as error:
        return Outcome(located(directory, error.problems), warnings, config)
    return Outcome((), warnings, config, policy)


def _to_json(outcome: Outcome) -> dict[str, object]:
    policy = outcome.policy
    return {
        "valid": not outcome.problems,
        "problems": problems_as_json(outcome.problems),
        "warnings": list(outcome.warnings),
        "listeners": len(outcome.config.listener) if outcome.config else None,
        "policy": {
            "digest": policy.digest,
            "bundle_version": policy.manifest.version,
            "policies": len(policy.policies),
        }
        if policy
        else None,
    }


def _show(outcome: Outcome, name: str) -> None:
    output.show(*(output.text(problem) for problem in outcome.problems))
    output.show(*(output.text(f"warning: {one}", output.WARN) for one in outcome.warnings))
    if outcome.problems:
        output.show(output.text(f"{name}: {count(len(outcome.problems), 'mistake')}", output.BAD))
        return
    listeners = len(outcome.config.listener) if outcome.config else 0
    parts = [count(listeners, "listener")]
    if outcome.policy:
        parts.append(count(len(outcome.policy.policies), "policy"))
    output.show(output.text(f"{name}: valid, {', '.join(parts)}", output.GOOD))
