"""The command line against a real governd."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon_process import DaemonProcess, StartGovernd, executable

READER = "spiffe://example.org/agent/reader"
WRITER = "spiffe://example.org/agent/writer"
COMMIT = ("tools/call", "tool:git/git_commit")
GOOD = '{"repo_path": "/srv/repo", "message": "DEMO-1: add the plan"}'
BAD = '{"repo_path": "/srv/repo", "message": "wip"}'


def cli(*arguments: object, code: int = 0, stdin: bytes = b"", **environ: str) -> str:
    """What a verb writes, once its exit code is as expected and nothing leaks."""
    done = subprocess.run(
        [executable(), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environ},
        timeout=30,
        check=False,
    )
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


def answer(*arguments: object, code: int = 0, stdin: bytes = b"", **environ: str) -> dict[str, Any]:
    """The JSON object that a verb prints."""
    found = json.loads(cli(*arguments, "--json", code=code, stdin=stdin, **environ))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def daemon(governd: StartGovernd) -> DaemonProcess:
    """A governd with the demo policy."""
    return governd()


@pytest.mark.req("lc-2", part=True)
def test_healthcheck_says_serving_on_every_socket(daemon: DaemonProcess) -> None:
    for path in (daemon.admin_socket, *daemon.sockets.values()):
        assert cli("healthcheck", "--socket", path) == "serving\n"
        assert cli("healthcheck", "--socket", f"unix://{path}") == "serving\n"
    assert cli("healthcheck", GOVERND_ADMIN_SOCKET=str(daemon.admin_socket)) == "serving\n"


@pytest.mark.req("lc-2", part=True)
def test_without_policy_governd_is_alive_and_not_ready(governd: StartGovernd) -> None:
    admin = governd(policy=None).admin_socket
    assert cli("healthcheck", "--socket", admin, code=1) == "not serving\n"
    assert answer("healthcheck", "--socket", admin, code=1) == {
        "socket": str(admin),
        "service": "",
        "status": "NOT_SERVING",
        "error": "",
    }
    cli("healthcheck", "--socket", admin, "--service", "governd.v1.AdminService")
    cli("healthcheck", "--socket", admin, "--service", "governd.v1.PolicyService", code=1)


def test_healthcheck_names_a_service_that_governd_does_not_have(daemon: DaemonProcess) -> None:
    said = cli("healthcheck", "--socket", daemon.admin_socket, "--service", "nope", code=1)
    assert said == 'governd: governd has no service "nope"\n'


def test_an_absent_governd_is_told_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "none.sock"
    said = f"governd: no socket at {path}; is governd running"
    assert cli("healthcheck", "--socket", path, code=1).startswith(said)
    assert cli("whoami", "--socket", path, code=3).startswith(said)
    assert cli("status", "--admin-socket", path, code=3).startswith(said)


def test_a_socket_that_a_dead_governd_left_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert "nothing listens" in cli("healthcheck", "--socket", path, code=1)
    assert "nothing answers" in cli("whoami", "--socket", path, code=3)


def serve_bytes(path: Path, chunks: Iterator[bytes], pause: float) -> threading.Thread:
    """Sends chunks to the first who connects, however little they make sense."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def talk() -> None:
        with server, server.accept()[0] as connection:
            try:
                connection.recv(65536)
                for chunk in chunks:
                    connection.sendall(chunk)
                    time.sleep(pause)
            except OSError:
                return

    thread = threading.Thread(target=talk)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("chunks", "pause", "said"),
    [
        ([b""], 1.5, "no answer on"),
        ([b"\0\0\0\x04\0\0\0\0\0"] * 100, 0.05, "no answer on"),
        ([b"\0\0\0\x04\0\0\0\0\0" * 1000] * 100, 0.0, "has more than 65536 bytes"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], 0.0, "is this governd's socket?"),
        ([b"\0\0\0\0\0\0\0\0\0"], 0.0, "does not speak gRPC"),
        ([], 0.0, "before an answer"),
    ],
    ids=["silent", "dripping", "endless", "of HTTP/1", "of nonsense", "closing"],
)
def test_healthcheck_is_not_held_up_or_fooled_by_a_server_that_is(
    tmp_path: Path, chunks: list[bytes], pause: float, said: str
) -> None:
    path = tmp_path / "odd.sock"
    thread = serve_bytes(path, iter(chunks), pause)
    patience = "0.5" if said == "no answer on" else "20"
    began = time.monotonic()
    assert said in cli("healthcheck", "--socket", path, "--timeout", patience, code=1)
    assert time.monotonic() - began < 20, "it is held up"
    thread.join()


