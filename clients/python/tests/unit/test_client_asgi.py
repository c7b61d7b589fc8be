"""An ASGI server gets what came with a token that counts, whole, and knows in whose name."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from governd_client import (
    Acceptance,
    AsyncClient,
    Binding,
    BoundRequest,
    CallerUnknownError,
    Evidence,
    EvidenceKind,
    Question,
    current_delegation,
)
from governd_client._proto.governd.v1.delegation_service_pb2 import VerifyRequest
from governd_client.asgi import ActingAsMiddleware, Scope
from governd_client.certificates import asgi_certificate, thumbprint_of
from governd_client.peer import asgi_peer_spiffe_id
from governd_client.testing import DECISION_ID, FakeGovernd, deny, permit, status_of

AGENT = "spiffe://example.org/agent/writer"
SELF = "spiffe://example.org/agent/tools"
ORIGIN = "https://tools.example.org"
TOOK = Acceptance(origin=ORIGIN)
LOGIN = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
SEARCH = BoundRequest.of("POST", f"{ORIGIN}/search?q=a%20b", b"onetwo")
NOT_TAKEN = (401, {"error": "token_not_taken", "message": "the acting-as token was not taken"})
Message = dict[str, Any]


def parts(*bodies: bytes) -> list[Message]:
    """The messages of a request with that body."""
    return [
        {"type": "http.request", "body": body, "more_body": index < len(bodies) - 1}
        for index, body in enumerate(bodies)
    ]


class Channel:
    """One connection: what comes in on it, and what goes out."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.coming = [*messages, {"type": "http.disconnect"}]
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return self.coming.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> tuple[int, Any]:
        start, *rest = self.sent
        return start["status"], json.loads(b"".join(one["body"] for one in rest))

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        return dict(self.sent[0]["headers"])


class Tools:
    """A server that says what it got and in whose name, behind the middleware."""

    def __init__(self, governd: FakeGovernd) -> None:
        self.client = AsyncClient(port=governd.async_port())
        self.ran = 0
        self.scopes: list[Scope] = []

    async def app(self, scope: Scope, receive: Any, send: Any) -> None:
        self.ran += 1
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        messages.append(await receive())
        delegation = current_delegation()
        said = {
            "user": delegation.user if delegation else None,
            "body": b"".join(one.get("body", b"") for one in messages).decode(),
            "last": messages[-1]["type"],
        }
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    async def token(self, request: BoundRequest | None = SEARCH) -> str:
        return (await self.client.delegation.mint(SELF, LOGIN, request=request)).token

    async def ask(
        self,
        *headers: tuple[bytes, bytes],
        messages: Iterable[Message] = (),
        scope: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Channel:
        options = {"delegation": TOOK, "caller": lambda _: AGENT, **options}
        channel = Channel(messages or parts(b"one", b"", b"two"))
        middleware = ActingAsMiddleware(self.app, self.client, **options)
        came: Scope = {
            "type": "http",
            "method": "POST",
            "path": "/search",
            "raw_path": b"/search",
            "query_string": b"q=a%20b",
            "headers": list(headers),
            **(scope or {}),
        }
        await middleware(came, channel.receive, channel.send)
        return channel

    async def shown(self, **more: Any) -> Channel:
        """A request with a token that counts."""
        return await self.ask(carried(await self.token()), **more)


def carried(token: str) -> tuple[bytes, bytes]:
    return b"acting-as-token", token.encode()


@pytest.fixture
def tools(governd: FakeGovernd) -> Tools:
    """The server, and a governd that permits and mints everything, for the agent."""
    governd.mints, governd.rule, governd.spiffe_id = (lambda _: True), (lambda _: permit()), AGENT
    return Tools(governd)


@pytest.mark.req("gi-3", part=True)
async def test_a_request_reaches_the_server_whole_and_in_the_users_name(
    tools: Tools, governd: FakeGovernd
) -> None:
    answer = (await tools.shown()).answer
    assert answer == (200, {"user": "alice", "body": "onetwo", "last": "http.disconnect"})
    assert governd.delegations[-1].request.body_digest == SEARCH.body_digest
    assert governd.requests == [], "policy is asked nothing unless it is to be"
    assert current_delegation() is None


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (b"a.b.c",),
        (b"a.b.c", b"a.b.c"),
        (b"a.b.c,a.b.c",),
        (b"",),
        (b" fake.1.token",),
    ],
)
async def test_a_request_whose_token_does_not_count_never_reaches_the_server(
    tools: Tools, headers: tuple[bytes, ...]
) -> None:
    channel = await tools.ask(*((b"acting-as-token", one) for one in headers))
    assert channel.answer == NOT_TAKEN
    assert (channel.headers[b"www-authenticate"], tools.ran) == (b"Acting-As", 0)
    assert channel.headers[b"content-length"] == str(len(channel.sent[1]["body"])).encode()


