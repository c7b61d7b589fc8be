"""Access tokens for upstreams: what is asked for, and what governd hands out. Pure.

A token is short-lived and good for one upstream; it is a secret, and no ``repr`` here has
one. The wire is ``governd/v1/token_service.proto``; the exchange has the words of RFC 8693.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NoReturn, Self

from google.protobuf.duration_pb2 import Duration

from governd_client._proto.governd.v1 import token_service_pb2 as protos
from governd_client.errors import InvalidRequestError, MalformedAnswerError
from governd_client.evidence import Evidence, EvidenceKind
from governd_client.readiness import time_of

AUTHORIZATION: Final = "Authorization"
BEARER: Final = "Bearer"
ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
ID_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - likewise
_TYPES: Final[Mapping[EvidenceKind, str]] = {
    EvidenceKind.ID_TOKEN: ID_TOKEN_TYPE,
    EvidenceKind.ACCESS_TOKEN: ACCESS_TOKEN_TYPE,
}
_NOT_TEXT: Final = "expected text in UTF-8"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """Access to one upstream, for this workload alone.

    Attributes:
        token: The token, a secret. Send it to the upstream and nowhere else.
        token_type: How it is shown: ``Bearer``.
        headers: What to send with a request of HTTP.
        expires_at: When it ends, in UTC. governd has another one before.
        scopes: What it permits; no more than was asked for.
        resource: Where it is good (RFC 8707); ``""`` where the policy does not say.
        decision_id: The decision that permitted it.
    """

    token: str = field(repr=False)
    token_type: str
    headers: Mapping[str, str] = field(repr=False)
    expires_at: datetime
    scopes: tuple[str, ...]
    resource: str
    decision_id: str

    @classmethod
    def from_proto(cls, answer: protos.GetTokenResponse, asked: protos.GetTokenRequest) -> Self:
        """Reads the answer of ``GetToken``.

        Raises:
            MalformedAnswerError: It has no token, or one that permits more than was asked for.
        """
        _require_bearer(answer.access_token, answer.token_type)
        if answer.headers.get(AUTHORIZATION) != f"{BEARER} {answer.access_token}":
            _malformed("headers: expected the token as Authorization")
        if not answer.HasField("expires_at"):
            _malformed("expires_at: required")
        return cls(
            token=answer.access_token,
            token_type=answer.token_type,
            headers=MappingProxyType(dict(answer.headers)),
            expires_at=time_of(answer.expires_at, "expires_at"),
            scopes=_no_wider(answer.scopes, asked.scopes),
            resource=answer.resource,
            decision_id=answer.decision_id,
        )


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """What a token exchange gave, member by member as RFC 8693 has it.

    Attributes:
        token: The token, a secret. Send it to the upstream and nowhere else.
        issued_token_type: What it is: an access token.
        token_type: How it is shown: ``Bearer``.
        expires_in: For how long it counts from when it was answered.
        scopes: What it permits; no more than was asked for.
        decision_id: The decision that permitted it.
    """

    token: str = field(repr=False)
    issued_token_type: str
    token_type: str
    expires_in: timedelta
    scopes: tuple[str, ...]
    decision_id: str

    @property
    def headers(self) -> Mapping[str, str]:
        """What to send with a request of HTTP."""
        return {AUTHORIZATION: f"{BEARER} {self.token}"}

    @classmethod
    def from_proto(cls, answer: protos.ExchangeResponse, asked: protos.ExchangeRequest) -> Self:
        """Reads the answer of ``Exchange``.

        Raises:
            MalformedAnswerError: It has no token, or one that permits more than was asked for.
        """
        _require_bearer(answer.access_token, answer.token_type)
        if answer.issued_token_type != ACCESS_TOKEN_TYPE:
            _malformed("issued_token_type: expected an access token")
        if not answer.HasField("expires_in"):
            _malformed("expires_in: required")
        return cls(
            token=answer.access_token,
            issued_token_type=answer.issued_token_type,
            token_type=answer.token_type,
            expires_in=_time_left(answer.expires_in),
            scopes=_no_wider(_words(answer.scope), _words(asked.scope)),
            decision_id=answer.decision_id,
        )


def token_request(
    upstream: str, evidence: Evidence | None, scopes: Collection[str], *, renew: bool
) -> protos.GetTokenRequest:
    """Writes access to what is asked for, and in whose name.

    Raises:
        InvalidRequestError: A part cannot be written.
    """
    _require_words(scopes)
    shown = evidence.to_proto() if evidence is not None else None
    try:
        return protos.GetTokenRequest(upstream=upstream, evidence=shown, scopes=scopes, renew=renew)
    except (TypeError, ValueError) as error:
        message = f"upstream, scopes: {_NOT_TEXT}"
        raise InvalidRequestError(message) from error


def exchange_request(
    evidence: Evidence, resource: str, audience: str, scopes: Collection[str]
) -> protos.ExchangeRequest:
    """Writes a token exchange (RFC 8693, section 2.1).

    Raises:
        InvalidRequestError: A part cannot be written.
    """
    _require_words(scopes)
    if evidence.kind not in _TYPES:
        message = "subject_token_type: expected an ID token or an access token"
        raise InvalidRequestError(message, field="subject_token_type")
    try:
        return protos.ExchangeRequest(
            resource=resource,
            audience=audience,
            scope=" ".join(scopes),
            subject_token=evidence.token,
            subject_token_type=_TYPES[evidence.kind],
        )
    except (TypeError, ValueError):
        # Without its cause, which could quote the token.
        message = f"resource, audience, scopes, subject_token: {_NOT_TEXT}"
        raise InvalidRequestError(message) from None


def _require_words(scopes: Collection[str]) -> None:
    if isinstance(scopes, str):
        # Its letters would be scopes of their own.
        message = f"scopes: expected a collection, for example [{scopes!r}]"
        raise InvalidRequestError(message, field="scopes")
    if any(str(each).split() != [each] for each in scopes):
        message = "scopes: expected words without spaces"
        raise InvalidRequestError(message, field="scopes")


def _words(scope: str) -> list[str]:
    return scope.split(" ") if scope else []


def _require_bearer(token: str, token_type: str) -> None:
    if not token:
        _malformed("access_token: required")
    if token_type != BEARER:
        _malformed(f"token_type: expected {BEARER}")


def _no_wider(given: Collection[str], asked: Collection[str]) -> tuple[str, ...]:
    """What was asked for is kept here as well; who asked for nothing left it to the policy."""
    if asked and not set(given) <= set(asked):
        _malformed("scopes: the token permits more than was asked for")
    return tuple(given)


def _time_left(left: Duration) -> timedelta:
    try:
        seconds: timedelta = left.ToTimedelta()
    except (ValueError, OverflowError):
        _malformed("expires_in: expected a time that can be told")
    if seconds < timedelta(0):
        _malformed("expires_in: expected a token that still counts")
    return seconds


def _malformed(message: str) -> NoReturn:
    raise MalformedAnswerError(message)
