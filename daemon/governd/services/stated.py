"""Circumstances that an operator states, from messages."""

from datetime import UTC
from typing import Any

from pydantic import ValidationError

from governd._proto.governd.v1 import admin_service_pb2
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.delegated import MAX_KYA_LEVEL, Circumstances
from governd.policy.stated import StatedDelegation, circumstances


def read(request: admin_service_pb2.ExplainRequest, subject: SpiffeId) -> Circumstances:
    """What a request states of a subject.

    Raises:
        RequestError: A field is malformed.
    """
    if request.kya_level > MAX_KYA_LEVEL:
        message = f"kya_level: expected 0 to {MAX_KYA_LEVEL}"
        raise RequestError(message, field="kya_level")
    stated = _delegation(request.delegation) if request.HasField("delegation") else None
    return circumstances(stated, subject, kya_level=request.kya_level)


def _delegation(message: admin_service_pb2.StatedDelegation) -> StatedDelegation:
    members: dict[str, Any] = {
        "user": message.user,
        "actors": tuple(message.actors),
        "scopes": tuple(message.scopes),
        "details": tuple(
            {name: tuple(getattr(one, name)) for name in ("actions", "locations", "tools")}
            for one in message.details
        ),
        "binding": message.binding,
        "kya_level": message.kya_level,
    }
    if message.evidence:
        members["evidence"] = tuple(message.evidence)
    try:
        if message.HasField("expires"):
            members["expires"] = message.expires.ToDatetime(UTC)
        return StatedDelegation.model_validate(members)
    except (ValidationError, ValueError) as error:
        first = error.errors()[0]["loc"][0] if isinstance(error, ValidationError) else "expires"
        field = f"delegation.{first}"
        text = f"{field}: is malformed"
        raise RequestError(text, field=field) from error
