"""``governd identity list``: the workloads for which identities are held."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2, identity_service_pb2
from governd.cli import connection, identity_text, options, output
from governd.cli.failure import NO
from governd.cli.whoami import attestation_name

Statuses = Sequence[admin_service_pb2.IdentityStatus]


@click.command("list", short_help="List the workloads for which identities are held.")
@click.option("--waiting", is_flag=True, help="Only workloads that have no identity.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if a workload listed has none.")
@options.admin_socket()
@options.timeout()
@options.as_json()
def list_(
    *, waiting: bool, exit_code: bool, admin_socket: Path, timeout: float, as_json: bool
) -> int:
    """List the workloads for which governd holds identities, itself among them.

    Of several IDs of a workload the first is who it is.

    A workload that waits has no registration entry that its selectors fit, or none of this
    node; or what issues identities is away. The reason says which.

    Exit code:
      0 listed, 1 with --exit-code: a workload listed has no identity, 2 usage,
      3 governd cannot be asked.

    JSON:
      identities, each with workload, spiffe_id (who it is; "" for nobody), phase (waiting,
      ready), reason ("" for none), attestation, source, svids (each with spiffe_id, hint,
      not_before, not_after and next_rotation, RFC 3339), federates_with, selectors, facts
      (an object).

    Examples:
      governd identity list
      governd identity list --waiting --exit-code || page-somebody
      governd identity list --json | jq -r '.identities[].svids[].spiffe_id'
    """
    answer = connection.identities(admin_socket, timeout)
    without = [one for one in answer.identities if not _has_one(one)]
    found = without if waiting else list(answer.identities)
    if as_json:
        output.show_json({"identities": [identity_text.to_json(one) for one in found]})
    else:
        output.show(*words(found, datetime.now(UTC), waiting=waiting))
    return NO if exit_code and without else 0


def words(found: Statuses, now: datetime, *, waiting: bool) -> Iterator[RenderableType]:
    """The table and a summary, or why there is none."""
    if not found:
        yield output.text("no workload waits" if waiting else "no identities are held")
        return
    headers = ["workload and identities", "phase", "attested", ">ends", "because"]
    yield output.table(headers, [_row(one, now) for one in found])
    yield output.gap()
    yield _summary(found)


def _row(one: admin_service_pb2.IdentityStatus, now: datetime) -> list[RenderableType]:
    return [
        _name(one),
        identity_text.phase(one),
        attestation_name(one.attestation),
        identity_text.ends(one, now),
        one.reason or "-",
    ]


def _name(one: admin_service_pb2.IdentityStatus) -> Text:
    """The workload's name, with its SPIFFE IDs below: first who it is."""
    cell = output.text(one.workload, output.STRONG)
    named = [one.spiffe_id] if one.spiffe_id else []
    for spiffe_id in dict.fromkeys([*named, *(svid.spiffe_id for svid in one.svids)]):
        cell.append("\n").append_text(output.text(spiffe_id, output.DIM))
    return cell


def _summary(found: Statuses) -> Text:
    held = sum(len(one.svids) for one in found)
    without = sum(not _has_one(one) for one in found)
    line = output.text(f"{held} held for {len(found)} workload{'' if len(found) == 1 else 's'}, ")
    return line.append(f"{without} without", output.BAD if without else "")


def _has_one(one: admin_service_pb2.IdentityStatus) -> bool:
    return one.phase == identity_service_pb2.PHASE_READY
