"""Keys come from where they may, over TLS, whatever the server does; over real sockets."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from governd.adapters.guarded_http import Reach
from governd.adapters.issuer_keys import IssuerKeyClient
from governd.application.issuer_keys import IssuerKeyKeeper
from governd.application.issuer_ports import IssuerAwayError
from governd.application.renewing import Times
from governd.delegation.evidence_faults import EvidenceUnavailableError
from governd.delegation.issuer_key_set import MAX_DOCUMENT_BYTES
from tests.fakes.https_issuer import HttpsIssuer, response, serving
from tests.fakes.time import FakeTime
from tests.fakes.user_issuer import UserIssuer

pytestmark = pytest.mark.req("gi-3", part=True)

LOCAL = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
PATIENCE_SECONDS = 30.0
NO_TIME_SECONDS = 0.3
DOCUMENT = UserIssuer(key_id="one").key_set()


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[HttpsIssuer]:
    async with serving(tmp_path) as made:
        made.document = DOCUMENT
        yield made


def client(issuer: HttpsIssuer, seconds: float = PATIENCE_SECONDS) -> IssuerKeyClient:
    return IssuerKeyClient(Reach(LOCAL, issuer.ca_file, seconds))


async def refused(asked: IssuerKeyClient, uri: str) -> str:
    with pytest.raises(IssuerAwayError) as raised:
        await asked.fetch(uri)
    assert raised.value.__cause__ is None
    return str(raised.value)


async def test_a_document_comes_over_tls_under_the_name_of_its_address(issuer: HttpsIssuer) -> None:
    assert await client(issuer).fetch(issuer.uri) == DOCUMENT
    (request,) = issuer.requests
    head = request.decode().lower()
    assert head.startswith("get /keys http/1.1\r\n")
    assert f"host: localhost:{issuer.port}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    for absent in ("authorization", "cookie", "referer"):
        assert absent not in head


async def test_attack_an_address_that_only_governd_can_reach(issuer: HttpsIssuer) -> None:
    asked = IssuerKeyClient(Reach((), issuer.ca_file, PATIENCE_SECONDS))
    for host in ("localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1"):
        assert "not public" in await refused(asked, f"https://{host}:{issuer.port}/keys")
    assert "not public" in await refused(asked, "https://169.254.169.254/latest/meta-data")
    assert issuer.connections == 0


async def test_attack_a_certificate_of_another_name(tmp_path: Path) -> None:
    async with serving(tmp_path, name="idp.example") as other:
        assert "ConnectError: Hostname mismatch" in await refused(client(other), other.uri)
        assert other.requests == []


async def test_a_certificate_may_be_that_of_an_address(tmp_path: Path) -> None:
    async with serving(tmp_path, name="127.0.0.1") as other:
        other.document = DOCUMENT
        assert await client(other).fetch(f"https://127.0.0.1:{other.port}/") == DOCUMENT


async def test_attack_a_certificate_of_an_authority_that_is_not_trusted(
    issuer: HttpsIssuer,
) -> None:
    asked = IssuerKeyClient(Reach(LOCAL, None, PATIENCE_SECONDS))
    assert "unable to get local issuer" in await refused(asked, issuer.uri)
    assert issuer.requests == []


async def test_authorities_that_cannot_be_read_are_no_reason_to_trust_any(
    issuer: HttpsIssuer, tmp_path: Path
) -> None:
    for name, content in (("gone.pem", None), ("bad.pem", b"x")):
        if content:
            (tmp_path / name).write_bytes(content)
        asked = IssuerKeyClient(Reach(LOCAL, tmp_path / name, PATIENCE_SECONDS))
        assert "cannot be asked" in await refused(asked, issuer.uri)
    assert issuer.connections == 0


async def test_authorities_that_are_replaced_count_at_once(
    issuer: HttpsIssuer, tmp_path: Path
) -> None:
    right, beside = issuer.ca_file.read_bytes(), tmp_path / "beside"
    beside.mkdir()
    async with serving(beside) as other:
        asked = IssuerKeyClient(Reach(LOCAL, issuer.ca_file, PATIENCE_SECONDS))
        assert await asked.fetch(issuer.uri) == DOCUMENT
        issuer.ca_file.write_bytes(other.ca_file.read_bytes())
        assert "certificate" in await refused(asked, issuer.uri)
        issuer.ca_file.write_bytes(right)
        assert await asked.fetch(issuer.uri) == DOCUMENT


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
async def test_attack_a_redirect_to_elsewhere(issuer: HttpsIssuer, status: str) -> None:
    answer = response(b"", status, location=f"https://localhost:{issuer.port}/other")

    async def redirect(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    issuer.answer = redirect
    assert await refused(client(issuer), issuer.uri) == f"answers {status[:3]}"
    assert len(issuer.requests) == 1


ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
ANSWERS = {
    "answers 500": response(DOCUMENT, "500 Internal Server Error"),
    "answers 206": response(DOCUMENT, "206 Partial Content"),
    "answers with more": response(b" " * (MAX_DOCUMENT_BYTES + 1)),
    "answers in an encoding": response(DOCUMENT, content_encoding="gzip"),
    "RemoteProtocolError": response(DOCUMENT, content_length="9999999"),
    "cannot be asked: RemoteProtocolError": b"hello\r\n\r\n",
    "cannot be asked: Remote": b"",
}


@pytest.mark.parametrize("said", ANSWERS)
async def test_attack_an_answer_that_is_none(issuer: HttpsIssuer, said: str) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWERS[said])

    issuer.answer = answer
    assert said in await refused(client(issuer), issuer.uri)


async def test_attack_an_answer_without_end(issuer: HttpsIssuer) -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(ENDLESS)
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    issuer.answer = flood
    assert "answers with more" in await refused(client(issuer), issuer.uri)


async def test_attack_headers_without_end(issuer: HttpsIssuer) -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: " + b"y" * 8192 + b"\r\n")
            await writer.drain()

    issuer.answer = flood
    assert "cannot be asked" in await refused(client(issuer), issuer.uri)


async def test_attack_an_answer_that_comes_drop_by_drop(issuer: HttpsIssuer) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(ENDLESS)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    issuer.answer = drip
    assert "does not answer within" in await refused(client(issuer, NO_TIME_SECONDS), issuer.uri)


async def test_attack_a_server_that_never_answers(issuer: HttpsIssuer) -> None:
    waiting = asyncio.Event()

    async def wait(_: asyncio.StreamWriter) -> None:
        await waiting.wait()

    issuer.answer = wait
    assert "does not answer within" in await refused(client(issuer, NO_TIME_SECONDS), issuer.uri)
    waiting.set()


async def test_without_tls_only_on_this_machine_and_only_where_that_is_allowed(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, plain=True) as plain:
        plain.document = DOCUMENT
        uri = plain.uri.replace("https", "http")
        assert "http is not allowed" in await refused(IssuerKeyClient(Reach(LOCAL)), uri)
        assert plain.connections == 0
        reach = Reach(LOCAL, None, PATIENCE_SECONDS, unsafe_http=True)
        assert await IssuerKeyClient(reach).fetch(uri) == DOCUMENT
        impatient = IssuerKeyClient(Reach(LOCAL, None, NO_TIME_SECONDS, unsafe_http=True))
        assert "does not answer" in await refused(impatient, plain.uri)


async def test_attack_a_proxy_in_the_environment(
    issuer: HttpsIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await client(issuer).fetch(issuer.uri) == DOCUMENT


@pytest.mark.parametrize("host", ["nobody.invalid", "a..example", "x" * 64 + ".example"])
async def test_a_name_that_leads_nowhere(issuer: HttpsIssuer, host: str) -> None:
    assert "cannot be asked" in await refused(client(issuer), f"https://{host}/keys")


async def test_a_real_issuer_rotates_goes_away_and_comes_back(tmp_path: Path) -> None:
    time, one, two = FakeTime(), UserIssuer(key_id="one"), UserIssuer(key_id="two")

    class Nobody:
        def fetched(self, name: str) -> None:
            """Is told."""

        def failed(self, name: str, error: str) -> None:
            """Is told."""

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path))
        server.document = one.key_set()
        stated = one.stated(jwks_uri=server.uri)
        keeper = IssuerKeyKeeper(
            client(server),
            Nobody(),
            Times(refresh=300.0, max_staleness=3600.0),
            issuers=lambda: [stated],
            clock=time.clock,
        )
        assert "one" in await keeper.keys(stated, "one")
        server.document = two.key_set()
        await time.advance(10)
        assert "two" in await keeper.keys(stated, "two")
        port = server.port
    await time.advance(10)
    with pytest.raises(EvidenceUnavailableError):
        await keeper.keys(stated, "three")
    assert "two" in await keeper.keys(stated, "two")
    await time.advance(3600)
    with pytest.raises(EvidenceUnavailableError):
        await keeper.keys(stated, "two")
    async with serving(tmp_path, port=port) as back:
        back.document = two.key_set()
        await time.advance(10)
        assert "two" in await keeper.keys(stated, "two")
    await keeper.close()
