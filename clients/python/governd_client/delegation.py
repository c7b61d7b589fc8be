"""Acting-as tokens: what was minted, and what one says that came with a request. Pure.

A token says who acts in whose name towards one audience. The tokens themselves are secrets:
no ``repr`` here has one.
"""

import base64
import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NoReturn, Self

from governd_client._proto.governd.v1 import delegation_service_pb2 as protos
from governd_client.carriage import GRPC_METADATA
from governd_client.errors import InvalidRequestError, MalformedAnswerError, TokenRejectedError
from governd_client.evidence import Evidence, EvidenceKind
from governd_client.readiness import time_of

_REASON: Final = "REJECTION_REASON_"


class Binding(enum.IntEnum):
    """How tightly a token is tied to the request with which it comes; higher is tighter."""

    UNSAFE_NONE = protos.BINDING_LEVEL_UNSAFE_NONE
    """To audience and time only: whoever has it can use it."""

    CALLER = protos.BINDING_LEVEL_CALLER
    """To the workload that sent it, too: the peer is the current actor."""

    REQUEST = protos.BINDING_LEVEL_REQUEST
    """To method and URI, too."""

    BODY = protos.BINDING_LEVEL_BODY
    """To the body, too."""


_BINDINGS: Final[frozenset[int]] = frozenset(Binding)


@dataclass(frozen=True, slots=True)
class BoundRequest:
    """The one request that a token is for.

    Attributes:
        method: Of HTTP, in upper case; ``POST`` for gRPC and MCP.
        uri: Target URI with its query. For gRPC ``<origin>/<service>/<method>``.
        body_digest: ``sha-256=:<base64>:`` of the body (RFC 9530); ``""`` for none.
    """

    method: str
    uri: str
    body_digest: str = ""

    @classmethod
    def of(cls, method: str, uri: str, body: bytes | None = None) -> Self:
        """A request with this very body; ``None`` where nobody has read it."""
        return cls(method, uri, "" if body is None else body_digest(body))

    def to_proto(self) -> protos.RequestBinding:
        """Writes it.

        Raises:
            InvalidRequestError: A part is not text in UTF-8.
        """
        try:
            return protos.RequestBinding(
                method=self.method, uri=self.uri, body_digest=self.body_digest
            )
        except (TypeError, ValueError) as error:
            message = "request: method, uri and body_digest are text in UTF-8"
            raise InvalidRequestError(message, field="request") from error


