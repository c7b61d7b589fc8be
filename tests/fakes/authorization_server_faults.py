"""What a hostile or broken authorization server does, and the rule by which that is refused.

    @pytest.mark.parametrize("what", MISBEHAVIOURS)
    async def test_attack(corp: AuthorizationServer, what: str) -> None:
        misbehave(corp, what)
        assert await refused_with() == MISBEHAVIOURS[what].rule

For an exchange of a user's token for one that names the agent, with ``max_lifetime_seconds``
above and ``min_lifetime_seconds`` at least 10.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_http import Request
from tests.fakes.https_issuer import response

_FOREVER = 4_102_444_800  # 2100
_LONG_AGO = 946_684_800  # 2000
_STRANGER = "spiffe://example.org/agent/stranger"


class Misbehaviour(NamedTuple):
    """What is wrong with an answer; ``None`` is for what is missing.

    Attributes:
        rule: ``metadata["rule"]`` of TOKEN_REFUSED.
        claims: Of the token.
        header: Of the token.
        reply: Of the answer.
    """

    rule: str
    claims: Mapping[str, Any] = {}
    header: Mapping[str, Any] = {}
    reply: Mapping[str, Any] = {}


MISBEHAVIOURS: Mapping[str, Misbehaviour] = {
    "another issuer": Misbehaviour("issuer", {"iss": "https://login.evil.example"}),
    "no issuer": Misbehaviour("issuer", {"iss": None}),
    "another audience": Misbehaviour("audience", {"aud": "https://shop.example/mcp"}),
    "one audience too many": Misbehaviour("audience", {"aud": ["crm", "https://shop.example"]}),
    "no audience": Misbehaviour("audience", {"aud": None}),
    "an empty audience": Misbehaviour("audience", {"aud": []}),
    "another user": Misbehaviour("subject", {"sub": "mallory"}),
    "no user": Misbehaviour("subject", {"sub": None}),
    "no actor": Misbehaviour("act_missing", {"act": None}),
    "another actor": Misbehaviour("act", {"act": {"sub": _STRANGER}}),
    "an actor that is a text": Misbehaviour("act", {"act": _STRANGER}),
    "another client": Misbehaviour("client", {"client_id": "chat"}),
    "two clients": Misbehaviour("client", {"azp": "chat"}),
    "a wider scope": Misbehaviour("scope_widened", {"scope": "read write admin"}),
    "a wider scope in the answer": Misbehaviour("scope_widened", reply={"scope": "read admin"}),
    "no end": Misbehaviour("expiry", {"exp": None}),
    "an end in the past": Misbehaviour("expiry", {"exp": _LONG_AGO}),
    "a beginning in the future": Misbehaviour("expiry", {"nbf": _FOREVER}),
    "an end that is near": Misbehaviour("lifetime", reply={"expires_in": 1}),
    "an ID token": Misbehaviour("type", {"nonce": "n"}, {"typ": "JWT"}),
    "a token that says it is an ID token": Misbehaviour("type", {"typ": "ID"}, {"typ": "JWT"}),
    "an ID-JAG": Misbehaviour("type", header={"typ": "oauth-id-jag+jwt"}),
    "a JWT-SVID": Misbehaviour("type", header={"typ": "JOSE"}),
    "a token bound to a key": Misbehaviour("bound", {"cnf": {"jkt": "0" * 43}}),
    "a DPoP token": Misbehaviour("bound", reply={"token_type": "DPoP"}),
    "no access token": Misbehaviour("token_type", reply={"token_type": "N_A"}),
    "an ID token as it says": Misbehaviour(
        "token_type",
        reply={"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    ),
    "no word of what it is": Misbehaviour("token_type", reply={"issued_token_type": None}),
    "no token": Misbehaviour("malformed", reply={"access_token": None}),
    "a token that is no text": Misbehaviour("malformed", reply={"access_token": ["a"]}),
    "a token that splits the header": Misbehaviour("malformed", reply={"access_token": "a\r\nb"}),
    "a huge token": Misbehaviour("too_large", reply={"access_token": "a" * 40_000}),
    "a huge answer": Misbehaviour("too_large", reply={"more": "a" * 200_000}),
}
"""By what is in the answer."""


def misbehave(server: AuthorizationServer, what: str) -> None:
    """Has a server answer so from now on."""
    wrong = MISBEHAVIOURS[what]
    server.claims.update(wrong.claims)
    server.header.update(wrong.header)
    server.reply.update(wrong.reply)


async def echo(request: Request) -> bytes:
    """What to set as ``answer`` for a server that sends back what it was sent, in its head."""
    form = request.form
    secrets = " ".join(one for name, one in form.items() if name.endswith(("_token", "assertion")))
    said = f'Bearer error="invalid_token", error_description="{secrets}"'
    return response(
        b"{}",
        f"401 {secrets}",
        content_type="application/json",
        connection="keep-alive",
        www_authenticate=said,
        set_cookie=f"session={secrets}",
    )
