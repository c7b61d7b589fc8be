"""``governd policy reload``: read the policy source now."""

from pathlib import Path

import click

from governd.cli import connection, evaluation, options, output

TIMEOUT_SECONDS = 30.0
"""A large policy takes seconds to compile."""


@click.command(short_help="Have a governd read its policy now.")
@options.admin_socket()
@options.timeout(TIMEOUT_SECONDS)
@options.as_json()
def reload(admin_socket: Path, timeout: float, *, as_json: bool) -> None:
    """Have a governd read its policy directory now, not at its next look.

    Returns when the new policy is in force. A directory that is refused is told with file
    and line, and the last good policy stays in force.

    Exit code:
      0 in force, 1 refused, 2 usage, 3 governd cannot be asked.

    JSON:
      changed, policy (digest, bundle_version, epoch, age_seconds).

    Examples:
      governd policy reload
      governd policy lint /etc/governd/policy && governd policy reload --json
    """
    answer = connection.reload(admin_socket, timeout)
    if as_json:
        policy = evaluation.policy_as_json(answer.policy)
        output.show_json({"changed": answer.changed, "policy": policy})
        return
    said = "in force" if answer.changed else "unchanged"
    line = output.text(said, output.GOOD)
    output.show(
        line.append(f"  version {answer.policy.bundle_version}, {answer.policy.digest}", "")
    )
