"""The Python client against a real daemon."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from governd_client import (
    AsyncClient,
    Client,
    DecisionCode,
    DeniedError,
    InvalidRequestError,
    LimitExceededError,
    Question,
    Resource,
    Semantic,
    SubjectNotAllowedError,
    UnavailableError,
)
from governd_client.grpc_server import PolicyInterceptor
from tests.integration.daemon_process import LISTENERS, DaemonProcess, StartGovernd

STATUS = Resource("tool", "git/git_status")
RESET = Resource("tool", "git/git_reset")
ARGUMENTS = {"repo_path": "/srv/repo"}


@pytest.fixture
def daemon(governd: StartGovernd) -> DaemonProcess:
    return governd()


@pytest.mark.req("sdk-7", part=True)
def test_the_socket_comes_from_the_environment_and_answers_are_typed(
    daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOVERND_SOCKET", str(daemon.sockets["writer"]))
    with Client() as client:
        allowed = client.evaluate("tools/call", STATUS, arguments=ARGUMENTS)
        denied = client.evaluate("tools/call", RESET, arguments=ARGUMENTS)
        assert client.whoami().spiffe_id == LISTENERS["writer"]
    assert allowed.allowed
    assert allowed.require() is allowed
    assert allowed.policy.version == 1
    assert denied.code is DecisionCode.FORBIDDEN
    assert denied.reasons == ("base/destructive-needs-grant",)
    with pytest.raises(DeniedError):
        denied.require()


async def test_the_asynchronous_client_gives_the_same_answers(daemon: DaemonProcess) -> None:
    async with AsyncClient(str(daemon.sockets["writer"])) as client:
        answers = await client.evaluate_batch(
            [
                Question("tools/call", STATUS, ARGUMENTS),
                Question("tools/call", RESET, ARGUMENTS),
                Question("tools/call", STATUS, ARGUMENTS),
            ],
            semantic=Semantic.DENY_ON_FIRST_DENY,
        )
        assert (await client.whoami()).spiffe_id == LISTENERS["writer"]
    assert [answer.allowed for answer in answers] == [True, False]


def test_refusals_are_typed(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"])) as client:
        with pytest.raises(SubjectNotAllowedError):
            client.evaluate("tools/call", STATUS, subject=LISTENERS["reader"])
        with pytest.raises(InvalidRequestError) as raised:
            client.evaluate("tools/call", STATUS, arguments={"repo_path": 2**70})
    assert raised.value.field.startswith("context.arguments_json")


def ask_often(client: Client) -> None:
    for _ in range(41):  # one more than the burst
        client.evaluate("tools/call", STATUS, arguments=ARGUMENTS)


def test_a_used_up_rate_says_when_to_come_back(governd: StartGovernd) -> None:
    daemon = governd("[limits]\nburst = 40\ncalls_per_second = 0.5")
    with Client(str(daemon.sockets["writer"]), leases=False) as client:
        with pytest.raises(LimitExceededError) as raised:
            ask_often(client)
        assert 0 < (raised.value.retry_after or 0) <= 2


@pytest.mark.req("sdk-7", part=True)
def test_a_killed_daemon_is_waited_for_within_the_deadline(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"]), timeout=60) as client:
        assert client.evaluate("tools/call", STATUS, arguments=ARGUMENTS).allowed
        os.kill(daemon.daemon_pid, signal.SIGKILL)
        assert client.evaluate("tools/call", STATUS, arguments=ARGUMENTS).allowed


def test_a_daemon_that_is_away_is_never_an_allow(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["writer"]), timeout=0.5) as client:
        assert daemon.stop() == 0
        with pytest.raises(UnavailableError):
            client.evaluate("tools/call", STATUS, arguments=ARGUMENTS)


@pytest.mark.req("sdk-6", part=True)
def test_a_grpc_server_refuses_by_itself_what_policy_refuses(daemon: DaemonProcess) -> None:
    """A server that asks about calls it received: its interceptor refuses, not its caller."""
    tools = {"readable": STATUS, "destructive": RESET}
    governd = Client(str(daemon.sockets["git"]))

    def question(details: grpc.HandlerCallDetails) -> Question:
        asked = dict(details.invocation_metadata)["tool"]
        return Question("tools/call", tools[str(asked)], ARGUMENTS)

    interceptor = PolicyInterceptor(
        governd, question=question, caller=lambda _: LISTENERS["writer"]
    )
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[interceptor])
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest()
            stub.Check(asked, metadata=[("tool", "readable")], timeout=5)
            with pytest.raises(grpc.RpcError) as raised:
                stub.Check(asked, metadata=[("tool", "destructive")], timeout=5)
    finally:
        server.stop(None).wait()
        governd.close()
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert daemon.decisions()[-1]["asserted_by"] == LISTENERS["git"]