def test_whoami_tells_the_caller_of_the_socket(daemon: DaemonProcess) -> None:
    found = answer("whoami", GOVERND_SOCKET=str(daemon.sockets["writer"]))
    assert datetime.fromisoformat(found.pop("not_after")) > datetime.now(UTC)
    assert found == {
        "spiffe_id": WRITER,
        "attestation": "static",
        "facts": {"listener": "writer"},
        "tenant": "",
        "phase": "ready",
        "reason": "",
    }
    assert WRITER in cli("whoami", "--socket", daemon.sockets["writer"])


def test_evaluate_exits_with_the_decision(daemon: DaemonProcess) -> None:
    writer = ("--socket", daemon.sockets["writer"])
    allowed = answer("evaluate", *COMMIT, "--arguments", GOOD, *writer)
    assert (allowed["decision"], allowed["code"]) == (True, "PERMITTED")
    denied = answer("evaluate", *COMMIT, "--arguments", BAD, *writer, code=1)
    assert denied["reasons"] == ["git/commit-names-its-ticket"]
    assert [one["decision_id"] for one in daemon.decisions()] == [
        allowed["decision_id"],
        denied["decision_id"],
    ]
    assert cli("evaluate", *COMMIT, "--arguments", BAD, *writer, code=1).startswith("deny")


def test_evaluate_takes_arguments_from_a_file_and_standard_input(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "call.json"
    file.write_text(GOOD)
    writer = ("--socket", daemon.sockets["writer"])
    cli("evaluate", *COMMIT, *writer, "--arguments", f"@{file}")
    cli("evaluate", *COMMIT, *writer, "--arguments", "-", stdin=GOOD.encode())
    cli("evaluate", *COMMIT, *writer, "--arguments", "-", stdin=BAD.encode(), code=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tools/call", "git"), "RESOURCE: 'git' is not TYPE:ID"),
        ((*COMMIT, "--arguments", '{"a": 1, "a": 2}'), "(ARGUMENTS_INVALID)"),
        ((*COMMIT, "--arguments", b"\xff\xfe"), "(ARGUMENTS_INVALID)"),
        ((*COMMIT, "--arguments", "@/nope"), "cannot read /nope"),
        ((*COMMIT, "--subject", "nobody"), "(REQUEST_INVALID)"),
        (("tools/\x1b[2Jcall", "tool:git/git_commit"), "(REQUEST_INVALID)"),
    ],
    ids=str,
)
def test_a_question_that_cannot_be_asked_is_usage(
    daemon: DaemonProcess, arguments: tuple[str | bytes, ...], said: str
) -> None:
    words = [one if isinstance(one, str) else os.fsdecode(one) for one in arguments]
    found = cli("evaluate", "--socket", daemon.sockets["writer"], *words, code=2)
    assert found.startswith("governd: ")
    assert said in found
    assert found.count("\n") == 1
    assert "\x1b" not in found


def test_evaluate_about_another_is_refused_and_no_decision(daemon: DaemonProcess) -> None:
    reader = ("--socket", daemon.sockets["reader"])
    said = cli("evaluate", *COMMIT, *reader, "--subject", WRITER, code=3)
    assert "(SUBJECT_NOT_ALLOWED)" in said
    assert daemon.decisions() == []


def test_the_wrong_socket_is_told(daemon: DaemonProcess) -> None:
    said = cli("evaluate", *COMMIT, "--socket", daemon.admin_socket, code=3)
    assert "is not a workload socket" in said
    assert "is not the admin socket" in cli(
        "status", "--admin-socket", daemon.sockets["reader"], code=3
    )


def test_explain_tells_why_and_records_nothing(daemon: DaemonProcess) -> None:
    admin = ("--admin-socket", daemon.admin_socket)
    found = answer("explain", "--caller", WRITER, *COMMIT, "--arguments", BAD, *admin)
    assert (found["decision"], found["code"]) == (False, "FORBIDDEN")
    first, *others = found["policies"]
    assert (first["policy_id"], first["determining"]) == ("git/commit-names-its-ticket", True)
    assert (first["file"], first["line"] > 0) == ("policies/git.cedar", True)
    assert all(one["first_false"] for one in others if not one["applied"])
    said = cli("explain", "--caller", READER, *COMMIT, "--arguments", GOOD, *admin)
    assert said.startswith("deny  NOT_PERMITTED")
    assert "false: " in said
    assert daemon.decisions() == []


def test_explain_names_arguments_that_no_policy_sees(daemon: DaemonProcess) -> None:
    arguments = json.dumps({**json.loads(GOOD), "sudo": True})
    options = ("--admin-socket", daemon.admin_socket, "--arguments", arguments)
    found = answer("explain", "--caller", WRITER, *COMMIT, *options)
    assert found["undeclared_arguments"] == ["sudo"]


