"""A token endpoint over real sockets: whatever the server does, what is sent goes nowhere else."""

import asyncio
import ipaddress
import json
import time
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import httpx2
import pytest

from governd.adapters.guarded_http import Reach
from governd.adapters.token_endpoint import HttpsTokenEndpoint
from governd.application.issuer_calls import CallLimits, IssuerCalls
from governd.application.issuer_pauses import IssuerPauses
from governd.application.issuer_ports import CallOutcome
from governd.application.server_metadata import MetadataKeeper
from governd.errors import GoverndError, IssuerUnavailableError, TokenRefusedError
from governd.identity.secret import Secret
from governd.policy.authorization_servers import AuthorizationServer
from governd.tokens import form, metadata, reply, words
from governd.tokens.form import ClientProof, Target
from tests.fakes.https_issuer import HttpsIssuer, response, serving

pytestmark = [pytest.mark.req("sec-2", part=True), pytest.mark.req("avail-3", part=True)]

LOCAL = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
PATIENCE_SECONDS, NO_TIME_SECONDS = 30.0, 0.3
RETRIES, FAILURES = 2, 5
SENT = "eyJ.svid.of-governd"
PROOF = ClientProof("governd", words.ASSERTED_BY_SPIFFE, Secret(SENT.encode()))
ASKED = form.client_credentials(Target("https://crm.example/?a=b&c", None, ("read", "w")), PROOF)
PLACE = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
JSON = "application/json"


def answer(body: object, status: str = "200 OK", **headers: str) -> bytes:
    return response(json.dumps(body).encode(), status, content_type=JSON, **headers)


TOKEN = answer({"access_token": "token-1", "token_type": "Bearer"})


