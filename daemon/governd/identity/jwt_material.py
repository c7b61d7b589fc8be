"""What an issuer sent in JOSE, taken only when it holds what it promises.

Follows the JWT-SVID standard, sections 2, 3 and 5
(https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md), and RFC 7517 for key
sets. No signature is verified here: this is what governd's own issuer hands to it, on its
way to the workload, not what a peer presents (``jwt_verification``).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from governd.errors import InvalidIdentityError
from governd.identity import jose
from governd.identity.secret import Secret
from governd.identity.spiffe_id import SpiffeId
from governd.identity.svid import JwtSvid

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Parameters of private and of symmetric keys (RFC 7518, sections 6.2 to 6.4)."""


def jwt_svid(
    spiffe_id: SpiffeId, token: str, audiences: Sequence[str], *, hint: str = ""
) -> JwtSvid:
    """A JWT-SVID for ``spiffe_id`` from what an issuer sent.

    Args:
        spiffe_id: Whose it is said to be.
        token: JWS compact serialisation.
        audiences: That were asked for; the token has these and no others.
        hint: What it is for.

    Raises:
        InvalidIdentityError: It is not that.
    """
    try:
        header, claims = jose.read_token(token)
        until = datetime.fromtimestamp(jose.read_seconds(claims.get("exp")), UTC)
        named = jose.read_audiences(claims.get("aud"))
    except ValueError:
        # Not chained: a parser's words may quote what it read.
        raise _invalid(spiffe_id, "does not parse") from None
    if header.get("alg") not in jose.ALGORITHMS:
        raise _invalid(spiffe_id, "has an algorithm that no JWT-SVID has")
    if claims.get("sub") != str(spiffe_id):
        raise _invalid(spiffe_id, "has another subject")
    if named != set(audiences):
        raise _invalid(spiffe_id, "is not for the audiences that were asked for")
    return JwtSvid(spiffe_id, Secret(token.encode()), hint, until)


def key_set(document: bytes) -> bytes:
    """The JWKS of a trust domain, as it came.

    Raises:
        InvalidIdentityError: It is none, or has other than public keys with distinct ids.
    """
    try:
        ids = _key_ids(jose.read_object(document)["keys"])
    except (ValueError, KeyError, TypeError):
        ids = [""]
    if len(ids) != len(set(ids)) or "" in ids:
        message = "trust bundle: expected a JWKS of public keys, each with an id of its own"
        raise InvalidIdentityError(message)
    return document


def _key_ids(keys: object) -> list[str]:
    if not isinstance(keys, list):
        message = "no list"
        raise TypeError(message)
    return [_key_id(key) for key in keys]


def _key_id(key: Mapping[str, Any]) -> str:
    """The id of a public key; ``""`` if it is none."""
    fine = isinstance(key["kty"], str) and _PRIVATE.isdisjoint(key) and isinstance(key["kid"], str)
    return key["kid"] if fine else ""


def _invalid(spiffe_id: SpiffeId, problem: str) -> InvalidIdentityError:
    return InvalidIdentityError(f"JWT-SVID of {spiffe_id}: {problem}")
