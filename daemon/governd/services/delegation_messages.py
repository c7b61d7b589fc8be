"""Acting-as tokens between messages and values, and nothing else."""

import json
from collections.abc import Sequence
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration

from governd._proto.governd.v1 import delegation_service_pb2 as pb
from governd.application.delegate import Issued
from governd.application.mint_question import Wanted
from governd.delegation import acting_as, carriage, details, texts
from governd.delegation.attenuation import Order
from governd.delegation.binding import BindingLevel, RequestBinding, request_binding
from governd.delegation.expectations import Arrival
from governd.delegation.rejection import Rejected
from governd.delegation.scopes import scopes_of
from governd.delegation.verification import Verified
from governd.errors import RequestError
from governd.services import convert

Asked: TypeAlias = pb.MintRequest | pb.ExtendRequest

_LEVELS = {
    pb.BINDING_LEVEL_UNSPECIFIED: BindingLevel.REQUEST,
    pb.BINDING_LEVEL_UNSAFE_NONE: BindingLevel.UNSAFE_NONE,
    pb.BINDING_LEVEL_CALLER: BindingLevel.CALLER,
    pb.BINDING_LEVEL_REQUEST: BindingLevel.REQUEST,
    pb.BINDING_LEVEL_BODY: BindingLevel.BODY,
}
_BINDINGS = {
    BindingLevel.UNSAFE_NONE: pb.BINDING_LEVEL_UNSAFE_NONE,
    BindingLevel.CALLER: pb.BINDING_LEVEL_CALLER,
    BindingLevel.REQUEST: pb.BINDING_LEVEL_REQUEST,
    BindingLevel.BODY: pb.BINDING_LEVEL_BODY,
}


def wanted(request: Asked) -> Wanted:
    """What a request asks for.

    Raises:
        RequestError: A field is missing or malformed.
    """
    return Wanted(
        texts.workload(request.audience, "audience"),
        _scopes(request.scopes),
        details.parse_details(
            request.authorization_details_json, field="authorization_details_json"
        ),
        Order(
            lifetime_seconds=_lifetime(request),
            max_depth=request.max_depth or None,
            transaction=_transaction(request),
            request=_request(request),
        ),
    )


def arrival(request: pb.VerifyRequest) -> Arrival:
    """How a token came, as its receiver says.

    Raises:
        RequestError: A field is malformed.
    """
    certificate = request.peer_certificate
    return Arrival(
        texts.workload(request.peer, "peer") if request.peer else None,
        texts.digest(certificate, "peer_certificate") if certificate else None,
        _request(request),
    )


def least_binding(request: pb.VerifyRequest) -> BindingLevel:
    """How tightly a token has to be tied.

    Raises:
        RequestError: It is no level that this governd knows.
    """
    level = _LEVELS.get(request.least_binding)
    if level is None:
        message = "least_binding: unknown value"
        raise RequestError(message, field="least_binding")
    return level


def issued(value: Issued) -> pb.Delegation:
    """A token, ready to be sent."""
    text = value.delegation.text.reveal().decode()
    token = value.delegation.token
    message = pb.Delegation(
        token=text,
        headers=carriage.http_headers(text),
        mcp_meta_json=_json(carriage.mcp_meta(text)),
        a2a_metadata_json=_json(carriage.a2a_metadata(text)),
        token_id=token.token_id,
        transaction=token.transaction,
    )
    message.expires_at.FromSeconds(token.expires_at)
    return message


def verified(found: Verified | Rejected) -> pb.VerifyResponse:
    """What came of a token."""
    if isinstance(found, Rejected):
        reason = pb.RejectionReason.ValueType(found.reason.value)
        return pb.VerifyResponse(rejected=reason, detail=found.message)
    token = found.token
    return pb.VerifyResponse(
        verified=pb.VerifiedDelegation(
            user=token.user.subject,
            user_issuer=token.user.issuer,
            actors=map(str, token.actors),
            scopes=token.scopes,
            authorization_details_json=(
                details.written(token.details).encode() if token.details else b""
            ),
            binding=_BINDINGS[found.binding],
            signer=str(found.signer),
            expires_at=convert.timestamp(found.expires),
            token_id=token.token_id,
            transaction=token.transaction,
            kya_level=token.kya_level,
            digest=found.digest,
        )
    )


def _scopes(words: Sequence[str]) -> tuple[str, ...]:
    return scopes_of(words)


def _lifetime(request: Asked) -> int:
    """In whole seconds; without one, as long as any: policy cuts it."""
    if not request.HasField("lifetime"):
        return acting_as.MAX_LIFETIME_SECONDS
    lifetime: Duration = request.lifetime
    return lifetime.seconds


def _transaction(request: Asked) -> str | None:
    return (request.transaction or None) if isinstance(request, pb.MintRequest) else None


def _request(request: Asked | pb.VerifyRequest) -> RequestBinding | None:
    if not request.HasField("request"):
        return None
    found = request.request
    return request_binding(found.method, found.uri, found.body_digest or None)


def _json(members: dict[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()