async def test_attack_a_header_whose_name_some_servers_take_for_the_same(tools: Tools) -> None:
    token = await tools.token()
    both = await tools.ask((b"acting_as_token", token.encode()))
    assert (both.answer, tools.ran) == (NOT_TAKEN, 0)


async def test_attack_the_same_request_again_another_body_target_method_or_host(
    tools: Tools,
) -> None:
    token = carried(await tools.token())
    for refused in (
        {"messages": parts(b"onethree")},
        {"scope": {"query_string": b"q=b"}},
        {"scope": {"raw_path": b"https://tools.example.org/search"}},
        {"scope": {"method": "PUT"}},
    ):
        assert (await tools.ask(token, **refused)).answer == NOT_TAKEN
    assert (await tools.ask(token, (b"host", b"evil.example"))).answer[0] == 200
    assert (await tools.ask(token)).answer == NOT_TAKEN
    assert tools.ran == 1


async def test_a_token_that_is_tied_to_less_than_is_demanded_is_refused(tools: Tools) -> None:
    loose = carried(await tools.token(None))
    assert (await tools.ask(loose)).answer == NOT_TAKEN
    lax = Acceptance(origin=ORIGIN, least_binding=Binding.CALLER)
    assert (await tools.ask(loose, delegation=lax)).answer[0] == 200


@pytest.mark.parametrize("outcome", [None, "", 7, CallerUnknownError("x"), RuntimeError("x")])
async def test_without_a_caller_nothing_is_read_or_verified(
    tools: Tools, governd: FakeGovernd, outcome: Any
) -> None:
    def caller(_: Scope) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    minted = len(governd.delegations) + 1
    channel = await tools.shown(caller=caller)
    assert channel.answer == (
        401,
        {"error": "caller_unknown", "message": "the caller has no SPIFFE ID"},
    )
    assert (tools.ran, len(governd.delegations), len(channel.coming)) == (0, minted, 4)


async def test_attack_a_token_of_another_caller(tools: Tools) -> None:
    channel = await tools.shown(caller=lambda _: "spiffe://example.org/agent/thief")
    assert (channel.answer, tools.ran) == (NOT_TAKEN, 0)


async def test_a_body_that_is_too_large_is_refused_before_all_of_it_is_read(tools: Tools) -> None:
    many = parts(*[b"x" * 10] * 100)
    channel = await tools.shown(messages=many, max_body=25)
    assert channel.answer[0] == 413
    assert channel.answer[1]["error"] == "body_too_large"
    assert (tools.ran, len(channel.coming)) == (0, 98)
    assert (await tools.shown(max_body=6)).answer[0] == 200


async def test_nobody_is_answered_who_hung_up_before_the_body_came(tools: Tools) -> None:
    begun = [{"type": "http.request", "body": b"one", "more_body": True}]
    channel = await tools.shown(messages=begun)
    assert (channel.sent, tools.ran) == ([], 0)


