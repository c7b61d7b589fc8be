"""An authorization server that does as the RFCs say, and whatever else a test asks for.

    authority = TlsAuthority(tmp_path)
    async with authorization_server(authority) as corp:
        corp.trust.clients["governd"] = Client("governd", keys=public_jwks)
        corp.trust.bundles["example.org"] = spiffe_bundle
        corp.claims["aud"] = "shop"  # misbehaves: every token is for somebody else
        ...
        assert corp.asked["token-exchange"] == 1

It exchanges tokens and names who acts (RFC 8693), issues and takes ID-JAGs, takes assertions
(RFC 7523) and client credentials (RFC 6749); it publishes metadata (RFC 8414) and keys, so it
can vouch for users, too. Clients authenticate by private_key_jwt or jwt-spiffe, and no other way.
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt

from tests.fakes.authorization_server_checks import (
    ID_JAG,
    Code,
    Refused,
    Trust,
)
from tests.fakes.authorization_server_grants import GRANTS, Asked, Issue, granted
from tests.fakes.authorization_server_http import Request, TlsAuthority, listening
from tests.fakes.https_issuer import response
from tests.fakes.token_issuer import TokenIssuer

Parts = dict[str, Any]
_NO_STORE = {"cache_control": "no-store", "pragma": "no-cache"}
_STATUSES = {200: "200 OK", 400: "400 Bad Request", 401: "401 Unauthorized", 404: "404 Not Found"}


class AuthorizationServer:
    """One issuer. What it has in ``header`` to ``metadata`` takes the place of what is right.

    A value of ``None`` in one of those leaves the member out.

    Attributes:
        issuer: Its identifier.
        signer: Its key.
        trust: Whose word it takes.
        lifetime_seconds: Of what it issues.
        targets: Resources and audiences that it issues tokens for; ``None``: any.
        clock: Seconds since 1970.
        opaque: Whether access tokens say nothing to those who read them.
        header: Of every token.
        claims: Of every token.
        reply: Of every answer with a token.
        metadata: Of the metadata document.
        answer: Takes the place of every answer at the token endpoint.
        held: What an answer at the token endpoint waits for.
        arrived: Set by a request at the token endpoint, before it waits.
        asked: How many requests came: by grant, ``id-jag`` for the first leg, and
            ``metadata`` and ``keys``. A request counts before anything of it is checked.
        forms: The requests at the token endpoint, in order.
        issued: The tokens, in order.
    """

    def __init__(self, issuer: str) -> None:
        """Trusts nobody but itself."""
        self.issuer = issuer
        self.signer = TokenIssuer(key_id="as-1")
        self.trust = Trust(issuer, issuers={issuer: self.signer.key_set()})
        self.lifetime_seconds = 300
        self.targets: set[str] | None = None
        self.clock: Callable[[], float] = time.time
        self.opaque = False
        self.header, self.claims, self.reply, self.metadata = Parts(), Parts(), Parts(), Parts()
        self.answer: Callable[[Request], Awaitable[bytes]] | None = None
        self.held = asyncio.Event()
        self.held.set()
        self.arrived = asyncio.Event()
        self.asked: Counter[str] = Counter()
        self.forms: list[dict[str, str]] = []
        self.issued: list[str] = []
        self._path = urlsplit(issuer).path.rstrip("/")

    @property
    def token_endpoint(self) -> str:
        """Where tokens are issued."""
        return f"{self.issuer.rstrip('/')}/token"

    @property
    def jwks_uri(self) -> str:
        """Where its keys are."""
        return f"{self.issuer.rstrip('/')}/keys"

    def id_token(self, sub: str, aud: str, **changes: object) -> str:
        """An ID token, as if the user had just logged in to the client ``aud``."""
        return self.sign({"typ": "JWT"}, {"sub": sub, "aud": aud, "nonce": "n", **changes})

    def access_token(self, sub: str, aud: str, **changes: object) -> str:
        """An access token of a user, as a front end has it (RFC 9068)."""
        more = {"client_id": "chat", "jti": uuid.uuid4().hex, "scope": "read write"}
        return self.sign({"typ": "at+jwt"}, {"sub": sub, "aud": aud, **more, **changes})

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """A token with these claims beside the issuer's own; ``None`` leaves one out."""
        now = int(self.clock())
        own = {"iss": self.issuer, "iat": now, "exp": now + self.lifetime_seconds}
        head = _without_none({"alg": "ES256", "kid": self.signer.key_id, **header})
        return jwt.encode(
            head, _without_none({**own, **claims}), self.signer.key, default_type=None
        )

    async def handle(self, request: Request) -> bytes:
        """Answers one request."""
        match request.method, request.path:
            case "POST", path if path == f"{self._path}/token":
                return await self._token(request)
            case "GET", path if path == f"{self._path}/keys":
                self.asked["keys"] += 1
                return _json(json.loads(self.signer.key_set()))
            case "GET", path if path in self._locations:
                self.asked["metadata"] += 1
                return _json(self._metadata())
        return _json({"error": "not_found"}, 404)

    @property
    def _locations(self) -> tuple[str, str]:
        """RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4."""
        return (
            f"/.well-known/oauth-authorization-server{self._path}",
            f"{self._path}/.well-known/openid-configuration",
        )

    async def _token(self, request: Request) -> bytes:
        try:
            form = request.form
        except ValueError as error:
            return _refusal(Refused(Code.INVALID_REQUEST, str(error)))
        self.asked[_kind(form)] += 1
        self.forms.append(form)
        self.arrived.set()
        await self.held.wait()
        if self.answer is not None:
            return await self.answer(request)
        try:
            return self._issue(form)
        except Refused as refused:
            return _refusal(refused)

    def _issue(self, form: Mapping[str, str]) -> bytes:
        now = self.clock()
        client = self.trust.client(form, now)
        asked = Asked(form, client, self.trust, self.targets, now)
        issue = granted(asked)
        token = self._made(issue)
        self.issued.append(token)
        reply = {
            "access_token": token,
            "token_type": issue.token_type,
            "expires_in": self.lifetime_seconds,
            "scope": issue.claims["scope"],
            **issue.reply,
            **self.reply,
        }
        return _json(_without_none(reply))

    def _made(self, issue: Issue) -> str:
        if self.opaque and issue.token_type == "Bearer":
            return uuid.uuid4().hex
        more = {"jti": uuid.uuid4().hex, **issue.claims, **self.claims}
        return self.sign({"typ": issue.typ, **self.header}, more)

    def _metadata(self) -> Parts:
        algorithms = ["ES256", "ES384", "PS256", "RS256", "EdDSA"]
        right = {
            "issuer": self.issuer,
            "token_endpoint": self.token_endpoint,
            "jwks_uri": self.jwks_uri,
            "response_types_supported": ["none"],
            "grant_types_supported": list(GRANTS),
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "spiffe_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "identity_chaining_requested_token_types_supported": [ID_JAG],
            "authorization_grant_profiles_supported": [
                "urn:ietf:params:oauth:grant-profile:id-jag"
            ],
        }
        return _without_none({**right, **self.metadata})


