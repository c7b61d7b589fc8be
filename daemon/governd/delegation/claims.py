"""Acting-as tokens as claims, read strictly and written in one form.

Follows RFC 7519 for the claims that it names, RFC 8693 for ``act`` and ``scope``, RFC 9396
for ``authorization_details``, RFC 8705 for ``cnf``, RFC 9449 for ``htm`` and ``htu``.

Promises:
    * A claim that is not of the format is refused, everywhere: it might limit what the token
      is good for. What is to be added gets another ``typ``.
    * ``act`` is read in a loop with an end, however deep it is.
    * Whatever the bytes, nothing but a ``RequestError`` that names the claim is raised.

Not read here: whether the chain keeps its rules, and whether anything of it is true.
"""

import json
from collections.abc import Mapping
from typing import Any

from governd.delegation import acting_as, details, scopes, texts
from governd.delegation.acting_as import ActingAs, Attested, Evidence, Ruled
from governd.delegation.binding import RequestBinding, read_binding
from governd.delegation.texts import refuse
from governd.identity import SpiffeId, jose, user
from governd.identity.user import User
from governd.policy.delegated import check_user

_REQUIRED = frozenset(
    {
        *("iss", "sub", "sub_iss", "act", "aud", "iat", "exp", "jti", "txn", "dep", "mdp", "pol"),
    }
)
_OPTIONAL = frozenset(
    {
        *("scope", "authorization_details", "cnf", "htm", "htu", "htq", "cdg"),
        *("pth", "evd", "kya"),
    }
)
_THUMBPRINT = "x5t#S256"
_TOKEN_ID_CHARS = 22


def read_claims(payload: bytes) -> ActingAs:
    """What a payload says.

    Raises:
        RequestError: It says nothing in the one form; ``field`` is the claim.
    """
    try:
        claims = jose.read_object(payload)
    except ValueError:
        refuse("claims", "does not parse")
    if not claims.keys() <= _REQUIRED | _OPTIONAL:
        refuse("claims", "has claims that are not of the format")
    for name in sorted(_REQUIRED - claims.keys()):
        refuse(name, "required")
    actors = _read_actors(claims)
    return ActingAs(
        issuer=texts.workload(claims["iss"], "iss"),
        user=_read_user(claims),
        actors=actors,
        audience=texts.workload(claims["aud"], "aud"),
        issued_at=_read_seconds(claims["iat"], "iat"),
        expires_at=_read_seconds(claims["exp"], "exp"),
        token_id=_read_token_id(claims["jti"]),
        transaction=texts.text(claims["txn"], "txn", limit=acting_as.MAX_TRANSACTION_BYTES),
        max_depth=texts.integer(claims["mdp"], "mdp", least=1, most=acting_as.MAX_DEPTH),
        ruled=_read_ruled(claims["pol"]),
        request=_read_request(claims),
        **_read_optional(claims),
    )


def write_claims(token: ActingAs) -> bytes:
    """A payload that says it. ``read_claims`` reads the same value from it."""
    claims: dict[str, Any] = {
        "iss": str(token.issuer),
        "sub": token.user.subject,
        "sub_iss": token.user.issuer,
        "act": _nested(token.actors),
        "aud": str(token.audience),
        "iat": token.issued_at,
        "exp": token.expires_at,
        "jti": token.token_id,
        "txn": token.transaction,
        "scope": " ".join(token.scopes) or None,
        "authorization_details": [one.members() for one in token.details] or None,
        "cnf": {_THUMBPRINT: token.certificate} if token.certificate else None,
        **_request_claims(token.request),
        "pth": token.parent,
        "dep": token.depth,
        "mdp": token.max_depth,
        "evd": [_evidence_claims(one) for one in token.evidence] or None,
        "kya": _kya_claims(token.kya),
        "pol": {"dig": token.ruled.digest, "dec": token.ruled.decision_id},
    }
    present = {name: value for name, value in claims.items() if value is not None}
    return json.dumps(present, separators=(",", ":")).encode()


def _read_actors(claims: Mapping[str, Any]) -> tuple[SpiffeId, ...]:
    actors: list[SpiffeId] = []
    act = claims["act"]
    while act is not None:
        if not isinstance(act, dict) or act.keys() - {"act"} != {"sub"}:
            refuse("act", "expected an object of exactly sub and act")
        if len(actors) == acting_as.MAX_DEPTH:
            refuse("act", f"has more than {acting_as.MAX_DEPTH} actors")
        actors.append(texts.workload(act["sub"], "act"))
        if "act" in act and act["act"] is None:
            refuse("act", "expected an object of exactly sub and act")
        act = act.get("act")
    depth = texts.integer(claims["dep"], "dep", least=1, most=acting_as.MAX_DEPTH)
    if depth != len(actors):
        refuse("dep", "is not how many actors there are")
    return tuple(actors)