async def test_a_governd_that_cannot_be_asked_is_no_answer(
    tools: Tools, governd: FakeGovernd
) -> None:
    token = carried(await tools.token())
    governd.refusals["Verify"] = status_of("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    channel = await tools.ask(token)
    message = "no policy decision could be obtained"
    assert channel.answer == (503, {"error": "undecided", "message": message})
    assert tools.ran == 0


async def test_where_none_is_required_a_request_without_one_is_nobodys_and_is_not_read(
    tools: Tools,
) -> None:
    relaxed = Acceptance(origin=ORIGIN, required=False)

    def nobody(_: Scope) -> str:
        message = "asked for nothing"
        raise CallerUnknownError(message)

    channel = await tools.ask(delegation=relaxed, max_body=1, caller=nobody)
    assert channel.answer[1] == {"user": None, "body": "onetwo", "last": "http.disconnect"}
    assert (await tools.ask(carried("a.b.c"), delegation=relaxed)).answer == NOT_TAKEN


# With a question, policy decides.


def invoking(_: Scope) -> Question:
    return Question("agent/invoke", ("agent", SELF))


async def test_policy_is_asked_about_the_caller_and_sees_the_token(
    tools: Tools, governd: FakeGovernd
) -> None:
    assert (await tools.shown(question=invoking)).answer[0] == 200
    [asked] = governd.requests
    assert (asked.subject.id, asked.context.evidence.acting_as_token) == (AGENT, "fake.1.token")


async def test_what_policy_denies_is_refused_with_the_decision_and_nothing_of_why(
    tools: Tools, governd: FakeGovernd
) -> None:
    governd.rule = lambda _: deny(reasons=["secret-rule"])
    assert (await tools.shown(question=invoking)).answer == (
        403,
        {"error": "denied", "message": "denied by policy", "decision_id": DECISION_ID},
    )
    assert tools.ran == 0


async def test_what_nothing_is_to_be_asked_about_is_refused(tools: Tools) -> None:
    def broken(_: Scope) -> Question:
        message = "hidden: broken mapping"
        raise RuntimeError(message)

    for question in (broken, lambda _: None):
        channel = await tools.shown(question=question)
        assert channel.answer == (403, {"error": "denied", "message": "denied by policy"})
    assert tools.ran == 0


async def test_policy_is_asked_about_requests_that_need_no_token_as_well(
    tools: Tools, governd: FakeGovernd
) -> None:
    relaxed = Acceptance(origin=ORIGIN, required=False)
    assert (await tools.ask(delegation=relaxed, question=invoking)).answer[0] == 200
    [asked] = governd.requests
    assert (asked.subject.id, asked.context.evidence.acting_as_token) == (AGENT, "")


# Other protocols.


async def test_a_websocket_is_refused_and_the_lifespan_is_the_servers(tools: Tools) -> None:
    channel = await tools.shown(scope={"type": "websocket"})
    assert channel.sent == [{"type": "websocket.close", "code": 1008}]
    assert tools.ran == 0
    await tools.ask(scope={"type": "lifespan"})
    assert [one["type"] for one in tools.scopes] == ["lifespan"]
    with pytest.raises(ValueError, match="expected http"):
        await tools.ask(scope={"type": "smtp"})


# Certificates.


def tls(*chain: str, error: str | None = None) -> dict[str, Any]:
    return {"extensions": {"tls": {"client_cert_chain": chain, "client_cert_error": error}}}


async def test_the_peers_certificate_goes_along_where_the_server_tells_it(
    tools: Tools, governd: FakeGovernd, make_svid: Any
) -> None:
    pem = make_svid(AGENT).certificate.decode()
    assert (await tools.shown(scope=tls(pem), caller=asgi_peer_spiffe_id)).answer[0] == 200
    [verified] = [one for one in governd.delegations if isinstance(one, VerifyRequest)]
    assert verified.peer_certificate == thumbprint_of(pem) != ""
    refused = await tools.shown(scope=tls(), caller=asgi_peer_spiffe_id)
    assert refused.answer[1]["error"] == "caller_unknown"


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"tls": None}}, tls()])
def test_a_server_that_tells_no_certificate_knows_none(scope: dict[str, Any]) -> None:
    assert asgi_certificate(scope) == ""
    with pytest.raises(CallerUnknownError):
        asgi_peer_spiffe_id(scope)


def test_a_certificate_that_does_not_hold_is_none(make_svid: Any) -> None:
    pem = make_svid(AGENT).certificate.decode()
    assert asgi_certificate(tls(pem))
    assert asgi_certificate(tls(pem, error="unknown authority")) == ""
    assert asgi_certificate(tls("no certificate")) == ""
    with pytest.raises(CallerUnknownError):
        asgi_peer_spiffe_id(tls(pem, error="unknown authority"))
