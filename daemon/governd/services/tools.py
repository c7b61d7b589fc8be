"""Definitions and what governd makes of them, as messages."""

import re

from google.protobuf.timestamp_pb2 import Timestamp

from governd._proto.governd.v1 import admin_service_pb2, tool_service_pb2
from governd.application.keep_tools import RegistrationOutcome
from governd.policy.argument_types import render
from governd.policy.offering import Standing
from governd.policy.registration import PinOrigin
from governd.policy.tools import Tool
from governd.services import convert

MAX_QUARANTINED = 256
"""Quarantined definitions that the answer to a registration lists."""
MAX_UNTYPED = 64
"""Arguments without a type that are listed."""
MAX_DETAIL_BYTES = 1024
_CUT = "\u2026"
_DIGEST = re.compile(r"sha-256:[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Whether a text is a digest as governd writes it."""
    return _DIGEST.fullmatch(text) is not None


def registered(value: RegistrationOutcome) -> tool_service_pb2.RegisterToolsResponse:
    """What became of a registration."""
    return tool_service_pb2.RegisterToolsResponse(
        server=value.server,
        active=value.active,
        quarantined=[_quarantined(standing) for standing in value.quarantined[:MAX_QUARANTINED]],
        quarantined_count=len(value.quarantined),
        changed=value.changed,
        policy=convert.policy_info(value.policy),
    )


def status(value: Standing) -> admin_service_pb2.ToolStatus:
    """How a definition stands."""
    pin = value.pin
    message = admin_service_pb2.ToolStatus(
        server=value.server,
        kind=tool_service_pb2.DefinitionKind.ValueType(value.kind.value),
        name=value.name,
        declared=value.declared,
        registered=value.offered,
        reasons=_reasons(value),
        detail=_detail(value),
        digest=_digest(value) if value.offered else "",
        pinned_digest=pin.definition.digest if pin else "",
        pin_origin=admin_service_pb2.PinOrigin.ValueType(
            (pin.origin if pin else PinOrigin.NONE).value
        ),
    )
    if value.registered is not None and value.offered:
        message.registered_at.CopyFrom(_timestamp(value.registered.since))
    if value.tool is not None:
        message.requires.extend(value.tool.requires)
        message.formerly_required.extend(value.formerly_required)
        message.destructive = value.tool.destructive
        message.open_world = value.tool.hints.open_world
        message.untyped_arguments.extend(value.tool.parameters.untyped[:MAX_UNTYPED])
    return message


def details(value: Standing) -> admin_service_pb2.GetToolResponse:
    """A definition with its text."""
    return admin_service_pb2.GetToolResponse(
        status=status(value),
        definition_json=(
            value.registered.definition.canonical if value.registered and value.offered else b""
        ),
        pinned_json=value.pinned,
        arguments=_arguments(value.tool) if value.tool else (),
    )


def _arguments(tool: Tool) -> list[admin_service_pb2.ArgumentType]:
    parameters = tool.parameters
    return [
        admin_service_pb2.ArgumentType(
            name=name, type=render(kind), required=name in parameters.required
        )
        for name, kind in sorted(parameters.fields.items())
    ]


def _quarantined(value: Standing) -> tool_service_pb2.QuarantinedDefinition:
    return tool_service_pb2.QuarantinedDefinition(
        kind=tool_service_pb2.DefinitionKind.ValueType(value.kind.value),
        name=value.name,
        digest=_digest(value),
        reasons=_reasons(value),
        detail=_detail(value),
    )


def _detail(value: Standing) -> str:
    """Why, in words, cut where they are many."""
    text = value.detail.encode()
    if len(text) <= MAX_DETAIL_BYTES:
        return value.detail
    return text[: MAX_DETAIL_BYTES - len(_CUT.encode())].decode(errors="ignore") + _CUT


def _reasons(value: Standing) -> list[tool_service_pb2.QuarantineReason.ValueType]:
    return [tool_service_pb2.QuarantineReason.ValueType(one.value) for one in value.reasons]


def _digest(value: Standing) -> str:
    return value.registered.definition.digest if value.registered else ""


def _timestamp(seconds: float) -> Timestamp:
    message = Timestamp()
    message.FromNanoseconds(round(seconds * 1e9))
    return message