def body_digest(body: bytes) -> str:
    """The digest of a body, as RFC 9530 writes one."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@dataclass(frozen=True, slots=True)
class ActingAsToken:
    """A token that was minted for this workload, ready to be sent to its audience.

    Attributes:
        token: The token, a secret.
        headers: What to send with a request of HTTP.
        mcp_meta: The same for ``params._meta`` of a request of MCP.
        a2a_metadata: The same for ``metadata`` of a message of A2A.
        expires_at: When receivers refuse it, in UTC.
        token_id: Its name in records, with its issuer.
        transaction: The same for everything that follows from one cause.
        decision_id: The decision that permitted it.
    """

    token: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    mcp_meta: Mapping[str, Any] = field(repr=False)
    a2a_metadata: Mapping[str, Any] = field(repr=False)
    expires_at: datetime
    token_id: str
    transaction: str
    decision_id: str

    @property
    def grpc_metadata(self) -> tuple[tuple[str, str], ...]:
        """The same for a call of gRPC."""
        return ((GRPC_METADATA, self.token),)

    @classmethod
    def from_proto(cls, answer: protos.MintResponse | protos.ExtendResponse) -> Self:
        """Reads the answer of ``Mint`` or ``Extend``.

        Raises:
            MalformedAnswerError: It has no token.
        """
        minted = answer.delegation
        if not minted.token or not minted.headers:
            _malformed("delegation: expected a token and its headers")
        return cls(
            token=minted.token,
            headers=MappingProxyType(dict(minted.headers)),
            mcp_meta=MappingProxyType(_object(minted.mcp_meta_json, "mcp_meta_json")),
            a2a_metadata=MappingProxyType(_object(minted.a2a_metadata_json, "a2a_metadata_json")),
            expires_at=time_of(minted.expires_at, "expires_at"),
            token_id=minted.token_id,
            transaction=minted.transaction,
            decision_id=answer.decision_id,
        )


@dataclass(frozen=True, slots=True)
class Delegation:
    """Who acts in whose name, as a token says that governd verified.

    Attributes:
        user: In whose name, as the issuer knows the user.
        user_issuer: Who knows the user.
        actors: SPIFFE IDs of who acts, the current actor first, then who delegated to it.
        scopes: What is permitted, sorted.
        details: The same, finer (RFC 9396).
        binding: How tightly the token was tied to the request.
        signer: SPIFFE ID of the signing identity that vouches for it.
        expires_at: When it ends, in UTC.
        token_id: Its name in records, with its issuer.
        transaction: The same for everything that follows from one cause.
        kya_level: How well the least known actor is known, 0 to 3.
        digest: Its name in records: SHA-256, in base64url, of the token without signature.
        token: The token, a secret.
    """

    user: str
    user_issuer: str
    actors: tuple[str, ...]
    scopes: tuple[str, ...]
    details: tuple[Mapping[str, Any], ...]
    binding: Binding
    signer: str
    expires_at: datetime
    token_id: str
    transaction: str
    kya_level: int
    digest: str
    token: str = field(repr=False)

    @property
    def evidence(self) -> Evidence:
        """The token, as what shows governd in whose name the call is."""
        return Evidence(EvidenceKind.ACTING_AS_TOKEN, self.token)

    @classmethod
    def from_proto(cls, answer: protos.VerifyResponse, asked: protos.VerifyRequest) -> Self:
        """Reads the answer of ``Verify``.

        Raises:
            TokenRejectedError: The token does not count.
            MalformedAnswerError: The answer is none, or not one to this request.
        """
        if answer.WhichOneof("result") == "rejected":
            raise TokenRejectedError(_rejection(answer.rejected), answer.detail)
        if answer.WhichOneof("result") is None:
            _malformed("the answer says neither what was verified nor why not")
        found = answer.verified
        _require_answers(found, asked)
        return cls(
            user=found.user,
            user_issuer=found.user_issuer,
            actors=tuple(found.actors),
            scopes=tuple(found.scopes),
            details=tuple(_details(found.authorization_details_json)),
            binding=Binding(found.binding),
            signer=found.signer,
            expires_at=time_of(found.expires_at, "expires_at"),
            token_id=found.token_id,
            transaction=found.transaction,
            kya_level=found.kya_level,
            digest=found.digest,
            token=asked.token,
        )


def _require_answers(found: protos.VerifiedDelegation, asked: protos.VerifyRequest) -> None:
    """What was asked for is kept here as well, so that no older governd can forget it."""
    if not (found.user and found.user_issuer and found.actors):
        _malformed("verified: names no user or no actor")
    least = asked.least_binding or Binding.REQUEST
    if found.binding not in _BINDINGS or found.binding < least:
        _malformed("verified: is tied less than was asked for")
    if asked.peer and found.actors[0] != asked.peer:
        _malformed("verified: the current actor is not the peer")


def _rejection(number: int) -> str:
    known = protos.RejectionReason.DESCRIPTOR.values_by_number.get(number)
    return known.name.removeprefix(_REASON) if known and number else "UNRECOGNISED"


def _details(text: bytes) -> list[dict[str, Any]]:
    found = _json(text, "authorization_details_json") if text else []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        _malformed("authorization_details_json: expected a list of objects")
    return found


def _object(text: bytes, name: str) -> dict[str, Any]:
    found = _json(text, name) if text else {}
    if not isinstance(found, dict):
        _malformed(f"{name}: expected an object")
    return found


def _json(text: bytes, name: str) -> Any:  # noqa: ANN401 - whatever it says
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        _malformed(f"{name}: does not parse")


def _malformed(message: str) -> NoReturn:
    raise MalformedAnswerError(message) from None