def test_status_and_callers_tell_what_is_there(daemon: DaemonProcess) -> None:
    admin = ("--admin-socket", daemon.admin_socket)
    cli("whoami", "--socket", daemon.sockets["reader"])
    status = answer("status", *admin)
    assert (status["ready"], status["listeners"]) == (True, 3)
    names = {"policy", "identity", "listeners", "decision_log"}
    names |= {"tools", "agents", "revocations", "tokens"}
    assert {one["name"] for one in status["components"]} == names
    assert status["policy"]["digest"].startswith("sha-256:")
    assert "ready" in cli("status", *admin)
    callers = {one["spiffe_id"]: one for one in answer("caller", "list", *admin)["callers"]}
    assert callers[READER]["calls"] >= 1
    assert callers[READER]["listener"] == str(daemon.sockets["reader"])
    assert WRITER in cli("caller", "list", *admin)


def test_an_unsafe_setting_is_loud(governd: StartGovernd) -> None:
    daemon = governd("[decision_log]\nunsafe_answer_without_log = true\n")
    said = cli("status", "--admin-socket", daemon.admin_socket)
    assert "UNSAFE: decision_log.unsafe_answer_without_log is on" in said


@pytest.mark.req("lc-6", part=True)
def test_reload_puts_a_good_policy_in_force_and_refuses_a_bad_one(governd: StartGovernd) -> None:
    daemon = governd()
    admin = ("--admin-socket", daemon.admin_socket)
    before = answer("policy", "reload", *admin)
    assert before["changed"] is False
    policy = daemon.policy_directory / "policies" / "git.cedar"
    good = policy.read_text()
    policy.write_text(f"{good}\nforbid (principal;")
    said = cli("policy", "reload", *admin, code=1)
    assert said.startswith("policies/git.cedar:")
    assert said.endswith("refused, the last good policy stays in force\n")
    assert answer("status", *admin)["policy"]["digest"] == before["policy"]["digest"]
    assert "the policy source was refused" in cli("status", *admin)
    policy.write_text(f'{good}\n@id("more")\nforbid (principal, action, resource);\n')
    cli("policy", "reload", *admin)
    assert answer("status", *admin)["policy"]["digest"] != before["policy"]["digest"]


def test_the_demo_policy_passes_its_own_lint_and_cases(daemon: DaemonProcess) -> None:
    cli("policy", "lint", daemon.policy_directory, "--strict")
    cli("policy", "test", daemon.policy_directory)


def test_validate_agrees_with_run_about_a_configuration(daemon: DaemonProcess) -> None:
    cli("validate", "--config", daemon.config_file)
    daemon.stop()
    daemon.config_file.write_text("nope = 1\n")
    said = cli("validate", "--config", daemon.config_file, code=1)
    assert f"{daemon.config_file}:1: nope: unknown key" in said
    assert f"{daemon.config_file}:1: nope: unknown key" in cli(
        "run", "--config", daemon.config_file, code=78
    )


def test_run_takes_its_configuration_from_the_environment(daemon: DaemonProcess) -> None:
    assert daemon.stop() == 0
    daemon.config_file.write_text("nope = 1\n")
    said = cli(
        "run", code=78, GOVERND_CONFIG=str(daemon.config_file), GOVERND_ADMIN_SOCKET="/nowhere"
    )
    assert f"{daemon.config_file}:1: nope: unknown key" in said
    assert "GOVERND_ADMIN_SOCKET" not in said


def test_a_second_governd_is_refused_in_one_line(daemon: DaemonProcess) -> None:
    said = cli("run", "--config", daemon.config_file, code=78)
    assert said.splitlines()[-1].startswith("governd: cannot start: ")


def test_paths_with_odd_characters_are_reached(governd: StartGovernd, tmp_path: Path) -> None:
    daemon = governd()
    for name in ("a b%41?#.sock", "ü.sock", f"{'long' * 30}.sock"):
        link = tmp_path / name
        link.symlink_to(daemon.sockets["reader"])
        assert cli("healthcheck", "--socket", link) == "serving\n"
        assert answer("whoami", "--socket", link)["spiffe_id"] == READER


def test_output_that_nobody_reads_to_the_end_is_no_error(daemon: DaemonProcess) -> None:
    command = f"{executable()} status --admin-socket {daemon.admin_socket} | head -c 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert b"Traceback" not in done.stderr


def test_an_interrupt_ends_a_verb_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        command = [executable(), "healthcheck", "--socket", str(path), "--timeout", "20"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            connection, _ = server.accept()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=10)
            connection.close()
    assert (process.returncode, said) == (130, b"")


def test_the_supervising_parent_is_small(daemon: DaemonProcess) -> None:
    bare = subprocess.run(
        [sys.executable, "-c", "print(open('/proc/self/status').read())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ours = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
    assert resident(ours) < resident(bare) + 6 * 1024


def resident(status: str) -> int:
    """The resident memory in a ``/proc/PID/status``, in KiB."""
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])
