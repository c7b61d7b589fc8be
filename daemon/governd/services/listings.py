"""Lists to be filtered, between messages and values."""

import re
from collections.abc import Sequence
from typing import NoReturn

from governd._proto.governd.v1 import tool_service_pb2 as pb
from governd.application.list_question import FilteredList, ListedEntry, ListQuestion
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.question import MAX_ID_BYTES
from governd.services import convert
from governd.services.registrations import kind
from governd.services.tools import is_digest

_SERVER = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def question(request: pb.FilterToolsRequest, caller: SpiffeId, most: int) -> ListQuestion:
    """What a request asks.

    Args:
        request: The request.
        caller: Who asks.
        most: How many entries a list may have.

    Raises:
        RequestError: A field is missing or malformed.
    """
    subject = convert.subject(request, caller)
    if not _SERVER.fullmatch(request.server):
        _refuse("server", "expected the name of an MCP server, as policy declares it")
    if request.phase not in pb.ListPhase.values():
        _refuse("phase", "expected one that this governd knows")
    return ListQuestion(
        subject=subject,
        asserted_by=None if subject == caller else caller,
        server=request.server,
        kind=kind(request.kind, field="kind"),
        entries=_entries(request.definitions, most),
        bootstrap=request.phase == pb.LIST_PHASE_BOOTSTRAP,
    )


def answer(value: FilteredList) -> pb.FilterToolsResponse:
    """An answer as a message."""
    message = pb.FilterToolsResponse(
        shown=value.shown,
        decision_id=value.decision_id,
        policy=convert.policy_info(value.policy),
    )
    if value.lease_seconds > 0:
        message.lease.valid_for.CopyFrom(convert.duration(value.lease_seconds))
    return message


def _entries(messages: Sequence[pb.ListedDefinition], most: int) -> tuple[ListedEntry, ...]:
    if len(messages) > most:
        _refuse("definitions", f"expected at most {most}, not {len(messages)}")
    return tuple(_entry(number, message) for number, message in enumerate(messages))


def _entry(number: int, message: pb.ListedDefinition) -> ListedEntry:
    if not 0 < len(message.name.encode()) <= MAX_ID_BYTES:
        expected = f"expected 1 to {MAX_ID_BYTES} bytes"
        _refuse(f"definitions[{number}].name", expected)
    if message.digest and not is_digest(message.digest):
        expected = 'expected "sha-256:" and 64 hex digits in lower case'
        _refuse(f"definitions[{number}].digest", expected)
    return ListedEntry(message.name, message.digest)


def _refuse(field: str, expected: str) -> NoReturn:
    message = f"{field}: {expected}"
    raise RequestError(message, field=field)
