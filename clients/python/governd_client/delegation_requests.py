"""What is asked about acting-as tokens, as it is written for the wire. Pure."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from governd_client._proto.governd.v1 import delegation_service_pb2 as protos
from governd_client.delegation import Binding, BoundRequest, Delegation
from governd_client.errors import InvalidRequestError
from governd_client.evidence import Evidence

Details: TypeAlias = Sequence[Mapping[str, object]]
"""Authorization details (RFC 9396): objects of the type ``mcp_tool``."""
MAX_LIFETIME_SECONDS: Final = 300
_NOT_TEXT: Final = "audience, scopes, token, transaction and peer are text in UTF-8"


def mint_request(
    audience: str, evidence: Evidence, max_depth: int, transaction: str
) -> protos.MintRequest:
    """Writes whom a first token is for.

    Raises:
        InvalidRequestError: A part cannot be written.
    """
    try:
        return protos.MintRequest(
            audience=audience,
            evidence=evidence.to_proto(),
            max_depth=max_depth,
            transaction=transaction,
        )
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(_NOT_TEXT) from error


def extend_request(audience: str, parent: Delegation, max_depth: int) -> protos.ExtendRequest:
    """Writes whom a further token is for.

    Raises:
        InvalidRequestError: A part cannot be written.
    """
    try:
        return protos.ExtendRequest(
            parent_token=parent.token, audience=audience, max_depth=max_depth
        )
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(_NOT_TEXT) from error


def write_terms(
    message: protos.MintRequest | protos.ExtendRequest,
    scopes: Collection[str],
    details: Details,
    request: BoundRequest | None,
    lifetime: int | None,
) -> None:
    """Writes what a token is to say.

    Raises:
        InvalidRequestError: A part cannot be written.
    """
    if isinstance(scopes, str):
        # Its letters would be scopes of their own.
        text = f"scopes: expected a collection, for example [{scopes!r}]"
        raise InvalidRequestError(text, field="scopes")
    try:
        message.scopes.extend(scopes)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(_NOT_TEXT, field="scopes") from error
    if details:
        message.authorization_details_json = _details(details)
    if request is not None:
        message.request.CopyFrom(request.to_proto())
    if lifetime is not None:
        if not 1 <= lifetime <= MAX_LIFETIME_SECONDS:
            text = f"lifetime: expected whole seconds, 1 to {MAX_LIFETIME_SECONDS}"
            raise InvalidRequestError(text, field="lifetime")
        message.lifetime.FromSeconds(int(lifetime))


def verify_request(
    token: str,
    request: BoundRequest | None,
    peer: str,
    peer_certificate: str,
    least_binding: Binding,
) -> protos.VerifyRequest:
    """Writes how a token came.

    Raises:
        InvalidRequestError: A part cannot be written.
    """
    try:
        return protos.VerifyRequest(
            token=token,
            request=request.to_proto() if request is not None else None,
            peer=peer,
            peer_certificate=peer_certificate,
            least_binding=least_binding.value,
        )
    except (TypeError, ValueError):
        # Without its cause, which could quote the token.
        raise InvalidRequestError(_NOT_TEXT) from None


def _details(details: Details) -> bytes:
    try:
        text = json.dumps(list(details), allow_nan=False, ensure_ascii=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = "authorization_details: expected JSON objects"
        raise InvalidRequestError(message, field="authorization_details") from error
