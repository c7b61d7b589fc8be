"""An agent that says what no agent should: nothing of it is believed, nothing breaks."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest

from governd._proto.spire.api.agent.delegatedidentity.v1 import delegatedidentity_pb2 as delegated
from governd._proto.spire.api.types import types_pb2
from governd.adapters import spire_agent
from governd.adapters.embedded_ca import EmbeddedAuthority
from governd.adapters.embedded_jwt import JwtAuthority
from governd.adapters.spire_agent import MAX_MESSAGE_BYTES, SpireAgent
from governd.errors import InvalidIdentityError, SourceAwayError
from governd.identity.svid import Selector, Workload
from tests.contracts.identity_source import first_bundles, first_svids
from tests.fakes.time import NOON

POD = Workload("pod", (Selector("k8s", "ns:shop"),))
SERVICE = delegated.DESCRIPTOR.services_by_name["DelegatedIdentity"]
HUNDRED_MEGABYTES = 100 << 20
Serve = Callable[..., Awaitable[SpireAgent]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves these bytes as the answer to every question."""
    stops: list[Callable[[], Awaitable[None]]] = []
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "admin.sock"

        async def begin(*answers: bytes, **by_method: bytes) -> SpireAgent:
            server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
            server.add_generic_rpc_handlers([Hostile(answers, by_method)])
            server.add_insecure_port(f"unix:{socket}")
            await server.start()
            source = SpireAgent(socket, "example.org")
            stops.extend((source.close, lambda: server.stop(0)))
            return source

        yield begin
        for stop in stops:
            await stop()


