"""A policy is compiled in a process of its own, and what that process does stays there."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import pytest

from governd._proto.governd.v1 import policy_service_pb2_grpc
from governd.adapters.compiler_process import CompilerProcess
from governd.application.ports import CompilerError, PolicyCompilerPort
from governd.errors import PolicyError
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.integration.daemon_process import DaemonProcess, StartGovernd
from tests.integration.test_policy_changes import RESET, evaluate, reload, status
from tests.policies import PERMIT_ALL, ask, base, schema_text, source_files

FILES = source_files(PERMIT_ALL)
MAIN = "governd.adapters.compiler_main"
SITE = """
import os, pathlib, signal, sys
if {main!r} in sys.orig_argv:
    here = pathlib.Path({directory!r})
    with (here / "started").open("a") as file:
        file.write("x")
    if (here / "crash").exists():
        os.kill(os.getpid(), signal.SIGSEGV)
"""


def fake(_: Path) -> PolicyCompilerPort:
    return FakePolicyCompiler()


def process(directory: Path) -> PolicyCompilerPort:
    return CompilerProcess(directory / "compiled")


@pytest.fixture(params=[fake, process], ids=["fake", "process"])
def compiler(request: pytest.FixtureRequest, tmp_path: Path) -> PolicyCompilerPort:
    """What every policy compiler does, the fake and the process alike, is asked of both."""
    make: Callable[[Path], PolicyCompilerPort] = request.param
    return make(tmp_path)


async def test_good_files_become_a_policy_of_their_digest(compiler: PolicyCompilerPort) -> None:
    policy = await compiler.compile(FILES)
    assert policy.digest == compiler.digest(FILES)
    assert ask(policy).reasons == ("all",)


async def test_everything_that_is_wrong_is_named_with_file_and_line(
    compiler: PolicyCompilerPort,
) -> None:
    files = source_files("\npermit (principal, action, resource) when { principal.nope };")
    with pytest.raises(PolicyError) as refused:
        await compiler.compile(files)
    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == ("policies/test.cedar", 2)
    with pytest.raises(PolicyError) as refused:
        await compiler.compile(source_files("oops; oops;", extra={"tools/x.json": "1"}))
    assert {one.file for one in refused.value.problems} == {"policies/test.cedar", "tools/x.json"}


async def test_files_with_odd_names_are_refused_too(compiler: PolicyCompilerPort) -> None:
    for odd in ("policies/\udcff.cedar", "policies/x.ceder"):
        files = {**FILES, odd: b""}
        assert compiler.digest(files) == ""
        with pytest.raises(PolicyError):
            await compiler.compile(files)


def failing(directory: Path, *command: str, seconds: float = 20.0) -> CompilerProcess:
    return CompilerProcess(
        directory / "compiled", command=command or ("false",), max_seconds=seconds
    )


async def test_what_was_compiled_once_is_not_compiled_again(tmp_path: Path) -> None:
    await CompilerProcess(tmp_path / "compiled").compile(FILES)
    assert ask(await failing(tmp_path).compile(FILES)).allowed
    with pytest.raises(PolicyError):
        await failing(tmp_path).compile(source_files(""))


async def test_a_compiled_form_that_was_tampered_with_is_compiled_again(tmp_path: Path) -> None:
    compiler = CompilerProcess(tmp_path / "compiled")
    await compiler.compile(source_files(""))
    (form,) = (tmp_path / "compiled").iterdir()
    form.write_bytes(form.read_bytes().replace(b'"forbid"', b'"permit"'))
    with pytest.raises(PolicyError):
        await failing(tmp_path).compile(source_files(""))
    await compiler.compile(source_files(""))
    assert not ask(await failing(tmp_path).compile(source_files(""))).allowed


async def test_a_directory_that_cannot_be_made_is_named_and_may_be_there_later(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "compiled"
    folder.symlink_to(tmp_path)
    with pytest.raises(CompilerError) as refused:
        await CompilerProcess(folder).compile(FILES)
    assert refused.value.problems[0].file == str(folder)


def python(text: str) -> Sequence[str]:
    return sys.executable, "-c", text


CRASHES = {
    "a crash": (
        python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
        "the compiler ended by SIGSEGV",
    ),
    "an error": (
        python("raise SystemExit('a long story\\nno memory')"),
        "the compiler ended with 1 and no answer: no memory",
    ),
    "an answer that is none": (
        python("print('[]')"),
        "the compiler ended with 0 and no answer",
    ),
    "an answer without a form": (
        python('print(\'{"failed": false, "problems": []}\')'),
        "the compiler left nothing in ",
    ),
    "more than anybody reads": (
        python("import sys; sys.stdout.write('x' * (8 << 20))"),
        "the compiler ended with 0 and no answer",
    ),
    "a program that is not there": (("/nonexistent",), "the compiler cannot be started"),
    "no end": (python("import time; time.sleep(60)"), "the compiler was not done within 0.5 s"),
}


@pytest.mark.parametrize(("command", "said"), CRASHES.values(), ids=CRASHES.keys())
async def test_a_compiler_that_fails_says_how(
    tmp_path: Path, command: Sequence[str], said: str
) -> None:
    seconds = 0.5 if "0.5" in said else 20.0
    with pytest.raises(CompilerError) as refused:
        await failing(tmp_path, *command, seconds=seconds).compile(FILES)
    assert refused.value.problems[0].message.startswith(said)


def started() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", MAIN, "/nonexistent/compiled"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def request(count: int, *, seconds: int = 600) -> bytes:
    policies = "".join(
        f'@id("p{number}") permit (principal, action, resource) when {{ {number} == 1 }};'
        for number in range(count)
    )
    files = source_files(policies)
    head = {
        "stamp": ["", "", ""],
        "policy": base(),
        "schema": schema_text(),
        "files": [(path, len(content)) for path, content in files.items()],
        "cpu_seconds": seconds,
    }
    return json.dumps(head).encode() + b"\n" + b"".join(files.values())


def test_the_compiler_gives_way_to_everything_else() -> None:
    with started() as compiler:
        assert compiler.stdin
        began = time.monotonic()
        while os.getpriority(os.PRIO_PROCESS, compiler.pid) < 10:
            assert time.monotonic() - began < 20, "is not nice"
            time.sleep(0.02)
        compiler.stdin.close()
    assert compiler.returncode == 1


def test_the_compiler_ends_when_the_one_that_started_it_is_gone() -> None:
    with started() as compiler:
        assert compiler.stdin
        compiler.stdin.write(request(20_000))  # some ten seconds' work
        compiler.stdin.close()
        assert compiler.wait(60) == 1


def test_the_compiler_s_cpu_time_is_bounded() -> None:
    with started() as compiler:
        assert compiler.stdin
        compiler.stdin.write(request(20_000, seconds=1))
        compiler.stdin.flush()
        assert compiler.wait() == -signal.SIGXCPU


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """An environment in which starts of the compiler are counted, and may crash it."""
    site = tmp_path / "site"
    site.mkdir()
    text = SITE.format(main=MAIN, directory=str(tmp_path))
    (site / "sitecustomize.py").write_text(text)
    return {"PYTHONPATH": str(site)}


def starts(directory: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return len((directory / "started").read_text())
    return 0


def put(daemon: DaemonProcess, text: str) -> None:
    """Writes a policy file in one step: a daemon that looks sees the old or the new one."""
    new = daemon.directory / "new.cedar"
    new.write_text(text)
    new.rename(daemon.policy_directory / "policies" / "git.cedar")


def written(daemon: DaemonProcess) -> str:
    return (daemon.policy_directory / "policies" / "git.cedar").read_text()


def edit(daemon: DaemonProcess) -> None:
    put(daemon, written(daemon) + "\n// edited\n")


def test_a_compiler_that_crashes_leaves_the_last_good_policy(
    governd: StartGovernd, tmp_path: Path, watched: dict[str, str]
) -> None:
    daemon = governd(environ=watched)
    good = evaluate(daemon)
    (tmp_path / "crash").touch()
    edit(daemon)
    with pytest.raises(Exception, match="SIGSEGV"):
        reload(daemon)
    assert evaluate(daemon).policy.epoch == good.policy.epoch
    assert "ended by SIGSEGV" in status(daemon).policy_problems[0].message
    (tmp_path / "crash").unlink()
    assert reload(daemon).changed
    assert not status(daemon).policy_problems


def test_a_restart_does_not_compile_again(
    governd: StartGovernd, tmp_path: Path, watched: dict[str, str]
) -> None:
    daemon = governd(environ=watched)
    before = evaluate(daemon)
    assert starts(tmp_path) == 1
    os.kill(daemon.daemon_pid, signal.SIGKILL)
    time.sleep(0.1)
    daemon.wait()
    after = evaluate(daemon)
    assert (after.policy.digest, after.code) == (before.policy.digest, before.code)
    assert after.policy.epoch != before.policy.epoch
    assert starts(tmp_path) == 1


def test_going_back_to_the_policy_before_does_not_compile_either(
    governd: StartGovernd, tmp_path: Path, watched: dict[str, str]
) -> None:
    daemon = governd(environ=watched)
    text = written(daemon)
    edit(daemon)
    reload(daemon)
    put(daemon, text)
    reload(daemon)
    assert starts(tmp_path) == 2
    assert len(list((daemon.state_directory / "compiled").iterdir())) == 2


def test_starting_the_compiler_is_safe_while_calls_are_served(governd: StartGovernd) -> None:
    """GRPC's fork handlers killed one child in ten."""
    daemon = governd("[limits]\ncalls_per_second = 100000.0\nburst = 100000")
    manifest = daemon.policy_directory / "manifest.toml"
    text = manifest.read_text()
    stop = threading.Event()
    with grpc.insecure_channel(daemon.target("writer")) as channel:
        callers = [threading.Thread(target=_keep_asking, args=(channel, stop)) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            for number in range(20):
                manifest.write_text(f"{text}# {number}\n")
                reload(daemon)
        finally:
            stop.set()
            for caller in callers:
                caller.join()


def _keep_asking(channel: grpc.Channel, stop: threading.Event) -> None:
    stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
    while not stop.is_set():
        stub.Evaluate(RESET, timeout=10)
