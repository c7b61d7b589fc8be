"""Start, drain, death and return of a real daemon."""

import os
import shutil
import signal
import subprocess
import threading
import time

import grpc
import pytest

from governd._proto.governd.v1 import policy_service_pb2, policy_service_pb2_grpc, types_pb2
from tests.integration.daemon_process import DaemonProcess, StartGovernd, executable
from tests.parts import as_root

QUESTION = policy_service_pb2.EvaluateRequest(
    action=types_pb2.Action(name="tools/call"),
    resource=types_pb2.Resource(type="tool", id="git/git_status"),
    context=types_pb2.Context(arguments_json=b'{"repo_path": "/r"}'),
)


RECONNECT_SOON = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
)
"""As clients on a local socket should; gRPC's own pace is for networks."""


def evaluate(channel: grpc.Channel, timeout: float = 60) -> types_pb2.Evaluation:
    stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
    return stub.Evaluate(QUESTION, timeout=timeout, wait_for_ready=True).evaluation


def evaluate_once_more(channel: grpc.Channel) -> types_pb2.Evaluation:
    """As a client with retries: the first calls may still go down with the old connection."""
    for _ in range(4):
        try:
            return evaluate(channel)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE
    return evaluate(channel)


@pytest.mark.req("avail-2", part=True)
def test_after_kill_minus_9_callers_are_back_on_the_same_paths_and_no_record_is_lost(
    governd: StartGovernd,
) -> None:
    daemon = governd()
    with grpc.insecure_channel(daemon.target("writer")) as channel:
        before = [evaluate(channel).decision_id for _ in range(20)]
        inode = daemon.sockets["writer"].stat().st_ino
        os.kill(daemon.daemon_pid, signal.SIGKILL)
        after = evaluate_once_more(channel)  # the very same channel reconnects by itself
    assert after.decision
    assert daemon.sockets["writer"].stat().st_ino != inode
    ids = [record["decision_id"] for record in daemon.decisions()]
    assert ids == [*before, after.decision_id], "what was answered is on record, in order"
    assert any(line["event"] == "daemon ended, restarting it" for line in daemon.log())


@pytest.mark.req("avail-2", part=True)
def test_kill_minus_9_under_load_loses_no_answered_decision(governd: StartGovernd) -> None:
    daemon = governd()
    answered: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(daemon.target("writer"), RECONNECT_SOON) as channel:
            while not stop.is_set():
                try:
                    answered.append(evaluate(channel).decision_id)
                except grpc.RpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE

    workers = [threading.Thread(target=ask) for _ in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        time.sleep(0.3)
        os.kill(daemon.daemon_pid, signal.SIGKILL)
        daemon.wait()
    stop.set()
    for worker in workers:
        worker.join()
    recorded = {record["decision_id"] for record in daemon.decisions()}  # each line parses
    assert len(answered) > 20
    assert set(answered) <= recorded


@pytest.mark.req("lc-3", part=True)
def test_sigterm_under_load_loses_no_call_that_has_begun(governd: StartGovernd) -> None:
    daemon = governd("[limits]\ncalls_per_second = 100000.0\nburst = 100000")
    answered: list[str] = []
    lost: list[grpc.RpcError] = []

    def ask() -> None:
        with grpc.insecure_channel(daemon.target("writer")) as channel:
            stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
            while True:
                try:
                    answered.append(stub.Evaluate(QUESTION, timeout=10).evaluation.decision_id)
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        lost.append(error)
                    return  # told to come back, or nobody there any more: it had not begun

    workers = [threading.Thread(target=ask) for _ in range(8)]
    for worker in workers:
        worker.start()
    time.sleep(0.7)
    assert daemon.stop() == 0
    for worker in workers:
        worker.join()
    assert not lost
    recorded = [record["decision_id"] for record in daemon.decisions()]
    assert set(answered) == set(recorded), "every decision on record was answered, and vice versa"
    assert len(answered) > 100
    assert not daemon.sockets["writer"].exists()


def test_health_says_not_serving_before_calls_are_refused(governd: StartGovernd) -> None:
    daemon = governd()
    daemon.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    assert daemon.process.wait(20) == 0  # type: ignore[union-attr]
    events = [line["event"] for line in daemon.log()]
    assert events.index("draining") < events.index("stopped")


def test_a_second_daemon_refuses_to_start_and_the_first_goes_on(governd: StartGovernd) -> None:
    first = governd()
    done = subprocess.run(
        [executable(), "run", "--config", str(first.config_file)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 78
    assert f"governd with pid {first.daemon_pid} holds it" in done.stderr
    with grpc.insecure_channel(first.target("writer")) as channel:
        assert evaluate(channel).decision


def refused_start(daemon: DaemonProcess) -> str:
    """What governd says when it will not start."""
    done = subprocess.run(
        [executable(), "run", "--config", str(daemon.config_file)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 78
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_socket_path_that_is_a_symbolic_link_is_refused(governd: StartGovernd) -> None:
    daemon = governd()
    assert daemon.stop() == 0
    daemon.sockets["writer"].symlink_to(daemon.directory / "elsewhere.sock")
    assert str(daemon.sockets["writer"]) in refused_start(daemon)


@as_root
def test_a_socket_path_that_another_user_owns_is_refused(governd: StartGovernd) -> None:
    daemon = governd()
    assert daemon.stop() == 0
    daemon.sockets["writer"].write_text("")
    os.chown(daemon.sockets["writer"], 65534, 65534)
    assert str(daemon.sockets["writer"]) in refused_start(daemon)


def test_a_state_directory_that_cannot_be_had_is_named(governd: StartGovernd) -> None:
    daemon = governd()
    assert daemon.stop() == 0
    shutil.rmtree(daemon.state_directory)
    daemon.state_directory.write_text("a file, not a directory")
    assert "state_directory" in refused_start(daemon)
