"""``governd evaluate``: may I do this?"""

from pathlib import Path

import click

from governd.cli import connection, evaluation, options, output, question
from governd.cli.failure import NO


@click.command(short_help="Ask whether you may do something.")
@question.arguments
@options.socket()
@options.timeout()
@options.as_json()
def evaluate(
    *,
    action: str,
    resource: str,
    call_arguments: str | None,
    subject: str | None,
    socket: Path,
    timeout: float,
    as_json: bool,
) -> int:
    """Ask whether the caller may do ACTION to RESOURCE.

    ACTION is the protocol's own word, e.g. tools/call, tools/list or resources/read.
    RESOURCE is TYPE:ID, e.g. tool:git/git_commit, mcp_server:git or
    agent:spiffe://example.org/agent/writer. The answer goes on record like any other. The
    subject counts as well known as governd knows it now: see 'governd agent show'.

    Exit code:
      0 allow, 1 deny, 2 usage, 3 governd cannot be asked (treat it as a deny).

    JSON:
      decision (true or false), code, reasons (policy ids), obligations (each with
      policy_id, type, properties), decision_id, policy (digest, bundle_version, epoch,
      age_seconds), lease_seconds (null: not to be reused), shadow (decision, reasons; null
      where shadow policies would change nothing).

    Examples:
      governd evaluate tools/list mcp_server:git
      governd evaluate tools/call tool:git/git_commit --arguments '{"message": "wip"}'
      governd evaluate tools/call tool:git/git_commit --arguments @call.json --json
    """
    request = question.ask(action, resource, call_arguments, subject)
    answer = connection.evaluate(socket, request, timeout).evaluation
    if as_json:
        output.show_json(evaluation.as_json(answer))
    else:
        output.show(evaluation.headline(answer), output.facts(evaluation.rows(answer)))
    return 0 if answer.decision else NO
