"""Circumstances that an operator states, from messages.

How well somebody is known is stated, or is as it is known now.
"""

from dataclasses import replace
from datetime import UTC
from typing import Any

from pydantic import ValidationError

from governd._proto.governd.v1 import admin_service_pb2
from governd.application.agents import KnownLevel
from governd.application.known_agents import LevelOf, known
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.kya.level import Level
from governd.policy.delegated import MAX_KYA_LEVEL, Circumstances
from governd.policy.stated import StatedDelegation, circumstances


def read(
    request: admin_service_pb2.ExplainRequest, subject: SpiffeId, level_of: LevelOf
) -> Circumstances:
    """What a request states of a subject, and how well that is known where it does not say.

    Args:
        request: The operator's.
        subject: Who the question is about.
        level_of: How well agents are known now.

    Raises:
        RequestError: A field is malformed.
    """
    if request.HasField("kya_level"):
        level_of = _stated_level(request.kya_level, level_of)
    stated = _delegation(request.delegation) if request.HasField("delegation") else None
    found = known(subject, circumstances(stated, subject), level_of)
    if found.delegation is None or not request.delegation.HasField("kya_level"):
        return found
    delegation = replace(found.delegation, kya_level=request.delegation.kya_level)
    return found._replace(delegation=delegation)


def _stated_level(level: int, level_of: LevelOf) -> LevelOf:
    """That level for everybody, with the cards of those that are known now."""
    if level > MAX_KYA_LEVEL:
        message = f"kya_level: expected 0 to {MAX_KYA_LEVEL}"
        raise RequestError(message, field="kya_level")
    found = KnownLevel(Level(level))
    return lambda one: found._replace(card=level_of(one).card) if level else found


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
    for name in ("evidence", "granted"):
        if stated := tuple(getattr(message, name)):
            members[name] = stated
    try:
        if message.HasField("expires"):
            members["expires"] = message.expires.ToDatetime(UTC)
        return StatedDelegation.model_validate(members)
    except (ValidationError, ValueError) as error:
        first = error.errors()[0]["loc"][0] if isinstance(error, ValidationError) else "expires"
        field = f"delegation.{first}"
        text = f"{field}: is malformed"
        raise RequestError(text, field=field) from error
