"""The fake authorization server is right: as the RFCs say, and as ID-JAG's examples show."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_checks import (
    ACCESS_TOKEN,
    ID_JAG,
    ID_TOKEN,
    JWT,
    JWT_BEARER_CLIENT,
    JWT_SPIFFE_CLIENT,
    URN,
    Client,
    peek,
)
from tests.fakes.authorization_server_http import Request
from tests.fakes.time import NOON
from tests.fakes.token_issuer import WEB, TokenIssuer

IDP, CHAT, API = (
    "https://acme.idp.example/",
    "https://acme.chat.example/",
    "https://api.chat.example/",
)
AT_IDP, AT_CHAT = "governd-at-acme", "f53f191f9311af35"
USER = "U019488227"
SCOPE = "chat.read chat.history"
GOVERND = "spiffe://example.org/governd"
EXCHANGE, JWT_BEARER = f"{URN}grant-type:token-exchange", f"{URN}grant-type:jwt-bearer"
CREDENTIALS = "client_credentials"
NOW = NOON.timestamp()

# draft-ietf-oauth-identity-assertion-authz-grant, section "Token Exchange": the request without
# what proves its client, the answer, and what the token in it says.
LEG_1 = {
    "grant_type": EXCHANGE,
    "requested_token_type": ID_JAG,
    "audience": CHAT,
    "resource": API,
    "scope": SCOPE,
    "subject_token_type": ID_TOKEN,
}
ANSWER_1 = {"issued_token_type": ID_JAG, "token_type": "N_A", "scope": SCOPE, "expires_in": 300}
CLAIMS = {
    "iss": IDP,
    "sub": USER,
    "aud": CHAT,
    "client_id": AT_CHAT,
    "resource": API,
    "scope": SCOPE,
    "auth_time": 1311280970,
    "amr": ["mfa", "phrh", "hwk", "user"],
}
# Section "Access Token Request".
ANSWER_2 = {"token_type": "Bearer", "expires_in": 86400, "scope": SCOPE}


class World:
    """An identity provider, an authorization server that trusts it, and a client of both."""

    def __init__(self) -> None:
        self.key, self.spiffe = TokenIssuer(key_id="client-1"), TokenIssuer(key_id="spiffe-1")
        self.idp, self.chat = (self._server(issuer) for issuer in (IDP, CHAT))
        self.chat.trust.issuers[IDP] = self.idp.signer.key_set()
        self.chat.lifetime_seconds = 86400
        scopes, keys = frozenset(SCOPE.split()), self.key.key_set()
        at_idp = Client(AT_IDP, keys, GOVERND, scopes, known_as={CHAT: AT_CHAT})
        self.idp.trust.clients[AT_IDP] = at_idp
        self.chat.trust.clients[AT_CHAT] = Client(AT_CHAT, keys, scopes=scopes)
        login = {"auth_time": 1311280970, "amr": ["mfa", "phrh", "hwk", "user"]}
        self.id_token = self.idp.id_token(USER, AT_IDP, **login)

    def _server(self, issuer: str) -> AuthorizationServer:
        server = AuthorizationServer(issuer)
        server.clock = lambda: NOW
        authority = {"use": "x509-svid", "kty": "EC", "x5c": []}
        server.trust.bundles["example.org"] = self.spiffe.key_set(authority, use="jwt-svid")
        return server

    def proof(self, server: AuthorizationServer, **changes: object) -> dict[str, str]:
        """What authenticates the client by private_key_jwt, unless ``changes`` spoil it."""
        name = AT_IDP if server is self.idp else AT_CHAT
        right = {"iss": name, "sub": name, "aud": server.issuer, "jti": f"{len(server.forms)}"}
        assertion = self.key.token(None, **{**right, **changes})
        return {"client_assertion_type": JWT_BEARER_CLIENT, "client_assertion": assertion}

    def svid(self, sub: str = WEB, **changes: object) -> str:
        """A JWT-SVID for the identity provider alone, unless ``changes`` say otherwise."""
        return self.spiffe.token(None, **{"sub": sub, "aud": [IDP], **changes})

    async def id_jag(self) -> str:
        """One for the authorization server."""
        form = {**LEG_1, "subject_token": self.id_token, **self.proof(self.idp)}
        return str((await granted(self.idp, form))["access_token"])

    def exchange(self, subject: str = "", **more: str) -> dict[str, str]:
        """A token exchange for the API at the identity provider."""
        form = {
            "grant_type": EXCHANGE,
            "subject_token": subject or self.id_token,
            "subject_token_type": ID_TOKEN,
            "audience": "api",
        }
        return {**form, **self.proof(self.idp), **more}


@pytest.fixture
def world() -> World:
    return World()


async def ask(server: AuthorizationServer, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer, which nobody may keep (RFC 6749, section 5.1)."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    path = server.token_endpoint.removeprefix(server.issuer.rstrip("/"))
    said = await server.handle(Request("POST", path, headers, urlencode(form).encode()))
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"\r\ncache-control: no-store\r\n" in head + b"\r\n"
    assert b"\r\ncontent-type: application/json\r\n" in head + b"\r\n"
    return int(head.split(b" ")[1]), json.loads(body)


async def granted(server: AuthorizationServer, form: Mapping[str, str]) -> dict[str, Any]:
    status, body = await ask(server, form)
    assert status == 200, body
    return body


async def refused(server: AuthorizationServer, form: Mapping[str, str]) -> tuple[int, str]:
    status, body = await ask(server, form)
    assert status != 200, body
    assert "access_token" not in body
    return status, body["error"]


def said(token: str, *names: str) -> dict[str, Any]:
    """Some claims of a token."""
    claims = peek(token)[1]
    return {name: claims.get(name) for name in names}


async def test_the_first_leg_answers_as_id_jags_example(world: World) -> None:
    form = {**LEG_1, "subject_token": world.id_token, **world.proof(world.idp)}
    answer = await granted(world.idp, form)
    header, claims = peek(answer.pop("access_token"))
    assert answer == ANSWER_1
    assert header["typ"] == "oauth-id-jag+jwt"
    assert claims.pop("exp") - claims.pop("iat") == 300
    assert claims.pop("jti")
    assert claims == CLAIMS


async def test_the_second_leg_answers_as_id_jags_example(world: World) -> None:
    form = {"grant_type": JWT_BEARER, "assertion": await world.id_jag()}
    answer = await granted(world.chat, {**form, **world.proof(world.chat)})
    token = answer.pop("access_token")
    assert answer == ANSWER_2
    assert said(token, "iss", "sub", "aud") == {"iss": CHAT, "sub": USER, "aud": API}
    again = await granted(world.chat, {**form, **world.proof(world.chat)})
    assert again["access_token"] != token  # an ID-JAG may be shown until it ends


async def test_the_first_leg_refuses_as_id_jags_example(world: World) -> None:
    stolen = world.idp.id_token(USER, "chat")
    form = {**LEG_1, "subject_token": stolen, **world.proof(world.idp)}
    assert await refused(world.idp, form) == (400, "invalid_grant")
    access = world.idp.access_token(USER, AT_IDP)
    form = {**LEG_1, "subject_token": access, **world.proof(world.idp)}
    assert await refused(world.idp, form) == (400, "invalid_grant")
    form |= {"subject_token_type": ACCESS_TOKEN, **world.proof(world.idp)}
    assert await refused(world.idp, form) == (400, "invalid_request")


BAD_GRANTS: Mapping[str, Mapping[str, object]] = {
    "for another server": {"aud": "https://other.example/"},
    "for two servers": {"aud": [CHAT, "https://other.example/"]},
    "of another client": {"client_id": AT_IDP},
    "without an id": {"jti": None},
    "that has ended": {"exp": int(NOW)},
    "without an end": {"exp": None},
    "about nobody": {"sub": None},
}


@pytest.mark.parametrize("what", BAD_GRANTS)
async def test_the_second_leg_refuses_an_id_jag(world: World, what: str) -> None:
    world.idp.claims.update(BAD_GRANTS[what])
    form = {"grant_type": JWT_BEARER, "assertion": await world.id_jag(), **world.proof(world.chat)}
    assert await refused(world.chat, form) == (400, "invalid_grant")


async def test_no_server_takes_a_grant_of_its_own_or_a_strangers(world: World) -> None:
    own = world.chat.sign({"typ": "oauth-id-jag+jwt"}, {**CLAIMS, "iss": CHAT, "jti": "1"})
    form = {"grant_type": JWT_BEARER, "assertion": own}
    assert (await refused(world.chat, {**form, **world.proof(world.chat)}))[1] == "invalid_grant"
    form["assertion"] = AuthorizationServer("https://other.example").sign({}, CLAIMS)
    assert (await refused(world.chat, {**form, **world.proof(world.chat)}))[1] == "invalid_grant"


async def test_a_plain_assertion_counts_once_and_brings_its_actor(world: World) -> None:
    claims = {"iss": IDP, "sub": USER, "aud": CHAT, "jti": "1", "act": {"sub": WEB}}
    form = {"grant_type": JWT_BEARER, "assertion": world.idp.sign({}, claims), "resource": API}
    answer = await granted(world.chat, {**form, **world.proof(world.chat)})
    assert said(answer["access_token"], "sub", "act") == {"sub": USER, "act": {"sub": WEB}}
    assert await refused(world.chat, {**form, **world.proof(world.chat)}) == (400, "invalid_grant")


async def test_an_exchange_names_who_acts_and_who_acted_before(world: World) -> None:
    answer = await granted(world.idp, world.exchange())
    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert said(answer["access_token"], "sub", "aud", "act") == {
        "sub": USER,
        "aud": "api",
        "act": None,
    }
    actor = {"actor_token": world.svid(), "actor_token_type": JWT}
    answer = await granted(world.idp, world.exchange(**actor))
    assert said(answer["access_token"], "sub", "act") == {"sub": USER, "act": {"sub": WEB}}
    before = world.idp.access_token(USER, AT_IDP, act={"sub": "shop"})
    more = {**actor, "subject_token_type": ACCESS_TOKEN}
    answer = await granted(world.idp, world.exchange(before, **more))
    assert said(answer["access_token"], "act") == {"act": {"sub": WEB, "act": {"sub": "shop"}}}


async def test_a_client_is_the_actor_by_its_own_access_token(world: World) -> None:
    form = {"grant_type": CREDENTIALS, **world.proof(world.idp)}
    own = str((await granted(world.idp, form))["access_token"])
    actor = {"actor_token": own, "actor_token_type": ACCESS_TOKEN}
    answer = await granted(world.idp, world.exchange(**actor))
    assert said(answer["access_token"], "act") == {"act": {"sub": AT_IDP}}
    actor["actor_token"] = world.idp.access_token(USER, IDP)
    assert await refused(world.idp, world.exchange(**actor)) == (400, "invalid_request")


async def test_an_exchange_refuses_parties_that_prove_nothing(world: World) -> None:
    svids = (world.svid(aud=[IDP, CHAT]), world.svid(aud=[CHAT]), TokenIssuer().token(aud=[IDP]))
    for actor in (*svids, world.id_token):
        form = world.exchange(actor_token=actor, actor_token_type=JWT)
        assert await refused(world.idp, form) == (400, "invalid_request")
    for half in ({"actor_token": world.svid()}, {"actor_token_type": JWT}):
        assert await refused(world.idp, world.exchange(**half)) == (400, "invalid_request")
    chosen = world.idp.id_token(USER, AT_IDP, may_act={"sub": GOVERND})
    form = world.exchange(chosen, actor_token=world.svid(), actor_token_type=JWT)
    assert await refused(world.idp, form) == (400, "invalid_request")
    form["actor_token"], more = world.svid(GOVERND), world.proof(world.idp)
    assert await granted(world.idp, {**form, **more})


async def test_a_workload_exchanges_its_own_svid(world: World) -> None:
    form = world.exchange(world.svid(), subject_token_type=JWT)
    assert said((await granted(world.idp, form))["access_token"], "sub") == {"sub": WEB}


BAD_PROOFS: Mapping[str, Mapping[str, object]] = {
    "for another server": {"aud": CHAT},
    "for the token endpoint": {"aud": f"{IDP}token"},
    "for two servers": {"aud": [IDP, CHAT]},
    "of another issuer": {"iss": AT_CHAT},
    "of a client that nobody knows": {"iss": "nobody", "sub": "nobody"},
    "that has ended": {"exp": int(NOW)},
    "that lives for long": {"exp": int(NOW) + 3600},
    "without an id": {"jti": None},
}


@pytest.mark.parametrize("what", BAD_PROOFS)
async def test_a_client_is_refused_that_shows_an_assertion(world: World, what: str) -> None:
    form = {**world.exchange(), **world.proof(world.idp, **BAD_PROOFS[what])}
    assert await refused(world.idp, form) == (401, "invalid_client")
    assert world.idp.asked == {"token-exchange": 1}


async def test_a_client_is_refused_that_shows_nothing_or_the_same_again(world: World) -> None:
    form = world.exchange()
    await granted(world.idp, form)
    assert await refused(world.idp, form) == (401, "invalid_client")
    secret = {"client_id": AT_IDP, "client_secret": "guessed"}
    assert await refused(world.idp, {**LEG_1, **secret}) == (401, "invalid_client")
    assert await refused(world.idp, world.exchange(client_id=AT_CHAT)) == (401, "invalid_client")


async def test_a_workload_is_the_client_by_its_svid(world: World) -> None:
    proof = {"client_assertion_type": JWT_SPIFFE_CLIENT, "client_assertion": world.svid(GOVERND)}
    for _ in range(2):  # SPIRE keeps JWT-SVIDs: it is shown again
        answer = await granted(world.idp, world.exchange(**proof))
        assert said(answer["access_token"], "client_id") == {"client_id": AT_IDP}
    for svid in (world.svid(WEB), world.svid(GOVERND, aud=[IDP, CHAT])):
        form = world.exchange(**{**proof, "client_assertion": svid})
        assert await refused(world.idp, form) == (401, "invalid_client")


async def test_scopes_and_targets_are_no_more_than_the_clients(world: World) -> None:
    answer = await granted(world.idp, world.exchange(scope="chat.read admin"))
    assert answer["scope"] == "chat.read"
    assert said(answer["access_token"], "scope") == {"scope": "chat.read"}
    assert (await refused(world.idp, world.exchange(scope="admin")))[1] == "invalid_scope"
    world.idp.targets = {API}
    assert (await refused(world.idp, world.exchange()))[1] == "invalid_target"
    assert (await refused(world.idp, world.exchange(grant_type="password")))[1] == (
        "unsupported_grant_type"
    )


async def test_it_misbehaves_only_as_it_is_told(world: World) -> None:
    world.idp.header["typ"] = "JWT"
    world.idp.claims.update(aud="shop", exp=None)
    world.idp.reply.update(token_type="DPoP", refresh_token="r", scope=None)
    answer = await granted(world.idp, world.exchange())
    header, claims = peek(answer["access_token"])
    assert (header["typ"], claims["aud"], claims["sub"]) == ("JWT", "shop", USER)
    assert "exp" not in claims
    assert (answer["token_type"], answer["refresh_token"]) == ("DPoP", "r")
    assert "scope" not in answer
    assert world.idp.issued == [answer["access_token"]]
