"""A policy that is edited, broken, taken away and brought back while a daemon runs."""

import time
from collections.abc import Callable

import grpc
import pytest

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    types_pb2,
)
from governd.cli import probe
from tests.integration.daemon_process import LISTENERS, DaemonProcess, StartGovernd

RESET = policy_service_pb2.EvaluateRequest(
    action=types_pb2.Action(name="tools/call"),
    resource=types_pb2.Resource(type="tool", id="git/git_reset"),
    context=types_pb2.Context(arguments_json=b'{"repo_path": "/r"}'),
)
GRANT_RESET = f"""
[[grant]]
agents = ["{LISTENERS["writer"]}"]
destructive = ["git/git_reset"]
"""


def evaluate(daemon: DaemonProcess) -> types_pb2.Evaluation:
    with grpc.insecure_channel(daemon.target("writer")) as channel:
        stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
        return stub.Evaluate(RESET, timeout=5).evaluation


def status(daemon: DaemonProcess) -> admin_service_pb2.StatusResponse:
    with grpc.insecure_channel(daemon.target("admin")) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        return stub.Status(admin_service_pb2.StatusRequest(), timeout=5)


def reload(daemon: DaemonProcess) -> admin_service_pb2.ReloadResponse:
    with grpc.insecure_channel(daemon.target("admin")) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        return stub.Reload(admin_service_pb2.ReloadRequest(), timeout=5)


def until(true: Callable[[], bool]) -> float:
    """Seconds until something is true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 10, "nothing changed"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.req("gi-4", part=True)
def test_an_edit_takes_effect_without_a_restart_and_changes_the_epoch(
    governd: StartGovernd,
) -> None:
    daemon = governd()
    before = evaluate(daemon)
    assert before.code == types_pb2.DECISION_CODE_FORBIDDEN
    grants = daemon.policy_directory / "grants.toml"
    grants.write_text(grants.read_text() + GRANT_RESET)
    until(lambda: evaluate(daemon).decision)
    after = evaluate(daemon)
    assert after.policy.epoch != before.policy.epoch
    assert after.policy.digest != before.policy.digest


def test_reload_answers_when_the_new_policy_is_in_force(governd: StartGovernd) -> None:
    daemon = governd("")
    assert not reload(daemon).changed
    grants = daemon.policy_directory / "grants.toml"
    grants.write_text(grants.read_text() + GRANT_RESET)
    assert reload(daemon).policy.digest == evaluate(daemon).policy.digest
    assert evaluate(daemon).decision


@pytest.mark.req("gi-4", part=True)
def test_a_broken_directory_is_refused_with_file_and_line_and_the_last_good_one_stays(
    governd: StartGovernd,
) -> None:
    daemon = governd()
    good = evaluate(daemon)
    file = daemon.policy_directory / "policies" / "git.cedar"
    text = file.read_text()
    file.write_text(text + "\nforbid (principal, action, resource) when { context.nope };\n")
    with pytest.raises(grpc.RpcError) as raised:
        reload(daemon)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    problem = status(daemon).policy_problems[0]
    assert (problem.file, problem.line) == ("policies/git.cedar", text.count("\n") + 2)
    assert evaluate(daemon).policy.digest == good.policy.digest
    assert probe.check(daemon.admin_socket, timeout=5) == probe.SERVING
    assert any(line["event"] == "policy refused" for line in daemon.log())
    file.write_text(text)
    until(lambda: not status(daemon).policy_problems)


@pytest.mark.req("gi-4", part=True)
def test_decisions_go_on_while_the_source_is_away_and_their_age_grows(
    governd: StartGovernd,
) -> None:
    daemon = governd()
    away = daemon.directory / "away"
    daemon.policy_directory.rename(away)
    until(lambda: bool(status(daemon).policy_problems))
    first = evaluate(daemon).policy.age.ToMilliseconds()
    until(lambda: evaluate(daemon).policy.age.ToMilliseconds() > first + 200)
    away.rename(daemon.policy_directory)
    until(lambda: evaluate(daemon).policy.age.ToMilliseconds() < 200)
    assert not status(daemon).policy_problems


def test_without_a_policy_everything_is_denied_and_the_daemon_is_not_ready(
    governd: StartGovernd,
) -> None:
    daemon = governd(policy=None)
    answer = evaluate(daemon)
    assert not answer.decision
    assert answer.code == types_pb2.DECISION_CODE_NO_POLICY
    assert probe.check(daemon.admin_socket, timeout=5) != probe.SERVING
    assert not status(daemon).ready


def test_half_a_policy_directory_is_no_policy(governd: StartGovernd) -> None:
    daemon = governd()
    (daemon.policy_directory / "policies" / "git.cedar").unlink()
    until(lambda: bool(status(daemon).policy_problems))
    assert "policies/git.cedar is listed but missing" in status(daemon).policy_problems[0].message
    assert daemon.stop() == 0
    daemon.start(serving=False)
    assert evaluate(daemon).code == types_pb2.DECISION_CODE_NO_POLICY
