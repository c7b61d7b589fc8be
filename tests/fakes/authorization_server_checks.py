"""What an authorization server checks before it issues: clients, and the tokens they show.

It shares nothing with what governd checks itself: signatures are joserfc's, the rules are
written here anew, from RFC 7521, 7523 and 8693, ID-JAG and SPIFFE client authentication.
"""

import base64
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

URN = "urn:ietf:params:oauth:"
JWT_BEARER_CLIENT = f"{URN}client-assertion-type:jwt-bearer"
JWT_SPIFFE_CLIENT = f"{URN}client-assertion-type:jwt-spiffe"
ACCESS_TOKEN, ID_TOKEN, JWT, ID_JAG = (
    f"{URN}token-type:{name}" for name in ("access_token", "id_token", "jwt", "id-jag")
)
_ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "EdDSA")
_MAX_ASSERTION_SECONDS = 300
_NO_KEYS = b'{"keys": []}'
_TYPES = {ACCESS_TOKEN: {"at+jwt", "application/at+jwt"}, ID_TOKEN: {"jwt"}}

Claims = Mapping[str, Any]


class Code(enum.StrEnum):
    """Errors of RFC 6749, section 5.2, and RFC 8707, section 2."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"


class Refused(Exception):  # noqa: N818  # as OAuth has it: an answer, not a mishap
    """An error response."""

    def __init__(self, error: Code, description: str = "", status: int = 400) -> None:
        super().__init__(error.value)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True)
class Client:
    """Who may ask.

    Attributes:
        client_id: What it is called here.
        keys: A JWKS with its public keys, for private_key_jwt.
        spiffe_id: Whose JWT-SVIDs authenticate it, for jwt-spiffe.
        scopes: The most that it gets.
        known_as: What it is called at other authorization servers, by their issuers.
    """

    client_id: str
    keys: bytes = _NO_KEYS
    spiffe_id: str = ""
    scopes: frozenset[str] = frozenset({"read", "write"})
    known_as: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Trust:
    """Whose word an authorization server takes.

    Attributes:
        issuer: Its own identifier: the only audience of what is meant for it.
        clients: By their ids.
        issuers: JWKS of those whose tokens and assertions it takes, by ``iss``.
        bundles: SPIFFE bundles of trust domains, or JWKS, by their names.
        used: ``jti`` that count no more.
    """

    issuer: str
    clients: dict[str, Client] = field(default_factory=dict)
    issuers: dict[str, bytes] = field(default_factory=dict)
    bundles: dict[str, bytes] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def client(self, form: Mapping[str, str], now: float) -> Client:
        """Who asks (RFC 7523, section 3; draft-ietf-oauth-spiffe-client-auth).

        Raises:
            Refused: ``invalid_client``.
        """
        kind, assertion = form.get("client_assertion_type"), form.get("client_assertion", "")
        try:
            expect(kind in {JWT_SPIFFE_CLIENT, JWT_BEARER_CLIENT}, "there is no such method here")
            find = self._workload if kind == JWT_SPIFFE_CLIENT else self._holder_of_a_key
            client = find(assertion, now)
            named = form.get("client_id", client.client_id)
            expect(named == client.client_id, "client_id names another client")
        except ValueError as error:
            raise Refused(Code.INVALID_CLIENT, str(error), 401) from None
        return client

    def party(self, token: str, kind: str, client: Client, now: float) -> Claims:
        """Who a subject or actor token is about (RFC 8693, section 2.1).

        Raises:
            ValueError: It is none that counts here.
        """
        if kind == JWT:
            return self.svid(token, now)
        typ = str(peek(token)[0].get("typ", "JWT")).lower()
        expect(kind in _TYPES and typ in _TYPES[kind], "is not of the type that is stated")
        claims = self.signed(token, now)
        meant = {client.client_id, self.issuer} if kind == ACCESS_TOKEN else {client.client_id}
        expect(bool(meant & set(audience(claims))), "is for another client")
        return claims

    def svid(self, token: str, now: float) -> Claims:
        """The claims of a JWT-SVID that is for here alone (JWT-SVID, section 3).

        Raises:
            ValueError: It is none.
        """
        sub = str(peek(token)[1].get("sub", ""))
        expect(sub.startswith("spiffe://"), "is no JWT-SVID")
        domain = sub.removeprefix("spiffe://").partition("/")[0]
        claims = verified(token, _jwt_authorities(self.bundles.get(domain, _NO_KEYS)), now)
        expect(audience(claims) == [self.issuer], "is not for this issuer alone")
        return claims

    def signed(self, token: str, now: float) -> Claims:
        """The claims of a token of an issuer that counts here.

        Raises:
            ValueError: It is none.
        """
        iss = str(peek(token)[1].get("iss", ""))
        expect(iss in self.issuers, "is of an issuer that is not trusted here")
        return verified(token, self.issuers[iss], now)

    def once(self, claims: Claims) -> None:
        """Takes an assertion only once.

        Raises:
            ValueError: It was here before, or has no ``jti``.
        """
        shown = (str(claims.get("iss")), str(claims.get("jti", "")))
        expect(bool(shown[1]) and shown not in self.used, "was shown before")
        self.used.add(shown)

    def _workload(self, assertion: str, now: float) -> Client:
        sub = self.svid(assertion, now)["sub"]
        found = [one for one in self.clients.values() if one.spiffe_id == sub]
        expect(bool(found), "no client has this SPIFFE ID")
        return found[0]

    def _holder_of_a_key(self, assertion: str, now: float) -> Client:
        sub = str(peek(assertion)[1].get("sub", ""))
        expect(sub in self.clients, "no client has this id")
        claims = verified(assertion, self.clients[sub].keys, now)
        expect(claims.get("iss") == sub, "iss is not sub")
        expect(audience(claims) == [self.issuer], "is not for this issuer alone")
        expect(claims["exp"] - now <= _MAX_ASSERTION_SECONDS, "lives too long")
        self.once(claims)
        return self.clients[sub]


def audience(claims: Claims) -> list[str]:
    """``aud``, one or many."""
    said = claims.get("aud", [])
    return [said] if isinstance(said, str) else list(said)


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token that nobody has verified.

    Raises:
        ValueError: It is none.
    """
    try:
        header, payload, _ = token.split(".")
        return json.loads(_decoded(header)), json.loads(_decoded(payload))
    except (ValueError, TypeError):
        message = "is no JWT"
        raise ValueError(message) from None


def verified(token: str, keys: bytes, now: float) -> Claims:
    """The claims of a token that one of the keys signed, and that has not ended.

    Raises:
        ValueError: It is none.
    """
    try:
        key_set = KeySet.import_key_set(json.loads(keys))
        claims = jwt.decode(token, key_set, algorithms=list(_ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError):
        message = "is not signed with a key that counts here"
        raise ValueError(message) from None
    expect(isinstance(claims.get("exp"), int) and claims["exp"] > now, "has ended")
    expect(claims.get("nbf", 0) <= now + 1, "has not begun")
    return claims


def _jwt_authorities(bundle: bytes) -> bytes:
    """Those of a SPIFFE bundle (SPIFFE Trust Domain and Bundle, section 4.2.2), as a JWKS."""
    keys = [one for one in json.loads(bundle)["keys"] if one.get("use") in {None, "jwt-svid"}]
    plain = [{name: part for name, part in one.items() if name != "use"} for one in keys]
    return json.dumps({"keys": plain}).encode()


def expect(holds: bool, otherwise: str) -> None:
    """Checks a rule.

    Raises:
        ValueError: It does not hold.
    """
    if not holds:
        raise ValueError(otherwise)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
