"""What an authorization server may answer a token endpoint's caller, the bad above all.

    server = TokenServer()
    good = server.reply()
    stolen = server.reply(server.access_token(aud="bank"))
    check.accept(good, expected(), NOW)

Every token and every answer is what it should be but for what the test changes.
"""

import json
from collections.abc import Mapping
from typing import Any

from governd.tokens import reply, words
from governd.tokens.acting import Acting, known_as
from governd.tokens.check import Expected
from governd.tokens.clients import Client
from governd.tokens.id_jag import ExpectedIdJag
from governd.tokens.reply import Reply
from tests.fakes.time import NOON
from tests.fakes.token_issuer import TokenIssuer

NOW = NOON.timestamp()
ISSUER = "https://login.example/realms/corp"
IDP = "https://idp.example"
RESOURCE = "https://crm.example/mcp"
AUDIENCE = "crm"
CLIENT = "governd"
USER = "7f3c"
AGENT = "spiffe://example.org/ns/web/sa/agent"
OTHER = "spiffe://example.org/ns/web/sa/other"
SCOPES = ("read", "write")
BY_AGENT = Acting(known_as(AGENT, ISSUER))


class TokenServer(TokenIssuer):
    """An authorization server that issues access tokens and ID-JAGs."""

    def access_token(self, header: Mapping[str, object] | None = None, /, **changes: Any) -> str:
        """An access token of a user, with the agent that acts."""
        header = header or self.header(typ="at+jwt")
        return self.token(header, **{**self.access_claims(), **changes})

    def access_claims(self) -> dict[str, Any]:
        """Its claims."""
        more = {"client_id": CLIENT, "jti": "token-1", "scope": "read", "act": {"sub": AGENT}}
        return {**self._common(), "iss": ISSUER, "aud": AUDIENCE, **more}

    def id_jag(self, header: Mapping[str, object] | None = None, /, **changes: Any) -> str:
        """An ID-JAG for the authorization server."""
        header = header or self.header(typ=words.ID_JAG_TYP)
        return self.token(header, **{**self.id_jag_claims(), **changes})

    def id_jag_claims(self) -> dict[str, Any]:
        """Its claims."""
        more = {"client_id": CLIENT, "jti": "jag-1", "scope": "read", "resource": RESOURCE}
        return {**self._common(), "iss": IDP, "aud": ISSUER, "act": {"sub": AGENT}, **more}

    def reply(self, token: str | None = None, **changes: Any) -> Reply:
        """An answer that gives an access token; ``changes`` are of its members."""
        return read(token or self.access_token(), changes)

    def id_jag_reply(self, token: str | None = None, **changes: Any) -> Reply:
        """An answer that gives an ID-JAG."""
        kinds = {"issued_token_type": words.ID_JAG, "token_type": "N_A"}
        return read(token or self.id_jag(), {**kinds, **changes})

    def _common(self) -> dict[str, Any]:
        return {"sub": USER, "iat": int(NOW), "exp": int(NOW) + 300}


def members(token: str, **changes: Any) -> dict[str, Any]:
    """The members of an answer; ``changes`` with ``None`` leave one out."""
    whole = {
        "access_token": token,
        "issued_token_type": words.ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def read(token: str, changes: Mapping[str, Any]) -> Reply:
    """An answer, as it is read."""
    return reply.read(json.dumps(members(token, **changes)).encode(), "application/json")


def expected(**changes: Any) -> Expected:
    """What an access token is held to."""
    whole: dict[str, Any] = {
        "issuer": ISSUER,
        "audiences": frozenset({AUDIENCE, RESOURCE}),
        "scopes": SCOPES,
        "subject": USER,
        "acting": BY_AGENT,
        "client": Client(CLIENT),
        "exchanged": True,
        "opaque": False,
        "min_lifetime": 30,
        "max_lifetime": 3600,
    }
    return Expected(**{**whole, **changes})


def expected_id_jag(**changes: Any) -> ExpectedIdJag:
    """What an ID-JAG is held to."""
    whole: dict[str, Any] = {
        "issuer": IDP,
        "audience": ISSUER,
        "client_id": CLIENT,
        "resource": RESOURCE,
        "scopes": SCOPES,
        "subject": USER,
        "acting": BY_AGENT,
    }
    return ExpectedIdJag(**{**whole, **changes})
