"""``governd status``: what a governd is and holds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import connection, evaluation, options, output

_MOST_PROBLEMS = 10


@click.command(short_help="Show what a governd is and holds.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def status(admin_socket: Path, timeout: float, *, as_json: bool) -> None:
    """Show a governd's parts, its policy, its identities and what is unsafe about it.

    Exit code:
      0 answered (ready or not; 'governd healthcheck' tells them apart), 2 usage,
      3 governd cannot be asked.

    JSON:
      version, started (RFC 3339), ready, production, components (each with name, ready,
      detail), policy (digest, bundle_version, epoch, age_seconds), policies (how many),
      policy_problems (each with file, line, message), listeners (how many),
      unsafe_settings (names), serving_identity, signing_identity, identity_source.

    Examples:
      governd status
      governd status --admin-socket /tmp/governd/admin.sock --json
    """
    answer = connection.status(admin_socket, timeout)
    if as_json:
        output.show_json(to_json(answer))
    else:
        output.show(*words(answer, datetime.now(UTC)))


def to_json(answer: admin_service_pb2.StatusResponse) -> dict[str, object]:
    """The state under stable keys."""
    return {
        "version": answer.version,
        "started": answer.started.ToJsonString(),
        "ready": answer.ready,
        "production": answer.production,
        "components": [
            {"name": part.name, "ready": part.ready, "detail": part.detail}
            for part in answer.components
        ],
        "policy": evaluation.policy_as_json(answer.policy),
        "policies": answer.policies,
        "policy_problems": [
            {"file": one.file, "line": one.line, "message": one.message}
            for one in answer.policy_problems
        ],
        "listeners": answer.listeners,
        "unsafe_settings": list(answer.unsafe_settings),
        "serving_identity": answer.serving_identity,
        "signing_identity": answer.signing_identity,
        "identity_source": answer.identity_source,
    }


def words(answer: admin_service_pb2.StatusResponse, now: datetime) -> Iterator[RenderableType]:
    """The state, part by part."""
    yield _headline(answer, now)
    for name in answer.unsafe_settings:
        yield output.text(f"UNSAFE: {name} is on", output.BAD)
    if answer.policy_problems:
        yield output.text(_refused(answer), output.BAD)
    for one in answer.policy_problems[:_MOST_PROBLEMS]:
        place = f"{one.file}:{one.line}" if one.line else one.file
        yield output.text(f"  {place}: {one.message}")
    if len(answer.policy_problems) > _MOST_PROBLEMS:
        more = len(answer.policy_problems) - _MOST_PROBLEMS
        yield output.text(f"  and {more} more; 'governd policy lint' shows all")
    yield output.gap()
    parts = [
        (part.name.replace("_", " "), _state(ready=part.ready), part.detail)
        for part in answer.components
    ]
    yield output.table(["part", "state", "detail"], parts)
    yield output.gap()
    yield output.facts(_facts(answer))


def _headline(answer: admin_service_pb2.StatusResponse, now: datetime) -> Text:
    up = max(0.0, (now - answer.started.ToDatetime(tzinfo=UTC)).total_seconds())
    line = output.text(f"governd {answer.version}  ", output.STRONG)
    line.append(
        "ready" if answer.ready else "NOT READY", output.GOOD if answer.ready else output.BAD
    )
    mode = "production" if answer.production else "development"
    return line.append(f"  up {output.duration(up)}, {mode}")


def _refused(answer: admin_service_pb2.StatusResponse) -> str:
    stays = "the last good policy stays in force" if answer.policy.digest else "all is denied"
    return f"the policy source was refused, {stays}:"


def _facts(
    answer: admin_service_pb2.StatusResponse,
) -> Iterator[tuple[str, RenderableType]]:
    policy = answer.policy
    if policy.digest:
        age = output.duration(evaluation.seconds(policy.age))
        yield "policy", f"version {policy.bundle_version}, {answer.policies} policies"
        yield "digest", policy.digest
        yield "epoch", policy.epoch
        yield "verified", f"{age} ago"
    else:
        yield "policy", output.text("none, so everything is denied", output.BAD)
    yield "listeners", str(answer.listeners)
    yield "serves as", answer.serving_identity or "nobody"
    yield "signs as", answer.signing_identity or "nobody"
    yield "identities", answer.identity_source or "none"


def _state(*, ready: bool) -> Text:
    return Text("ok", output.GOOD) if ready else Text("NOT OK", output.BAD)
