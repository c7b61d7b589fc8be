"""Both clients over a port in memory: the same questions, answers and errors."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from google.rpc import status_pb2

from governd_client import (
    AsyncClient,
    Client,
    DecisionCode,
    InvalidRequestError,
    LimitExceededError,
    MalformedAnswerError,
    Question,
    Resource,
    Semantic,
    TargetError,
    UnavailableError,
)
from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.channel import DEFAULT_SOCKET, resolve
from governd_client.testing import FakeGovernd, Rule, deny, permit

COMMIT = Resource("tool", "git/git_commit")
LOG = Resource("tool", "git/git_log")
AGENT = "spiffe://example.org/agent/writer"
Ask = Callable[..., Awaitable[Any]]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, governd: FakeGovernd) -> Ask:
    """Calls a method of either client, so that each test holds for both."""

    async def call(name: str, *args: object, **kwargs: object) -> object:
        if request.param == "sync":
            with Client(port=governd.port()) as client:
                method: Callable[..., object] = getattr(client, name)
                return method(*args, **kwargs)
        async with AsyncClient(port=governd.async_port()) as client:
            answer: Awaitable[object] = getattr(client, name)(*args, **kwargs)
            return await answer

    return call


def only(resource: Resource) -> Rule:
    """A rule that permits one resource."""
    return lambda asked: permit() if asked.resource.id == resource.id else deny()


async def test_question_arrives_whole(governd: FakeGovernd, ask: Ask) -> None:
    await ask(
        "evaluate",
        "tools/call",
        COMMIT,
        arguments={"message": "ünïcode"},
        subject=AGENT,
        traceparent=TRACE,
    )
    [request] = governd.requests
    assert (request.action.name, request.resource.type) == ("tools/call", "tool")
    assert (request.resource.id, request.subject.id) == ("git/git_commit", AGENT)
    assert request.context.arguments_json == '{"message":"ünïcode"}'.encode()
    assert governd.metadata == {"traceparent": TRACE}


async def test_permit_and_deny(governd: FakeGovernd, ask: Ask) -> None:
    governd.rule = only(LOG)
    assert (await ask("evaluate", "tools/call", LOG)).allowed
    assert not (await ask("evaluate", "tools/call", COMMIT)).allowed


async def test_nan_is_refused_before_sending(governd: FakeGovernd, ask: Ask) -> None:
    with pytest.raises(InvalidRequestError):
        await ask("evaluate", "tools/call", COMMIT, arguments={"amount": float("nan")})
    assert governd.requests == []


async def test_error_is_not_an_allow(governd: FakeGovernd, ask: Ask) -> None:
    governd.rule = lambda _: permit()
    governd.status = status_pb2.Status(code=8, message="too many")
    for method, args in (
        ("evaluate", ("tools/call", LOG)),
        ("evaluate_batch", ([Question("tools/call", LOG)],)),
        ("whoami", ()),
    ):
        with pytest.raises(LimitExceededError):
            await ask(method, *args)


async def test_empty_answer_is_malformed(governd: FakeGovernd, ask: Ask) -> None:
    governd.rule = lambda _: types_pb2.Evaluation()
    with pytest.raises(MalformedAnswerError):
        await ask("evaluate", "tools/call", LOG)


async def test_obligation_is_supported_by_call_or_by_client(governd: FakeGovernd) -> None:
    governd.rule = lambda _: permit(obligations=[types_pb2.Obligation(type="step-up")])
    plain = Client(port=governd.port())
    able = Client(port=governd.port(), supported_obligations=["step-up"])
    assert not plain.evaluate("tools/call", LOG).allowed
    assert plain.evaluate("tools/call", LOG, supported_obligations=["step-up"]).allowed
    assert able.evaluate("tools/call", LOG).allowed
    assert not plain.evaluate("tools/call", LOG, supported_obligations="step-up").allowed


@pytest.mark.parametrize(
    ("semantic", "order", "wanted"),
    [
        (Semantic.EXECUTE_ALL, [LOG, COMMIT, LOG], [True, False, True]),
        (Semantic.DENY_ON_FIRST_DENY, [LOG, COMMIT, LOG], [True, False]),
        (Semantic.DENY_ON_FIRST_DENY, [LOG, LOG], [True, True]),
        (Semantic.PERMIT_ON_FIRST_PERMIT, [COMMIT, LOG, COMMIT], [False, True]),
        (Semantic.PERMIT_ON_FIRST_PERMIT, [COMMIT, COMMIT], [False, False]),
    ],
)
async def test_batch_semantics(
    governd: FakeGovernd,
    ask: Ask,
    semantic: Semantic,
    order: list[Resource],
    wanted: list[bool],
) -> None:
    governd.rule = only(LOG)
    questions = [Question("tools/call", each, {"n": 1}, AGENT) for each in order]
    answers = await ask("evaluate_batch", questions, semantic=semantic)
    assert [each.allowed for each in answers] == wanted
    assert governd.requests[0].evaluations[0].subject.id == AGENT


async def test_question_that_could_not_be_asked_denies_alone(
    governd: FakeGovernd, ask: Ask
) -> None:
    failed = types_pb2.Evaluation(error=status_pb2.Status(code=3, message="no such field"))
    governd.rule = lambda asked: failed if asked.resource.id == COMMIT.id else permit()
    questions = [Question("tools/call", COMMIT), Question("tools/call", LOG)]
    bad, good = await ask("evaluate_batch", questions)
    assert (bad.allowed, bad.code) == (False, DecisionCode.NOT_ASKED)
    assert isinstance(bad.error, InvalidRequestError)
    assert good.allowed


async def test_empty_batch_is_refused_since_all_of_nothing_is_true(ask: Ask) -> None:
    with pytest.raises(InvalidRequestError):
        await ask("evaluate_batch", [])


class Short(FakeGovernd):
    """Forgets answers."""

    def __init__(self, answers: list[types_pb2.Evaluation]) -> None:
        super().__init__()
        self.answers = answers

    def answer(self, request: object) -> policy_service_pb2.EvaluateBatchResponse:
        return policy_service_pb2.EvaluateBatchResponse(evaluations=self.answers)


@pytest.mark.parametrize(
    ("semantic", "answers"),
    [
        (Semantic.EXECUTE_ALL, []),
        (Semantic.EXECUTE_ALL, [permit()]),
        (Semantic.EXECUTE_ALL, [permit(), permit(), permit()]),
        (Semantic.DENY_ON_FIRST_DENY, [permit()]),
        (Semantic.DENY_ON_FIRST_DENY, []),
        (Semantic.PERMIT_ON_FIRST_PERMIT, [deny()]),
    ],
)
def test_missing_and_surplus_answers_are_malformed(
    semantic: Semantic, answers: list[types_pb2.Evaluation]
) -> None:
    client = Client(port=Short(answers).port())
    with pytest.raises(MalformedAnswerError):
        client.evaluate_batch([Question("tools/call", LOG)] * 2, semantic=semantic)


async def test_whoami(ask: Ask) -> None:
    identity = await ask("whoami")
    assert identity.spiffe_id == "spiffe://example.org/agent/test"
    assert identity.attestation == "STATIC"


def test_both_clients_take_the_same_parameters() -> None:
    asks = ("evaluate", "evaluate_batch", "filter_tools", "register_tools", "whoami", "wait_ready")
    for name in ("__init__", *asks, "close"):
        sync, other = (inspect.signature(getattr(kind, name)) for kind in (Client, AsyncClient))
        assert list(sync.parameters) == list(other.parameters)


@pytest.mark.parametrize(
    ("target", "environ", "wanted"),
    [
        (None, {}, f"unix://{DEFAULT_SOCKET}"),
        (None, {"GOVERND_SOCKET": ""}, f"unix://{DEFAULT_SOCKET}"),
        (None, {"GOVERND_SOCKET": "/a.sock"}, "unix:///a.sock"),
        (None, {"GOVERND_SOCKET": "unix:///a.sock"}, "unix:///a.sock"),
        ("/b.sock", {"GOVERND_SOCKET": "/a.sock"}, "unix:///b.sock"),
    ],
)
def test_address_is_argument_else_environment_else_default(
    target: str | None, environ: dict[str, str], wanted: str
) -> None:
    assert resolve(target, environ) == wanted


@pytest.mark.parametrize(
    "target", ["relative.sock", "unix:relative", "dns:///host:1", "host:1", "/" + "x" * 107]
)
def test_address_that_is_no_absolute_path_is_refused(target: str) -> None:
    with pytest.raises(TargetError):
        Client(target)


def test_closed_client_raises_a_typed_error() -> None:
    client = Client("/nowhere.sock")
    client.close()
    with pytest.raises(UnavailableError):
        client.evaluate("tools/call", LOG)
