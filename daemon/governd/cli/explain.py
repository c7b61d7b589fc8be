"""``governd explain``: why is it answered so?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import connection, evaluation, options, output, question
from governd.cli import delegation as delegation_option

_EFFECTS = {
    admin_service_pb2.POLICY_EFFECT_PERMIT: "permit",
    admin_service_pb2.POLICY_EFFECT_FORBID: "forbid",
}


@click.command(short_help="Show why a question is answered as it is.")
@question.arguments
@delegation_option.arguments
@click.option("--caller", required=True, metavar="ID", help="SPIFFE ID of who would ask.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def explain(
    *,
    action: str,
    resource: str,
    call_arguments: str | None,
    subject: str | None,
    delegation: str | None,
    kya_level: int | None,
    caller: str,
    admin_socket: Path,
    timeout: float,
    as_json: bool,
) -> None:
    """Show how a question of --caller would be answered now, and each policy's part in it.

    Policies that decided come first; for each candidate that did not apply, the first part
    of it that was false. Nothing is recorded, and of what is stated nothing is verified.
    ACTION and RESOURCE are as for 'governd evaluate'. Without --kya-level the subject counts
    as well known as governd knows it now.

    Exit code:
      0 explained (whatever the decision), 2 usage, 3 governd cannot be asked.

    JSON:
      as for 'governd evaluate', and policies (each with policy_id, effect, determining,
      applied, first_false, error, shadow, file, line), undeclared_arguments and kya_level
      (0 to 3, as the subject counted).

    Examples:
      governd explain --caller spiffe://example.org/agent/reader tools/list mcp_server:git
      governd explain --caller spiffe://example.org/agent/writer tools/call tool:git/git_commit
      governd explain --caller "$ID" tools/call tool:git/git_commit --arguments @call.json
      governd explain --caller "$ID" tools/call tool:git/git_reset --delegation @alice.json
    """
    request = admin_service_pb2.ExplainRequest(
        caller=question.utf8(caller, "--caller"),
        question=question.ask(action, resource, call_arguments, subject),
    )
    delegation_option.state(request, delegation, kya_level)
    answer = connection.explain(admin_socket, request, timeout)
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(*words(answer))


def to_json(answer: admin_service_pb2.ExplainResponse) -> dict[str, object]:
    """The explanation under stable keys."""
    reasons = set(answer.evaluation.reasons)
    policies = [
        {
            "policy_id": one.policy_id,
            "effect": _EFFECTS.get(one.effect, ""),
            "determining": one.policy_id in reasons,
            "applied": one.applied,
            "first_false": one.first_false,
            "error": one.error,
            "shadow": one.shadow,
            "file": one.file,
            "line": one.line,
        }
        for one in answer.policies
    ]
    return {
        **evaluation.as_json(answer.evaluation),
        "policies": policies,
        "undeclared_arguments": list(answer.undeclared_arguments),
        "kya_level": answer.kya_level,
    }


def words(answer: admin_service_pb2.ExplainResponse) -> Iterator[RenderableType]:
    """The explanation, part by part."""
    reasons = set(answer.evaluation.reasons)
    yield evaluation.headline(answer.evaluation)
    yield output.facts(_facts(answer))
    applied = [one for one in answer.policies if one.applied or one.policy_id in reasons]
    others = [one for one in answer.policies if not (one.applied or one.policy_id in reasons)]
    if applied:
        rows = [_row(one, _part(one, reasons)) for one in applied]
        yield output.gap()
        yield output.table(["applied", "effect", "at"], rows)
    if others:
        rows = [_row(one, output.text(f"false: {one.first_false}")) for one in others]
        yield output.gap()
        yield output.table(["did not apply", "effect", "at"], rows)


def _facts(
    answer: admin_service_pb2.ExplainResponse,
) -> Iterator[tuple[str, RenderableType]]:
    yield from (row for row in evaluation.rows(answer.evaluation) if row[0] != "decided by")
    yield "kya level", str(answer.kya_level)
    if answer.undeclared_arguments:
        names = ", ".join(answer.undeclared_arguments)
        yield "undeclared", output.text(f"{names} (no policy sees them)", output.WARN)


def _row(one: admin_service_pb2.PolicyExplanation, why: Text) -> Sequence[RenderableType]:
    effect = f"{_EFFECTS.get(one.effect, '?')}{' (shadow)' if one.shadow else ''}"
    place = f"{one.file}:{one.line}" if one.line else one.file
    if one.error:
        why = output.text(f"failed: {one.error}", output.BAD)
    policy = Group(output.text(one.policy_id, output.STRONG), Padding(why, (0, 0, 0, 2)))
    return policy, effect, output.text(place, output.DIM)


def _part(one: admin_service_pb2.PolicyExplanation, reasons: set[str]) -> Text:
    if one.policy_id in reasons:
        return output.text("decided")
    return output.text("would count if it were in force" if one.shadow else "overruled by a forbid")
