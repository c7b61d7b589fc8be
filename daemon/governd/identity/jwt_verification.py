"""Whether a token is a JWT-SVID for somebody, and whose.

Follows the JWT-SVID standard (https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md),
sections 2, 3 and 5, and RFC 8725 for what has gone wrong with tokens elsewhere. Signatures
are joserfc's; texts are read by ``jose``.

Promises:
    * The key is one of the trust domain in ``sub``. Neither the token nor another trust
      domain brings a key: headers other than ``alg``, ``kid`` and ``typ`` are refused.
    * The algorithm is asymmetric, and of the key's type.
    * Whatever the text, nothing but a ``RequestError`` is raised.

A JWT-SVID is a bearer token: it proves that somebody was given it, not who presents it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import JoseError

from governd.errors import RequestError
from governd.identity import jose, jwt_keys
from governd.identity.spiffe_id import SpiffeId

LEEWAY = timedelta(seconds=60)
"""How far an issuer's clock may be ahead of ours: for ``iat`` and ``nbf``. ``exp`` has none."""

_HEADERS = frozenset({"alg", "kid", "typ"})
_TYPES = ("JWT", "JOSE")
_FIELD = "svid"

KeySets = Mapping[str, bytes]
"""A JWKS document (RFC 7517, section 5) by trust domain."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A JWT-SVID whose signature and claims were verified.

    Attributes:
        spiffe_id: Its ``sub``.
        claims: All of them.
        not_after: Its ``exp``, in UTC.
    """

    spiffe_id: SpiffeId
    claims: Mapping[str, Any]
    not_after: datetime


def verify_jwt_svid(token: str, audience: str, key_sets: KeySets, now: datetime) -> VerifiedToken:
    """Whose JWT-SVID this is.

    Args:
        token: JWS compact serialisation.
        audience: Who must be among those that it is for.
        key_sets: The keys of every trust domain that is trusted.
        now: The time to verify for, in UTC.

    Raises:
        RequestError: It is nobody's, not for that audience, or not of a trust domain in
            ``key_sets``.
    """
    try:
        header, claims = jose.read_token(token)
    except ValueError:
        _refuse("does not parse")
    algorithm, key_id = _check_header(header)
    spiffe_id = _subject(claims)
    not_after = _check_time(claims, now)
    _check_audience(claims, audience)
    _check_signature(token, algorithm, _key(key_sets, spiffe_id, key_id, algorithm))
    return VerifiedToken(spiffe_id, claims, not_after)


def _check_header(header: Mapping[str, Any]) -> tuple[str, str]:
    """The algorithm and the key's id."""
    if not header.keys() <= _HEADERS:
        _refuse("has headers other than alg, kid and typ")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in jose.ALGORITHMS:
        _refuse("has an algorithm that no JWT-SVID has")
    if "typ" in header and header["typ"] not in _TYPES:
        _refuse("has another type than JWT or JOSE")
    if not isinstance(key_id, str):
        _refuse("does not say which key signed it")
    return algorithm, key_id


def _subject(claims: Mapping[str, Any]) -> SpiffeId:
    sub = claims.get("sub")
    try:
        spiffe_id = SpiffeId.parse(sub if isinstance(sub, str) else "", field="sub")
    except RequestError as error:
        _refuse(str(error))
    if not spiffe_id.path:
        _refuse("sub: expected the ID of a workload, not of a trust domain")
    return spiffe_id


def _check_time(claims: Mapping[str, Any], now: datetime) -> datetime:
    """When the token ends."""
    not_after = _moment(claims, "exp")
    if not_after is None:
        _refuse("has no exp")
    if now >= not_after:
        _refuse("has expired")
    for name in ("iat", "nbf"):
        begins = _moment(claims, name)
        if begins is not None and begins > now + LEEWAY:
            _refuse(f"{name}: is in the future")
    return not_after


def _moment(claims: Mapping[str, Any], name: str) -> datetime | None:
    if name not in claims:
        return None
    try:
        return datetime.fromtimestamp(jose.read_seconds(claims[name]), UTC)
    except ValueError as error:
        _refuse(f"{name}: {error}")


def _check_audience(claims: Mapping[str, Any], audience: str) -> None:
    try:
        audiences = jose.read_audiences(claims.get("aud"))
    except ValueError as error:
        _refuse(f"aud: {error}")
    if audience not in audiences:
        _refuse("is for another audience")


def _key(key_sets: KeySets, spiffe_id: SpiffeId, key_id: str, algorithm: str) -> jwt_keys.PublicKey:
    document = key_sets.get(spiffe_id.trust_domain)
    if document is None:
        _refuse(f"is of trust domain {spiffe_id.trust_domain}, which is not trusted here")
    try:
        return jwt_keys.find_key(document, key_id, algorithm)
    except ValueError:
        _refuse("is signed with no key of its trust domain")


def _check_signature(token: str, algorithm: str, key: jwt_keys.PublicKey) -> None:
    try:
        jws.deserialize_compact(token, key, [algorithm])
    except (JoseError, ValueError):
        _refuse("is not signed with the key that it names")


def _refuse(why: str) -> NoReturn:
    message = f"{_FIELD}: {why}"
    # Not chained: a parser's words may quote what it read.
    raise RequestError(message, field=_FIELD) from None
