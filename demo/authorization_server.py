"""An authorization server: it exchanges a user's token for one that is good at one place.

Small, and right in what it does: token exchange (RFC 8693) with who acts, metadata (RFC 8414),
clients that show a JWT-SVID in the place of a secret (draft-ietf-oauth-spiffe-client-auth).
What it issues says for whom and through whom it is (``sub`` and ``act``, RFC 9068).
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_URN = "urn:ietf:params:oauth:"
EXCHANGE = f"{_URN}grant-type:token-exchange"
BY_SPIFFE = f"{_URN}client-assertion-type:jwt-spiffe"
ACCESS_TOKEN, ID_TOKEN, JWT = (
    f"{_URN}token-type:{each}" for each in ("access_token", "id_token", "jwt")
)
LIFETIME_SECONDS = 300
_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256"]


class Refused(Exception):  # noqa: N818 - an answer, as OAuth has it, and not a mishap
    """An error response (RFC 6749, section 5.2)."""


class AuthorizationServer:
    """One issuer of access tokens.

    Attributes:
        issuer: Its identifier.
        keys: With which its tokens are verified.
    """

    def __init__(
        self,
        issuer: str,
        *,
        resource: str,
        scopes: frozenset[str],
        users: tuple[str, KeySet],
        workloads: Callable[[], KeySet],
        client: str,
        issued: list[str],
    ) -> None:
        """Makes a key.

        Args:
            issuer: Its identifier.
            resource: Where its tokens are good.
            scopes: What they may permit there.
            users: Who knows the users: an issuer of ID tokens, and its keys.
            workloads: Tells the keys of the trust domain whose agents may act for users.
            client: What the SPIFFE ID of who may ask begins with.
            issued: Gets the name (``jti``) of each token.
        """
        self.issuer = issuer
        self._key = ECKey.generate_key("P-256", {"kid": "1"})
        self.keys = KeySet([self._key])
        self._resource, self._scopes = resource, scopes
        self._users, self._workloads, self._client = users, workloads, client
        self._issued = issued

    def app(self) -> Starlette:
        """It, as an application of ASGI."""
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _metadata(self, _: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "token_endpoint": f"{self.issuer}/token",
                "grant_types_supported": [EXCHANGE],
                "response_types_supported": ["none"],
                "token_endpoint_auth_methods_supported": ["spiffe_jwt"],
            }
        )

    async def _token(self, request: Request) -> JSONResponse:
        form = dict(parse_qsl((await request.body()).decode()))
        headers = {"Cache-Control": "no-store"}
        try:
            return JSONResponse(self._exchange(form), headers=headers)
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, 400, headers)

    def _exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        client = self._workload(form.get("client_assertion", ""), "invalid_client")
        _expect("invalid_client", form.get("client_assertion_type") == BY_SPIFFE)
        _expect("invalid_client", client.startswith(self._client))
        _expect("unsupported_grant_type", form.get("grant_type") == EXCHANGE)
        user = self._user(form)
        _expect("invalid_request", form.get("actor_token_type") == JWT)
        agent = self._workload(form.get("actor_token", ""), "invalid_request")
        _expect("invalid_target", form.get("resource") == self._resource)
        scope = form.get("scope", "")
        _expect("invalid_scope", set(scope.split()) <= self._scopes)
        claims = {"sub": user, "act": {"sub": agent}, "client_id": client, "scope": scope}
        return {
            "access_token": self._signed(claims),
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "scope": scope,
        }

    def _user(self, form: Mapping[str, str]) -> str:
        issuer, keys = self._users
        claims = _verified(form.get("subject_token", ""), keys, "invalid_request")
        _expect("invalid_request", form.get("subject_token_type") == ID_TOKEN)
        _expect("invalid_request", claims.get("iss") == issuer)
        return str(claims["sub"])

    def _workload(self, token: str, error: str) -> str:
        """The SPIFFE ID in a JWT-SVID that is for this server alone."""
        claims = _verified(token, self._workloads(), error)
        _expect(error, claims.get("aud") in (self.issuer, [self.issuer]))
        return str(claims["sub"])

    def _signed(self, claims: Mapping[str, Any]) -> str:
        now = int(time.time())
        name = uuid.uuid4().hex
        self._issued.append(name)
        mine = {"iss": self.issuer, "aud": self._resource, "jti": name}
        times = {"iat": now, "exp": now + LIFETIME_SECONDS}
        header = {"alg": "ES256", "kid": "1", "typ": "at+jwt"}
        return jwt.encode(header, {**mine, **times, **claims}, self._key)


def _verified(token: str, keys: KeySet, error: str) -> dict[str, Any]:
    """The claims of a token that one of the keys signed and that has not ended."""
    try:
        claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
    except (JoseError, ValueError, json.JSONDecodeError):
        raise Refused(error) from None
    _expect(error, claims.get("exp", 0) > time.time())
    return claims


def _expect(error: str, holds: bool) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise Refused(error)
