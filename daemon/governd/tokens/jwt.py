"""What every token in JWT form has to have, whatever it is for.

Follows RFC 7519 (section 4.1), RFC 7800 and RFC 9396. No signature is verified here: the
token came over TLS from who issued it, and it is for somebody else, who verifies it. What
its claims say can only be a reason not to take it.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from governd.identity import jose
from governd.identity.secret import Secret
from governd.tokens import scopes
from governd.tokens.faults import TokenFault, refuse

SKEW_SECONDS = 60
"""How far a server's clock may be ahead of ours."""
MAX_TEXT_CHARS = 1024
_SCOPE_CLAIMS = ("scope", "scp")
"""``scp`` is what some servers call it."""


def read(token: Secret) -> jose.Token:
    """Reads a token.

    Raises:
        TokenRefusedError: It is no signed JWT that has one meaning.
    """
    try:
        found = jose.read_token(token.reveal().decode())
    except ValueError:
        refuse(TokenFault.MALFORMED, "token: expected a compact JWS of two JSON objects")
    algorithm = found.header.get("alg")
    if not isinstance(algorithm, str) or algorithm.lower() in {"", "none"}:
        refuse(TokenFault.TYPE, "token: alg: is not signed")
    return found


def type_of(found: jose.Token) -> str | None:
    """Its ``typ``, in lower case; ``None`` where it has none.

    Raises:
        TokenRefusedError: It is no text.
    """
    value = found.header.get("typ")
    if value is None:
        return None
    if not isinstance(value, str):
        refuse(TokenFault.TYPE, "token: typ: expected a text")
    return value.lower()


def text(claims: Mapping[str, Any], name: str, fault: TokenFault) -> str:
    """A claim that has to be there, as a text in one line.

    Raises:
        TokenRefusedError: It is none; the rule is ``fault``.
    """
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_CHARS:
        refuse(fault, f"token: {name}: expected a text of at most {MAX_TEXT_CHARS} characters")
    if not value.isprintable():
        refuse(fault, f"token: {name}: must not have control characters")
    return value


def optional_text(claims: Mapping[str, Any], name: str, fault: TokenFault) -> str:
    """The same of a claim that may be missing: ``""``.

    Raises:
        TokenRefusedError: It is there, and none.
    """
    return text(claims, name, fault) if claims.get(name) is not None else ""


def ends(claims: Mapping[str, Any], now: float) -> float:
    """When it ends, once it is clear that it counts now.

    Raises:
        TokenRefusedError: It has no end, has ended, or begins later.
    """
    found = _moment(claims, "exp")
    if found <= now:
        refuse(TokenFault.EXPIRY, "token: exp: has ended")
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) > now + SKEW_SECONDS:
            refuse(TokenFault.EXPIRY, f"token: {name}: is in the future")
    return found


def audiences(claims: Mapping[str, Any], fault: TokenFault) -> frozenset[str]:
    """Whom it is for.

    Raises:
        TokenRefusedError: That is not said, or in no form; the rule is ``fault``.
    """
    try:
        return jose.read_audiences(claims.get("aud"))
    except ValueError:
        refuse(fault, "token: aud: expected a text or several")


def check_limits(claims: Mapping[str, Any]) -> None:
    """Refuses what ties it to a key, and what widens it in words that nobody here knows.

    Raises:
        TokenRefusedError: It has ``cnf`` or authorization details.
    """
    if "cnf" in claims:
        refuse(TokenFault.BOUND, "token: cnf: is bound to a key that nobody here has")
    if claims.get("authorization_details"):
        refuse_details()


def refuse_details() -> NoReturn:
    """Refuses authorization details (RFC 9396): none were asked for.

    Raises:
        TokenRefusedError: Always.
    """
    refuse(TokenFault.SCOPE_WIDENED, "authorization_details: were not asked for")


def stated_scopes(claims: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """What its claims say that it permits, one for each claim that says something.

    Raises:
        TokenRefusedError: They are in no form that has one meaning.
    """
    return tuple(_scopes(claims[name], name) for name in _SCOPE_CLAIMS if name in claims)


def _scopes(value: object, name: str) -> tuple[str, ...]:
    found = scopes.of_words(value) if isinstance(value, list) else scopes.split(value)
    if found is None:
        refuse(TokenFault.MALFORMED, f"token: {name}: expected words of RFC 6749, section 3.3")
    return found


def _moment(claims: Mapping[str, Any], name: str) -> float:
    try:
        return jose.read_seconds(claims.get(name))
    except ValueError:
        refuse(TokenFault.EXPIRY, f"token: {name}: expected seconds since 1970")