class Hostile(grpc.GenericRpcHandler):
    """Answers whatever the test says."""

    def __init__(self, answers: tuple[bytes, ...], by_method: dict[str, bytes]) -> None:
        self._answers = answers
        self._by_method = by_method

    def service(
        self, details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        name = details.method.rpartition("/")[2]
        assert details.method == f"/{SERVICE.full_name}/{name}"
        answers = [self._by_method[name]] if name in self._by_method else list(self._answers)

        async def stream(_request: bytes, _context: object) -> AsyncIterator[bytes]:
            for answer in answers:
                yield answer
            if name in self._by_method:
                await asyncio.Event().wait()

        async def unary(_request: bytes, _context: object) -> bytes:
            return answers[0]

        if name == "FetchJWTSVIDs":
            return grpc.unary_unary_rpc_method_handler(unary)
        return grpc.unary_stream_rpc_method_handler(stream)


async def refuses(source: SpireAgent, told: str) -> None:
    with pytest.raises(InvalidIdentityError, match=told):
        await first_svids(source, POD)
    with pytest.raises(InvalidIdentityError, match=told):
        await first_bundles(source)
    with pytest.raises(InvalidIdentityError, match=told):
        await source.jwt_svids(POD, ["bank"])


async def test_a_hundred_megabytes_are_not_read(serve: Serve) -> None:
    await refuses(await serve(bytes(HUNDRED_MEGABYTES)), "says too much")


async def test_a_message_just_too_large(serve: Serve) -> None:
    await refuses(await serve(bytes(MAX_MESSAGE_BYTES + 1)), "says too much")


@pytest.mark.parametrize("answer", [b"\xff" * 9, b"\x0a\x05ab", b"\x0a\x02\x08\xff"])
async def test_what_does_not_parse_is_refused(serve: Serve, answer: bytes) -> None:
    await refuses(await serve(answer), "does not parse")


async def test_a_text_that_is_no_utf8_is_refused(serve: Serve) -> None:
    source = await serve(b"\x12\x02\xff\xfe")  # federates_with
    with pytest.raises(InvalidIdentityError, match="does not parse"):
        await first_svids(source, POD)


async def test_an_agent_that_ends_a_subscription_is_away(serve: Serve) -> None:
    source = await serve()
    with pytest.raises(SourceAwayError, match="ended the subscription"):
        await first_svids(source, POD)
    with pytest.raises(SourceAwayError, match="ended the subscription"):
        await first_bundles(source)


async def test_an_agent_that_ends_after_its_first_word_is_away_then(serve: Serve) -> None:
    said = (await serve(b"")).svids(POD)
    assert (await anext(said)).svids == ()
    with pytest.raises(SourceAwayError):
        await anext(said)


@pytest.mark.req("sa-2", part=True)
async def test_a_trust_domain_in_two_spellings_is_refused(serve: Serve) -> None:
    root, keys = EmbeddedAuthority("example.org", NOON).trust_bundle[0], JwtAuthority().key_set()
    both = {"example.org": root, "spiffe://example.org": root}
    x509 = delegated.SubscribeToX509BundlesResponse(ca_certificates=both)
    jwt = delegated.SubscribeToJWTBundlesResponse(bundles={"example.org": keys})
    source = await serve(
        SubscribeToX509Bundles=x509.SerializeToString(),
        SubscribeToJWTBundles=jwt.SerializeToString(),
    )
    with pytest.raises(InvalidIdentityError, match="two spellings"):
        await first_bundles(source)


# What an agent says for a moment, while it renews all at once


class Forgetful(grpc.GenericRpcHandler):
    """Tells each subscription to SVIDs what the test says, and then no more."""

    def __init__(self, *subscriptions: list[delegated.SubscribeToX509SVIDsResponse]) -> None:
        self.asked = 0
        self._subscriptions = subscriptions

    def service(
        self, details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        async def stream(_request: bytes, _context: object) -> AsyncIterator[bytes]:
            self.asked += 1
            for answer in self._subscriptions[self.asked - 1]:
                yield answer.SerializeToString()
            await asyncio.Event().wait()

        return grpc.unary_stream_rpc_method_handler(stream)


def issued(*paths: str) -> delegated.SubscribeToX509SVIDsResponse:
    """Certificates, each another one, of workloads of the trust domain."""
    authority = EmbeddedAuthority("example.org", NOON)
    svids = (authority.issue(path, NOON).svid() for path in paths)
    return delegated.SubscribeToX509SVIDsResponse(
        x509_svids=[
            delegated.X509SVIDWithKey(
                x509_svid=types_pb2.X509SVID(
                    id=types_pb2.SPIFFEID(trust_domain="example.org", path=svid.spiffe_id.path),
                    cert_chain=svid.chain,
                ),
                x509_svid_key=svid.key.reveal(),
            )
            for svid in svids
        ]
    )


async def told(agent: Forgetful, count: int) -> list[list[str]]:
    """The paths of the first that a source makes of it."""
    with tempfile.TemporaryDirectory() as folder:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([agent])
        socket = Path(folder) / "admin.sock"
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
        source, found = SpireAgent(socket, "example.org"), list[list[str]]()
        async with asyncio.timeout(60), contextlib.aclosing(source.svids(POD)) as said:
            while len(found) < count:
                found.append([svid.spiffe_id.path for svid in (await anext(said)).svids])
        await source.close()
        await server.stop(0)
        return found


@pytest.mark.req("sa-5", part=True)
@pytest.mark.parametrize("less", [(), ("/b",)], ids=["none", "one of two"])
async def test_what_an_agent_forgets_while_it_renews_is_not_taken_for_revoked(
    less: tuple[str, ...],
) -> None:
    both = ("/a", "/b")
    agent = Forgetful([issued(*both), issued(*less)], [issued(*both)])
    assert await told(agent, 2) == [list(both)] * 2
    assert agent.asked == 2


async def test_what_an_agent_says_twice_is_so() -> None:
    agent = Forgetful([issued("/a", "/b"), issued("/b")], [issued("/b"), issued()], [issued()])
    assert await told(agent, 3) == [["/a", "/b"], ["/b"], []]


async def test_who_gains_an_identity_is_told_at_once() -> None:
    agent = Forgetful([issued(), issued("/a"), issued("/a", "/b"), issued("/b", "/a")])
    assert await told(agent, 4) == [[], ["/a"], ["/a", "/b"], ["/b", "/a"]]


async def test_a_revocation_does_not_wait_for_long_to_be_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spire_agent, "ANSWER_SECONDS", 0.2)
    agent = Forgetful([issued("/a"), issued()], [], [issued("/c")])
    assert await told(agent, 3) == [["/a"], [], ["/c"]]
