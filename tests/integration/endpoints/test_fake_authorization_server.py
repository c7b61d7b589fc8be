"""The fake authorization server, through real sockets and TLS."""

import asyncio
import json
import ssl
import time
from pathlib import Path

import httpx2
import pytest

from tests.fakes.authorization_server import AuthorizationServer, authorization_server, error
from tests.fakes.authorization_server_checks import Client, verified
from tests.fakes.authorization_server_http import TlsAuthority
from tests.fakes.token_issuer import TokenIssuer

CLIENT = "governd"
CLIENT_KEY = TokenIssuer(key_id="client-1")
CREDENTIALS = "client_credentials"


@pytest.fixture
def authority(directory: Path) -> TlsAuthority:
    return TlsAuthority(directory)


def visitor(authority: TlsAuthority) -> httpx2.AsyncClient:
    trusted = ssl.create_default_context(cafile=authority.ca_file)
    return httpx2.AsyncClient(verify=trusted, trust_env=False)


def form(server: AuthorizationServer) -> dict[str, str]:
    """A request for a token of the client's own."""
    server.trust.clients[CLIENT] = Client(CLIENT, CLIENT_KEY.key_set())
    now, name = int(time.time()), {"iss": CLIENT, "sub": CLIENT, "aud": server.issuer}
    jti = str(len(server.forms))
    assertion = CLIENT_KEY.token(None, **{**name, "iat": now, "exp": now + 60, "jti": jti})
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    proof = {"client_assertion_type": kind, "client_assertion": assertion}
    return {"grant_type": CREDENTIALS, "resource": "https://crm.example/mcp", **proof}


@pytest.mark.parametrize("path", ["", "/realms/corp"])
async def test_metadata_leads_to_tokens_that_its_keys_verify(
    authority: TlsAuthority, path: str
) -> None:
    async with authorization_server(authority, path) as server, visitor(authority) as client:
        origin = server.issuer.removesuffix(path)
        found = await client.get(f"{origin}/.well-known/oauth-authorization-server{path}")
        assert found.json()["issuer"] == server.issuer
        again = await client.get(f"{server.issuer}/.well-known/openid-configuration")
        assert again.json() == found.json()
        answer = await client.post(found.json()["token_endpoint"], data=form(server))
        assert answer.status_code == 200, answer.text
        keys = await client.get(found.json()["jwks_uri"])
        claims = verified(answer.json()["access_token"], keys.content, time.time())
        assert (claims["iss"], claims["sub"]) == (server.issuer, CLIENT)
        assert server.asked == {"metadata": 2, "client-credentials": 1, "keys": 1}
        assert (await client.get(f"{server.issuer}/elsewhere")).status_code == 404


async def test_two_issuers_on_one_machine_share_an_authority(authority: TlsAuthority) -> None:
    async with (
        authorization_server(authority) as one,
        authorization_server(authority) as two,
        authorization_server(authority, plain=True) as plain,
        visitor(authority) as client,
    ):
        assert one.issuer != two.issuer
        for server in (one, two, plain):
            assert (await client.get(server.jwks_uri)).json() == json.loads(server.signer.key_set())


async def test_it_is_slow_or_in_trouble_as_it_is_told(authority: TlsAuthority) -> None:
    async with authorization_server(authority) as server, visitor(authority) as client:
        server.held.clear()
        asking = asyncio.create_task(client.post(server.token_endpoint, data=form(server)))
        await server.arrived.wait()
        assert not asking.done()
        server.held.set()
        assert (await asking).status_code == 200
        server.answer = error("429 Too Many Requests", retry_after="2")
        busy = await client.post(server.token_endpoint, data=form(server))
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
        assert server.asked == {"client-credentials": 2}


async def test_it_is_away_when_the_test_says_so(authority: TlsAuthority) -> None:
    async with visitor(authority) as client:
        async with authorization_server(authority) as server:
            port = int(server.issuer.rpartition(":")[2])
            assert (await client.get(server.jwks_uri)).status_code == 200
        with pytest.raises(httpx2.ConnectError):
            await client.get(server.jwks_uri)
        async with authorization_server(authority, port=port) as back:
            assert back.issuer == server.issuer
            assert (await client.get(back.jwks_uri)).json() != json.loads(server.signer.key_set())
