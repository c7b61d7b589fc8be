"""What the fake authorization server does wrong is wrong: governd's rules name each of it."""

from urllib.parse import urlencode

import pytest

from governd.errors import TokenRefusedError
from governd.tokens import check, reply
from governd.tokens.acting import Acting, Actor
from governd.tokens.check import Expected
from governd.tokens.clients import Client as IssuedTo
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_checks import ID_TOKEN, JWT, JWT_SPIFFE_CLIENT, URN, Client
from tests.fakes.authorization_server_faults import MISBEHAVIOURS, misbehave
from tests.fakes.authorization_server_http import Request
from tests.fakes.time import NOON
from tests.fakes.token_issuer import WEB, TokenIssuer

ISSUER, USER, OURS, UPSTREAM = "https://login.example", "alice", "governd", "crm"
GOVERND = "spiffe://example.org/governd"
NOW = NOON.timestamp()
EXPECTED = Expected(
    issuer=ISSUER,
    audiences=frozenset({UPSTREAM}),
    scopes=("read", "write"),
    subject=USER,
    acting=Acting(Actor(WEB, None)),
    client=IssuedTo(OURS),
    exchanged=True,
    opaque=False,
    min_lifetime=10.0,
    max_lifetime=3600.0,
)


async def handed(server: AuthorizationServer) -> check.AccessToken:
    """The token of an exchange in which the agent acts for the user, if it passes."""
    spiffe = TokenIssuer()
    server.clock = lambda: NOW
    server.trust.bundles["example.org"] = spiffe.key_set()
    server.trust.clients[OURS] = Client(OURS, spiffe_id=GOVERND)
    form = {
        "grant_type": f"{URN}grant-type:token-exchange",
        "audience": UPSTREAM,
        "scope": "read write",
        "subject_token": server.id_token(USER, OURS),
        "subject_token_type": ID_TOKEN,
        "actor_token": spiffe.token(None, sub=WEB, aud=[ISSUER]),
        "actor_token_type": JWT,
        "client_assertion_type": JWT_SPIFFE_CLIENT,
        "client_assertion": spiffe.token(None, sub=GOVERND, aud=[ISSUER]),
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    said = await server.handle(Request("POST", "/token", headers, urlencode(form).encode()))
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), body
    return check.accept(reply.read(body, "application/json"), EXPECTED, NOW)


async def test_what_it_does_right_passes() -> None:
    token = await handed(AuthorizationServer(ISSUER))
    assert (token.subject, token.scopes) == (USER, ("read", "write"))
    assert token.expires_at == NOW + 300


@pytest.mark.parametrize("what", MISBEHAVIOURS)
async def test_attack_an_answer_with(what: str) -> None:
    server = AuthorizationServer(ISSUER)
    misbehave(server, what)
    with pytest.raises(TokenRefusedError) as refused:
        await handed(server)
    assert refused.value.metadata["rule"] == MISBEHAVIOURS[what].rule
