"""The vectors of acting-as tokens as calls of DelegationService, and its answers as results."""

import base64
from collections.abc import Mapping
from typing import Any

from governd._proto.governd.v1 import delegation_service_pb2 as pb
from governd.delegation import carriage
from governd.delegation.binding import body_digest
from governd.delegation.rejection import RejectionError
from tests.acting_as_vectors import Result, Vector, suites

LEVELS = {"CALLER": 1, "REQUEST": 2, "BODY": 3}
SUITES = dict(suites())
VECTORS = [
    (name, vector)
    for name, suite in SUITES.items()
    for vector in suite["vectors"]
    if "parent" not in vector
]


def carried(presented: Mapping[str, Any]) -> str | None:
    """The token, as a caller takes it out of its request; ``None`` for none that it takes."""
    try:
        return carriage.the_one(
            presented.get("token"),
            carriage.from_headers((name, value) for name, value in presented.get("headers", ())),
            carriage.from_mcp(presented.get("mcp_meta", {})),
            carriage.from_a2a(presented.get("a2a_metadata", {})),
        )
    except RejectionError:
        return None


SERVED = [one for one in VECTORS if carried(one[1]["presented"])]
"""Those whose token reaches the service: carriage is its caller's affair."""


def asked(vector: Vector, token: str) -> pb.VerifyRequest:
    """The call that asks for a vector's result."""
    arrival = vector["arrival"]
    came = arrival["request"]
    binding = None
    if came is not None:
        body = came["body_base64"]
        digest = "" if body is None else body_digest(base64.b64decode(body))
        binding = pb.RequestBinding(method=came["method"], uri=came["uri"], body_digest=digest)
    return pb.VerifyRequest(
        token=token,
        request=binding,
        peer=arrival["peer"] or "",
        peer_certificate=arrival["peer_certificate"] or "",
        least_binding=pb.BindingLevel.ValueType(
            LEVELS[vector["expectations"]["least_binding"]] + 1
        ),
    )


def result_of(found: pb.VerifyResponse) -> Result:
    """An answer as vectors have it."""
    if not found.HasField("verified"):
        name = pb.RejectionReason.Name(found.rejected)
        return {"rejected": {"reason": name.removeprefix("REJECTION_REASON_")}}
    said = found.verified
    return {
        "accepted": {
            "user": {"issuer": said.user_issuer, "subject": said.user},
            "actors": list(said.actors),
            "scopes": list(said.scopes),
            "transaction": said.transaction,
            "expires_at": said.expires_at.seconds,
            "kya_level": said.kya_level,
            "binding": pb.BindingLevel.Name(said.binding).removeprefix("BINDING_LEVEL_"),
        }
    }
