"""A real ``governd run`` in a directory of its own, for tests.

The fixture ``governd`` of ``tests/integration/conftest.py`` starts these.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from governd.cli import probe

ROOT = Path(__file__).parents[2]
DEMO_POLICY = ROOT / "demo" / "policy"
TRUST_DOMAIN = "example.org"
LISTENERS = {
    "reader": f"spiffe://{TRUST_DOMAIN}/agent/reader",
    "writer": f"spiffe://{TRUST_DOMAIN}/agent/writer",
    "git": f"spiffe://{TRUST_DOMAIN}/mcp/git",
}
"""The callers of the demo policy, by the name of their listener."""

START_SECONDS = 60.0
STOP_SECONDS = 20.0


def executable() -> str:
    """The ``governd`` command of this environment."""
    return str(Path(sys.executable).with_name("governd"))


class DaemonProcess:
    """One ``governd run`` and the files around it.

    Attributes:
        directory: All that follows is in it.
        config_file: Its configuration.
        policy_directory: A copy of a policy that a test may edit; reread within 50 ms.
        state_directory: Its lock and its decision log.
        decision_log: Its decisions, a JSON object a line.
        admin_socket: The operator's socket.
        sockets: The workload sockets by the name of their listener.
        stderr_file: What it wrote to standard error, over all its starts.
        environ: What is added to its environment.
        process: The supervising parent.
    """

    def __init__(self, directory: Path, listeners: Mapping[str, str]) -> None:
        """Names everything and starts nothing; ``listeners`` has SPIFFE IDs by name."""
        self.directory = directory
        self.config_file = directory / "governd.toml"
        self.policy_directory = directory / "policy"
        self.state_directory = directory / "state"
        self.decision_log = self.state_directory / "decisions.jsonl"
        self.stderr_file = directory / "stderr.jsonl"
        self.admin_socket = directory / "admin.sock"
        self.listeners = dict(listeners)
        self.sockets = {name: directory / f"{name}.sock" for name in listeners}
        self.environ: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The supervising parent's process id."""
        assert self.process is not None, "governd was not started"
        return self.process.pid

    @property
    def daemon_pid(self) -> int:
        """The process id of the daemon itself, the parent's only child."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii")
        return int(children)

    def target(self, name: str) -> str:
        """What a gRPC channel to the listener ``name``, or ``"admin"``, is opened with."""
        return f"unix:{self.admin_socket if name == 'admin' else self.sockets[name]}"

    def log(self) -> list[dict[str, Any]]:
        """What it has logged so far, over all its starts."""
        return [json.loads(line) for line in self.stderr_file.read_text("utf-8").splitlines()]

    def decisions(self) -> list[dict[str, Any]]:
        """What it has decided so far."""
        return [json.loads(line) for line in self.decision_log.read_text("utf-8").splitlines()]

    def write_config(self, settings: str = "", *, policy: bool = True) -> None:
        """Writes its configuration.

        Args:
            settings: TOML to put after the listeners, tables that are not set here.
            policy: Whether it has a policy directory.
        """
        listeners = "".join(
            f"[[listener]]\nname = {json.dumps(name)}\nsocket = {json.dumps(str(path))}\n"
            f"spiffe_id = {json.dumps(self.listeners[name])}\n"
            for name, path in self.sockets.items()
        )
        source = '[policy]\ndirectory = "policy"\npoll_interval_seconds = 0.05\n' if policy else ""
        metrics = "" if "[metrics]" in settings else '[metrics]\naddress = ""\n'
        text = f'state_directory = "state"\ntrust_domain = "{TRUST_DOMAIN}"\n'
        text += f'[admin]\nsocket = "admin.sock"\n{listeners}{source}{metrics}{settings}'
        self.config_file.write_text(text, encoding="utf-8")

    def start(self, *, serving: bool = True) -> None:
        """Starts it and waits until it answers.

        Args:
            serving: Whether it has to be ready, too, and not only to answer.
        """
        command = [executable(), "run", "--config", str(self.config_file)]
        environ = {**os.environ, **self.environ}
        with self.stderr_file.open("ab") as stderr:
            self.process = subprocess.Popen(command, stderr=stderr, env=environ)
        self.wait(serving=serving)

    def wait(self, *, serving: bool = True) -> float:
        """Waits until every socket answers; the seconds that it took."""
        began = time.monotonic()
        paths = [self.admin_socket, *self.sockets.values()]
        while not all(_answers(path, serving=serving) for path in paths):
            assert self.process is not None, "governd was not started"
            code = self.process.poll()
            assert code is None, f"governd ended with {code}: {self.stderr_file.read_text()}"
            late = time.monotonic() - began > START_SECONDS
            assert not late, f"governd does not serve: {self.stderr_file.read_text()}"
            time.sleep(0.01)
        return time.monotonic() - began

    def stop(self) -> int:
        """Asks it to stop with SIGTERM; the exit code."""
        assert self.process is not None, "governd was not started"
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Ends it whatever state it is in; its child drains when the parent is gone."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                os.kill(self.daemon_pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()


class StartGovernd(Protocol):
    """The fixture ``governd``."""

    def __call__(
        self,
        settings: str = "",
        *,
        listeners: Mapping[str, str] = ...,
        policy: Path | None = ...,
        environ: Mapping[str, str] = ...,
        serving: bool = ...,
    ) -> DaemonProcess:
        """Starts a governd and returns when it serves.

        Args:
            settings: TOML to put after the listeners, e.g. a ``[limits]`` table.
            listeners: SPIFFE IDs by the name of their workload listener.
            policy: A policy directory to copy; ``None`` for a governd without policy.
            environ: Added to its environment.
            serving: Whether to wait until it is ready; without policy it never is.
        """


def prepare(
    directory: Path, settings: str, listeners: Mapping[str, str], policy: Path | None
) -> DaemonProcess:
    """A governd in ``directory``, all written and not started."""
    directory.mkdir(mode=0o700)
    daemon = DaemonProcess(directory, listeners)
    daemon.write_config(settings, policy=policy is not None)
    if policy is not None:
        shutil.copytree(policy, daemon.policy_directory)
    return daemon


def _answers(path: Path, *, serving: bool) -> bool:
    try:
        return probe.check(path, timeout=1) == probe.SERVING or not serving
    except probe.ProbeError:
        return False