class Asking:
    """A governd that asks a server for tokens, as often as it may, without waiting between."""

    def __init__(
        self, issuer: HttpsIssuer, reach: Reach | None = None, seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.issuer = issuer
        self.told: list[str] = []
        endpoint = HttpsTokenEndpoint(reach or Reach(LOCAL, issuer.ca_file), wall_clock=time.time)
        self.metadata = MetadataKeeper(
            endpoint, self, servers=list, seconds=PATIENCE_SECONDS, clock=time.monotonic
        )
        self.calls = IssuerCalls(
            endpoint,
            self.metadata,
            IssuerPauses(FAILURES, PATIENCE_SECONDS, self, time.monotonic),
            self,
            CallLimits(seconds, RETRIES),
            clock=time.monotonic,
            sleep=lambda _: asyncio.sleep(0),
            spread=lambda: 0.0,
        )

    def described(self, name: str) -> None:
        self.told.append("described")

    def not_described(self, name: str, error: str) -> None:
        self.told.append(error)

    def asked(self, name: str, outcome: CallOutcome, seconds: float) -> None:
        self.told.append(outcome.value)

    def paused(self, name: str) -> None:
        self.told.append("paused")

    def resumed(self, name: str) -> None:
        self.told.append("resumed")

    def server(self, **changes: object) -> AuthorizationServer:
        whole = {
            "name": "corp",
            "issuer": self.issuer.base,
            "client_authentication": "jwt-spiffe",
            "token_endpoint": f"{self.issuer.base}/token",
        }
        return AuthorizationServer.model_validate({**whole, **changes})

    async def ask(self, **changes: object) -> bytes:
        return (await self.calls.ask(self.server(**changes), ASKED)).token.reveal()

    async def refused(self, **changes: object) -> str:
        """The rule; nothing of what was sent or answered is anywhere in the error."""
        with pytest.raises(TokenRefusedError) as raised:
            await self.ask(**changes)
        _shows_nothing(raised.value)
        return raised.value.metadata["rule"]

    async def away(self, **changes: object) -> str:
        with pytest.raises(IssuerUnavailableError) as raised:
            await self.ask(**changes)
        _shows_nothing(raised.value)
        assert raised.value.retry_after
        return str(raised.value)


def _shows_nothing(error: GoverndError) -> None:
    """Neither it nor what it came of shows what was sent, or has it."""
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert SENT not in shown
    assert "token-1" not in shown
    came_of: BaseException | None = error
    while came_of is not None:
        assert not isinstance(came_of, httpx2.HTTPError), "it has the request"
        came_of = came_of.__cause__ or came_of.__context__


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[HttpsIssuer]:
    async with serving(tmp_path) as made:
        made.answers["/token"] = [TOKEN]
        yield made


@pytest.fixture
async def asking(issuer: HttpsIssuer) -> Asking:
    return Asking(issuer)


async def test_a_form_is_posted_as_it_is_and_nothing_with_it(asking: Asking) -> None:
    assert await asking.ask() == b"token-1"
    head = asking.issuer.requests[0].decode().lower()
    assert head.startswith("post /token http/1.1\r\n")
    assert "content-type: application/x-www-form-urlencoded\r\n" in head
    assert f"accept: {JSON}\r\n" in head
    for absent in ("authorization", "cookie", "referer"):
        assert absent not in head
    assert parse_qs(asking.issuer.bodies[0].decode(), strict_parsing=True) == {
        "grant_type": ["client_credentials"],
        "resource": ["https://crm.example/?a=b&c"],
        "scope": ["read w"],
        "client_id": ["governd"],
        "client_assertion_type": [words.ASSERTED_BY_SPIFFE],
        "client_assertion": [SENT],
    }


async def test_where_to_post_is_what_the_server_says_itself(asking: Asking) -> None:
    base = asking.issuer.base
    said = answer({"issuer": base, "token_endpoint": f"{base}/token"})
    asking.issuer.answers[PLACE] = [said]
    assert await asking.ask(token_endpoint=None) == b"token-1"
    assert asking.told == ["described", "answered"]


ONCE_MORE = {
    "answers 500": answer({}, "500 Internal Server Error"),
    "answers 429 at once": answer({}, "429 Too Many Requests", retry_after="0"),
    "hangs up": b"",
    "hangs up in the middle": response(b"{", content_length="100", content_type=JSON),
    "speaks something else": b"220 mail.example ESMTP\r\n",
}


@pytest.mark.parametrize("said", ONCE_MORE)
async def test_a_server_that_fails_once_is_asked_again(asking: Asking, said: str) -> None:
    asking.issuer.answers["/token"] = [ONCE_MORE[said], TOKEN]
    assert await asking.ask() == b"token-1"
    assert asking.issuer.connections == 2


@pytest.mark.parametrize("said", ONCE_MORE)
async def test_a_server_that_keeps_failing_is_unavailable_and_then_left_alone(
    asking: Asking, said: str
) -> None:
    asking.issuer.answers["/token"] = [ONCE_MORE[said]]
    for _ in range(2):
        await asking.away()
    connections = asking.issuer.connections
    if "429" not in said:
        assert connections == FAILURES
        assert "too often" in await asking.away()
        assert asking.issuer.connections == connections


async def test_a_server_says_when_it_wants_to_be_asked_again(asking: Asking) -> None:
    asking.issuer.answers["/token"] = [answer({}, "429 Too Many Requests", retry_after="120")]
    with pytest.raises(IssuerUnavailableError) as raised:
        await asking.ask()
    assert raised.value.retry_after == 120
    assert "later" in await asking.away()
    assert asking.issuer.connections == 1


REFUSED = {
    "refused": answer({"error": "invalid_grant", "error_description": "token-1"}, "400 Bad"),
    "redirected": response(b"", "307 Temporary Redirect", location="https://127.0.0.2:1/token"),
    "too_large": response(b" " * (reply.MAX_BYTES + 1), content_type=JSON),
    "malformed": response(b'{"access_token": "token-1", "access_token": "x"}', content_type=JSON),
}


@pytest.mark.parametrize("rule", REFUSED)
async def test_attack_an_answer_that_is_no_token(asking: Asking, rule: str) -> None:
    asking.issuer.answers["/token"] = [REFUSED[rule]]
    assert await asking.refused() == rule
    assert asking.issuer.connections == 1


async def test_attack_an_answer_without_end(asking: Asking) -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    asking.issuer.answer = flood
    assert await asking.refused() == "too_large"


async def test_an_encoded_answer_is_none(asking: Asking) -> None:
    asking.issuer.answers["/token"] = [response(b"{}", content_encoding="gzip", content_type=JSON)]
    assert await asking.refused() == "malformed"


async def test_a_server_that_is_slow_is_away(issuer: HttpsIssuer) -> None:
    waiting = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await waiting.wait()

    issuer.answer = wait
    assert "does not answer within" in await Asking(issuer, seconds=NO_TIME_SECONDS).away()
    waiting.set()


async def test_nobody_waits_longer_for_metadata_than_for_a_token(issuer: HttpsIssuer) -> None:
    waiting = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await waiting.wait()

    issuer.answer = wait
    asking = Asking(issuer, seconds=NO_TIME_SECONDS)
    assert "no time is left" in await asking.away(token_endpoint=None)
    assert asking.told == [], "the attempt goes on, for who comes next"
    waiting.set()
    await asking.metadata.close()


async def test_attack_a_certificate_of_another_name(tmp_path: Path) -> None:
    async with serving(tmp_path, name="login.example") as other:
        assert "Hostname mismatch" in await Asking(other).away()
        assert (other.requests, other.bodies) == ([], [])
        assert other.connections <= 1, "once more would not help"


async def test_attack_a_certificate_of_an_authority_that_is_not_trusted(
    issuer: HttpsIssuer,
) -> None:
    assert "unable to get local issuer" in await Asking(issuer, Reach(LOCAL)).away()
    assert (issuer.requests, issuer.bodies) == ([], [])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_attack_an_address_that_only_governd_can_reach(
    issuer: HttpsIssuer, host: str
) -> None:
    asking = Asking(issuer, Reach((), issuer.ca_file))
    base = f"https://{host}:{issuer.port}"
    assert "not public" in await asking.away(token_endpoint=f"{base}/token")
    await asking.away(issuer=base, token_endpoint=None)
    assert asking.told[-1].endswith("in none of issuers.networks")
    assert issuer.connections == 0


async def test_attack_cloud_metadata(issuer: HttpsIssuer) -> None:
    asking = Asking(issuer)
    assert "not public" in await asking.away(token_endpoint="https://169.254.169.254/latest")


async def test_without_tls_only_where_that_is_allowed(tmp_path: Path) -> None:
    async with serving(tmp_path, plain=True) as plain:
        plain.answers["/token"] = [TOKEN]
        base = plain.base.replace("https", "http")
        assert "http is not allowed" in await Asking(plain).away(token_endpoint=f"{base}/token")
        assert plain.connections == 0
        unsafe = Asking(plain, Reach(LOCAL, unsafe_http=True))
        assert await unsafe.ask(token_endpoint=f"{base}/token") == b"token-1"


async def test_a_server_that_is_not_there_is_asked_again_and_then_away(
    issuer: HttpsIssuer, tmp_path: Path
) -> None:
    async with serving(tmp_path) as gone:
        pass
    asking = Asking(gone)
    assert "ConnectError" in await asking.away()
    assert asking.told == ["away"] * (RETRIES + 1)


METADATA = {
    "of another issuer": {"issuer": "https://evil.example", "token_endpoint": "https://e.example/"},
    "with an endpoint elsewhere": {"token_endpoint": "https://evil.example/token"},
    "without an endpoint": {},
    "too large": {"token_endpoint": "x" * metadata.MAX_BYTES},
}


@pytest.mark.parametrize("said", METADATA)
async def test_attack_metadata_that_leads_elsewhere(asking: Asking, said: str) -> None:
    asking.issuer.document = b"[]"
    document = {"issuer": asking.issuer.base, **METADATA[said]}
    asking.issuer.answers[PLACE] = [answer(document)]
    assert await asking.refused(token_endpoint=None) == "metadata"
    assert asking.issuer.bodies == []


async def test_attack_metadata_that_is_redirected(asking: Asking) -> None:
    elsewhere = response(b"", "302 Found", location="https://127.0.0.2:1/")
    asking.issuer.answers = {place: [elsewhere] for place in (PLACE, OPENID)}
    assert await asking.refused(token_endpoint=None) == "metadata"
    assert asking.issuer.bodies == []