def _read_user(claims: Mapping[str, Any]) -> User:
    """Such a user only as can be named: whom nobody can name, nobody can revoke."""
    issuer = texts.text(claims["sub_iss"], "sub_iss", limit=user.MAX_BYTES)
    found = User(issuer, texts.text(claims["sub"], "sub", limit=user.MAX_BYTES))
    check_user(User(issuer, "anybody"), field="sub_iss")
    check_user(found, field="sub")
    return found


def _read_seconds(value: object, field: str) -> int:
    return texts.integer(value, field, least=0, most=jose.MAX_SECONDS)


def _read_token_id(value: object, field: str = "jti") -> str:
    found = texts.text(value, field, limit=_TOKEN_ID_CHARS)
    try:
        size = len(jose.decode(found.encode()))
    except ValueError:
        size = 0
    if size != acting_as.TOKEN_ID_BYTES:
        refuse(field, "expected 128 bits in base64url")
    return found


def _read_ruled(value: object) -> Ruled:
    found = _members(value, "pol", "dig", "dec")
    return Ruled(
        texts.text(found["dig"], "pol.dig", limit=acting_as.MAX_NAME_BYTES),
        texts.text(found["dec"], "pol.dec", limit=acting_as.MAX_NAME_BYTES),
    )


def _read_request(claims: Mapping[str, Any]) -> RequestBinding | None:
    names = ("htm", "htu", "htq", "cdg")
    if not any(name in claims for name in names):
        return None
    for name in names:
        if name in claims and claims[name] is None:
            refuse(name, "expected a text")
    return read_binding(*(claims.get(name) for name in names))


def _read_optional(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for what is there."""
    found: dict[str, Any] = {}
    if "scope" in claims:
        found["scopes"] = scopes.read_scope(claims["scope"], field="scope")
    if "authorization_details" in claims:
        field = "authorization_details"
        found["details"] = details.read_details(claims[field], field=field)
    if "cnf" in claims:
        confirmed = _members(claims["cnf"], "cnf", _THUMBPRINT)
        found["certificate"] = texts.digest(confirmed[_THUMBPRINT], "cnf")
    if "pth" in claims:
        found["parent"] = texts.digest(claims["pth"], "pth")
    if "evd" in claims:
        found["evidence"] = _read_evidence(claims["evd"])
    if "kya" in claims:
        found["kya"] = _read_kya(claims["kya"])
    return found


def _read_evidence(value: object) -> tuple[Evidence, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= acting_as.MAX_EVIDENCE:
        refuse("evd", f"expected a list of 1 to {acting_as.MAX_EVIDENCE}")
    found = [_members(one, "evd", "typ", "dig", "iss", "exp") for one in value]
    return tuple(
        Evidence(
            texts.text(one["typ"], "evd.typ", limit=acting_as.MAX_NAME_BYTES),
            texts.digest(one["dig"], "evd.dig"),
            texts.text(one["iss"], "evd.iss", limit=user.MAX_BYTES),
            _read_seconds(one["exp"], "evd.exp"),
        )
        for one in found
    )


def _read_kya(value: object) -> Attested:
    found = _members(value, "kya", "lvl", "jti", "dig")
    return Attested(
        texts.integer(found["lvl"], "kya.lvl", least=0, most=acting_as.MAX_KYA_LEVEL),
        _read_token_id(found["jti"], "kya.jti"),
        texts.digest(found["dig"], "kya.dig"),
    )


def _members(value: object, field: str, *names: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.keys() != set(names):
        refuse(field, f"expected an object of exactly {', '.join(names)}")
    return value


def _nested(actors: tuple[SpiffeId, ...]) -> dict[str, Any] | None:
    act: dict[str, Any] | None = None
    for actor in reversed(actors):
        act = {"sub": str(actor), "act": act} if act else {"sub": str(actor)}
    return act


def _request_claims(request: RequestBinding | None) -> dict[str, Any]:
    if request is None:
        return {}
    return {"htm": request.method, "htu": request.uri, "htq": request.query, "cdg": request.body}


def _evidence_claims(one: Evidence) -> dict[str, Any]:
    return {"typ": one.type, "dig": one.digest, "iss": one.issuer, "exp": one.expires_at}


def _kya_claims(kya: Attested | None) -> dict[str, Any] | None:
    return None if kya is None else {"lvl": kya.level, "jti": kya.token_id, "dig": kya.digest}