@contextlib.asynccontextmanager
async def authorization_server(
    authority: TlsAuthority, path: str = "", *, plain: bool = False, port: int = 0
) -> AsyncIterator[AuthorizationServer]:
    """An issuer on this machine, ``https://localhost:<port><path>``.

    Args:
        authority: Signs its certificate.
        path: Of its identifier, e.g. ``/realms/corp``.
        plain: Without TLS, at ``http://127.0.0.1``.
        port: Where to listen; 0: anywhere.
    """
    servers: list[AuthorizationServer] = []

    async def handle(request: Request) -> bytes:
        return await servers[0].handle(request)

    async with listening(handle, None if plain else authority.context(), port) as bound:
        origin = f"http://127.0.0.1:{bound}" if plain else f"https://localhost:{bound}"
        servers.append(AuthorizationServer(f"{origin}{path}"))
        yield servers[0]


def error(
    status: str, body: bytes = b"{}", **headers: str
) -> Callable[[Request], Awaitable[bytes]]:
    """What to set as ``answer`` for a server that is in trouble; ``_`` stands for ``-``."""

    async def answer(_: Request) -> bytes:
        return response(body, status, connection="keep-alive", **headers)

    return answer


def _kind(form: Mapping[str, str]) -> str:
    if form.get("requested_token_type") == ID_JAG:
        return "id-jag"
    return GRANTS.get(form.get("grant_type", ""), "other")


def _refusal(refused: Refused) -> bytes:
    body = {"error": refused.error, "error_description": refused.description}
    return _json(body, refused.status)


def _json(body: Mapping[str, Any], status: int = 200) -> bytes:
    content = json.dumps(body).encode()
    headers = {"connection": "keep-alive", "content_type": "application/json", **_NO_STORE}
    return response(content, _STATUSES[status], **headers)


def _without_none(parts: Mapping[str, Any]) -> Parts:
    return {name: one for name, one in parts.items() if one is not None}
