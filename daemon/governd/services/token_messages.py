"""Tokens for upstreams between messages and values, and nothing else."""

import math
from collections.abc import Callable
from typing import NoReturn

from governd._proto.governd.v1 import token_service_pb2 as pb
from governd.application.evidence import Shown
from governd.application.get_token import Handed
from governd.application.token_request import Wanted
from governd.errors import RequestError
from governd.policy.delegated import EvidenceKind
from governd.policy.question import parse_name
from governd.services import evidence
from governd.tokens import words

BEARER = "Bearer"
"""How a token is shown (RFC 6750, section 2.1)."""
_MAX_NAME_BYTES = 63
_MAX_TARGET_BYTES = 2048
_SUBJECT_TYPES = {
    words.ID_TOKEN: EvidenceKind.ID_TOKEN,
    words.ACCESS_TOKEN: EvidenceKind.ACCESS_TOKEN,
}


def wanted(request: pb.GetTokenRequest) -> Wanted:
    """What a request asks for.

    Raises:
        RequestError: A field is missing or malformed.
    """
    name = parse_name(request.upstream, field="upstream", limit=_MAX_NAME_BYTES)
    return Wanted(name, scopes=tuple(request.scopes), renew=request.renew)


def shown(request: pb.GetTokenRequest) -> Shown | None:
    """In whose name, as the request shows it; nothing of it is verified.

    Raises:
        RequestError: It is malformed.
    """
    if not request.HasField("evidence"):
        return None
    return evidence.shown(request.evidence, field="evidence")


def handed(value: Handed) -> pb.GetTokenResponse:
    """A token, ready to be shown."""
    text = value.token.reveal().decode("ascii")
    message = pb.GetTokenResponse(
        access_token=text,
        token_type=BEARER,
        scopes=value.scopes,
        resource=value.upstream.resource or "",
        decision_id=value.decision_id,
    )
    message.headers["Authorization"] = f"{BEARER} {text}"
    message.expires_at.seconds = math.floor(value.ends)
    return message


def exchange(request: pb.ExchangeRequest) -> tuple[Wanted, Shown]:
    """What a request asks for in the words of RFC 8693, and in whose name.

    Raises:
        RequestError: A field is missing, malformed, or says what is not done here.
    """
    _check_fixed(request)
    if not request.resource and not request.audience:
        _refuse("resource", "expected it, or audience")
    for field, text in (("resource", request.resource), ("audience", request.audience)):
        if text:
            parse_name(text, field=field, limit=_MAX_TARGET_BYTES)
    kind = _SUBJECT_TYPES.get(request.subject_token_type)
    if kind is None:
        _refuse("subject_token_type", "expected an ID token's or an access token's URN")
    token = evidence.secret(request.subject_token, field="subject_token")
    asked = Wanted(
        resource=request.resource,
        audience=request.audience,
        scopes=tuple(request.scope.split(" ")) if request.scope else (),
        scope_field="scope",
    )
    return asked, Shown(kind, token)


def exchanged(value: Handed, wall_clock: Callable[[], float]) -> pb.ExchangeResponse:
    """A token exchange response (RFC 8693, section 2.2.1)."""
    message = pb.ExchangeResponse(
        access_token=value.token.reveal().decode("ascii"),
        issued_token_type=words.ACCESS_TOKEN,
        token_type=BEARER,
        scope=" ".join(value.scopes),
        decision_id=value.decision_id,
    )
    message.expires_in.FromSeconds(max(0, math.floor(value.ends - wall_clock())))
    return message


def _check_fixed(request: pb.ExchangeRequest) -> None:
    """Refuses what can only be one thing, or nothing, and is another."""
    for field, only in (
        ("grant_type", words.TOKEN_EXCHANGE),
        ("requested_token_type", words.ACCESS_TOKEN),
    ):
        if getattr(request, field) not in {"", only}:
            _refuse(field, f"expected {only}")
    for field in ("actor_token", "actor_token_type"):
        if getattr(request, field):
            _refuse(field, "refused: who acts is who calls")


def _refuse(field: str, problem: str) -> NoReturn:
    message = f"{field}: {problem}"
    raise RequestError(message, field=field)
