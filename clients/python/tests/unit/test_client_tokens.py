"""Access tokens: what is asked for, what is taken for one, and that none is ever printed."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from governd_client import (
    AccessToken,
    AsyncClient,
    Client,
    Evidence,
    EvidenceKind,
    ExchangedToken,
    InvalidRequestError,
    MalformedAnswerError,
    MintRefusedError,
    TokenRefusedError,
    UpstreamUnknownError,
)
from governd_client._proto.governd.v1 import token_service_pb2 as protos
from governd_client.testing import FakeGovernd, FakeUpstream, status_of
from governd_client.tokens import ACCESS_TOKEN_TYPE, exchange_request, token_request

LOGIN = Evidence(EvidenceKind.ID_TOKEN, "secret.id.token")
ACCESS = Evidence(EvidenceKind.ACCESS_TOKEN, "secret.access.token")
ACTING = Evidence(EvidenceKind.ACTING_AS_TOKEN, "secret.acting.token")
MCP = "https://crm.example.org/mcp"
CRM = FakeUpstream(resource=MCP, audience="crm", scopes=("read", "write"), for_user=True)
JOBS = FakeUpstream(audience="jobs", scopes=("run",))
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Ask = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, governd: FakeGovernd) -> Ask:
    """Calls a method of either client, so that each test holds for both."""
    governd.upstreams = {"crm": CRM, "jobs": JOBS}

    async def call(name: str, *args: object, **kwargs: object) -> object:
        if request.param == "sync":
            with Client(port=governd.port()) as client:
                method: Callable[..., object] = getattr(client, name)
                return method(*args, **kwargs)
        async with AsyncClient(port=governd.async_port()) as client:
            answer: Awaitable[object] = getattr(client, name)(*args, **kwargs)
            return await answer

    return call


async def test_what_is_asked_for_is_on_the_wire(governd: FakeGovernd, ask: Ask) -> None:
    await ask("token", "crm", evidence=LOGIN, scopes=["read"], renew=True, traceparent=TRACE)
    [sent] = governd.tokens
    assert isinstance(sent, protos.GetTokenRequest)
    assert (sent.upstream, list(sent.scopes), sent.renew) == ("crm", ["read"], True)
    assert sent.evidence.id_token == LOGIN.token
    assert governd.metadata["traceparent"] == TRACE


async def test_a_token_is_for_one_upstream_and_comes_as_a_header(ask: Ask) -> None:
    token = await ask("token", "crm", evidence=LOGIN)
    assert token.headers == {"Authorization": f"Bearer {token.token}"}
    assert (token.scopes, token.resource, token.token_type) == (("read", "write"), MCP, "Bearer")
    other = await ask("token", "jobs")
    assert other.token != token.token
    assert other.resource == ""
    assert token.expires_at.utcoffset() == timedelta(0)


async def test_governd_keeps_the_token_and_not_the_client(governd: FakeGovernd, ask: Ask) -> None:
    first = await ask("token", "jobs")
    again = await ask("token", "jobs")
    renewed = await ask("token", "jobs", renew=True)
    assert first.token == again.token != renewed.token
    assert len(governd.tokens) == 3


async def test_an_exchange_has_the_words_of_the_standard(governd: FakeGovernd, ask: Ask) -> None:
    token = await ask("exchange", ACCESS, resource=MCP, scopes=["read", "write"])
    [sent] = governd.tokens
    assert isinstance(sent, protos.ExchangeRequest)
    assert (sent.resource, sent.audience, sent.scope) == (MCP, "", "read write")
    assert sent.subject_token == ACCESS.token
    assert sent.subject_token_type == "urn:ietf:params:oauth:token-type:access_token"
    assert (sent.actor_token, sent.actor_token_type) == ("", "")
    assert token.headers == {"Authorization": f"Bearer {token.token}"}
    assert token.issued_token_type == ACCESS_TOKEN_TYPE
    assert token.scopes == ("read", "write")
    assert token.expires_in > timedelta(seconds=60)


async def test_an_exchange_names_the_audience_instead(governd: FakeGovernd, ask: Ask) -> None:
    assert (await ask("exchange", LOGIN, audience="crm")).scopes == ("read", "write")
    [sent] = governd.tokens
    assert isinstance(sent, protos.ExchangeRequest)
    assert sent.subject_token_type == "urn:ietf:params:oauth:token-type:id_token"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (status_of("PERMISSION_DENIED", "MINT_REFUSED", rule="POLICY"), MintRefusedError),
        (
            status_of("FAILED_PRECONDITION", "TOKEN_REFUSED", rule="act_missing", upstream="crm"),
            TokenRefusedError,
        ),
    ],
)
async def test_why_there_is_no_token_is_told(
    governd: FakeGovernd, ask: Ask, status: Any, kind: type[TokenRefusedError]
) -> None:
    governd.refusals = {"GetToken": status, "Exchange": status}
    with pytest.raises(kind) as raised:
        await ask("token", "crm", evidence=LOGIN)
    assert raised.value.metadata["rule"] in {"POLICY", "act_missing"}
    with pytest.raises(kind):
        await ask("exchange", LOGIN, resource=MCP)


async def test_an_upstream_that_nobody_knows_has_no_token(ask: Ask) -> None:
    with pytest.raises(UpstreamUnknownError) as raised:
        await ask("token", "elsewhere")
    assert raised.value.field == "upstream"
    elsewhere = "https://elsewhere.example.org/"
    for named in ({"resource": elsewhere}, {"audience": "x"}, {"audience": "jobs"}):
        with pytest.raises(UpstreamUnknownError):
            await ask("exchange", LOGIN, **named)
    with pytest.raises(InvalidRequestError):
        await ask("exchange", LOGIN)


async def test_who_is_reached_for_a_user_needs_one_and_who_is_not_takes_none(ask: Ask) -> None:
    for upstream, evidence in (("crm", None), ("jobs", LOGIN)):
        with pytest.raises(InvalidRequestError) as raised:
            await ask("token", upstream, evidence=evidence)
        assert raised.value.field == "evidence"


async def test_no_token_is_in_what_is_printed(ask: Ask) -> None:
    token = await ask("token", "crm", evidence=LOGIN)
    exchanged = await ask("exchange", LOGIN, resource=MCP)
    printed = f"{token} {token!r} {exchanged} {exchanged!r} {[token]} {LOGIN}"
    for secret in (token.token, exchanged.token, LOGIN.token, "Bearer "):
        assert secret not in printed


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("token", ("crm",), {"scopes": "read"}),
        ("token", ("crm",), {"scopes": ["read write"]}),
        ("token", ("crm",), {"scopes": [""]}),
        ("token", ("crm",), {"scopes": [7]}),
        ("token", ("crm",), {"scopes": ["\ud800"]}),
        ("token", ("\ud800",), {}),
        ("token", ("crm",), {"evidence": Evidence(EvidenceKind.ID_TOKEN, "\ud800")}),
        ("token", ("crm",), {"timeout": 0}),
        ("exchange", (ACTING,), {"resource": MCP}),
        ("exchange", (LOGIN,), {"resource": MCP, "scopes": "read"}),
        ("exchange", (LOGIN,), {"resource": MCP, "scopes": ["a b"]}),
        ("exchange", (LOGIN,), {"resource": "\ud800"}),
        ("exchange", (Evidence(EvidenceKind.ID_TOKEN, "\ud800"),), {"resource": MCP}),
    ],
)
async def test_what_cannot_be_written_is_not_sent(
    governd: FakeGovernd, ask: Ask, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        await ask(name, *args, **kwargs)
    assert "secret" not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert governd.tokens == []


def got(**changes: Any) -> protos.GetTokenResponse:
    token = {"access_token": "x", "token_type": "Bearer", "scopes": ["read"]}
    said = {**token, "headers": {"Authorization": "Bearer x"}, **changes}
    answer = protos.GetTokenResponse(**said)
    answer.expires_at.FromSeconds(2_000_000_000)
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        protos.GetTokenResponse(),
        got(access_token=""),
        got(token_type="DPoP"),
        got(token_type=""),
        got(headers={}),
        got(headers={"Authorization": "Bearer another"}),
        got(scopes=["read", "admin"]),
        protos.GetTokenResponse(
            access_token="x", token_type="Bearer", headers={"Authorization": "Bearer x"}
        ),
    ],
)
def test_an_answer_without_the_token_that_was_asked_for_is_none(
    answer: protos.GetTokenResponse,
) -> None:
    asked = token_request("crm", None, ["read"], renew=False)
    assert AccessToken.from_proto(got(), asked).scopes == ("read",)
    with pytest.raises(MalformedAnswerError):
        AccessToken.from_proto(answer, asked)


def test_an_end_that_is_no_time_is_malformed() -> None:
    answer = got()
    answer.expires_at.seconds = 10**15
    with pytest.raises(MalformedAnswerError):
        AccessToken.from_proto(answer, protos.GetTokenRequest())


def exchanged(seconds: int | None = 60, **changes: Any) -> protos.ExchangeResponse:
    token = {"access_token": "x", "token_type": "Bearer", "scope": "read"}
    answer = protos.ExchangeResponse(**{**token, "issued_token_type": ACCESS_TOKEN_TYPE, **changes})
    if seconds is not None:
        answer.expires_in.seconds = seconds
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        protos.ExchangeResponse(),
        exchanged(access_token=""),
        exchanged(token_type="N_A"),
        exchanged(issued_token_type="urn:ietf:params:oauth:token-type:id-jag"),
        exchanged(scope="read admin"),
        exchanged(None),
        exchanged(-1),
        exchanged(10**15),
    ],
)
def test_an_exchange_without_the_token_that_was_asked_for_is_none(
    answer: protos.ExchangeResponse,
) -> None:
    asked = exchange_request(LOGIN, MCP, "", ["read"])
    assert ExchangedToken.from_proto(exchanged(), asked).expires_in == timedelta(minutes=1)
    with pytest.raises(MalformedAnswerError):
        ExchangedToken.from_proto(answer, asked)


def test_who_names_no_scopes_leaves_them_to_the_policy() -> None:
    asked = exchange_request(LOGIN, MCP, "", [])
    assert ExchangedToken.from_proto(exchanged(scope="a b"), asked).scopes == ("a", "b")
    assert ExchangedToken.from_proto(exchanged(scope=""), asked).scopes == ()


def test_a_token_in_its_last_second_still_counts() -> None:
    asked = exchange_request(LOGIN, MCP, "", [])
    assert ExchangedToken.from_proto(exchanged(0), asked).expires_in == timedelta(0)


def test_both_clients_take_the_same_parameters() -> None:
    for name in ("token", "exchange"):
        sync, other = (inspect.signature(getattr(kind, name)) for kind in (Client, AsyncClient))
        assert list(sync.parameters) == list(other.parameters)
