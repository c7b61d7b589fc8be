"""The parts of the demo: a repository, governd, and the MCP proxy, each a real process."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.outside import CONFIG, Outside
from demo.tls import Tls

BIN = Path(sys.executable).parent
POLICY = Path(__file__).parent / "policy"
READER = "spiffe://example.org/agent/reader"
WRITER = "spiffe://example.org/agent/writer"
GIT = "spiffe://example.org/mcp/git"
NOTES = "spiffe://example.org/mcp/notes"
NOTES_ORIGIN = "http://localhost"
"""Under which its agents call it: behind each of its sockets there is nobody else."""
AGENTS = ("reader", "writer")
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0

_CONFIG = """\
# Development: every socket below belongs to one fixed identity.
state_directory = "state"
trust_domain = "example.org"

[admin]
socket = "admin.sock"

[policy]
directory = "policy"
poll_interval_seconds = 0.2

[metrics]
address = "127.0.0.1:0"

[log]
decisions = "none"

"""
_LISTENER = """\
[[listener]]
name = "{name}"
socket = "{name}.sock"
spiffe_id = "{spiffe_id}"

"""


@dataclass(frozen=True)
class World:
    """Where everything is.

    Attributes:
        root: Scratch directory.
        outside: What is not on the node.
    """

    root: Path
    outside: Outside

    @property
    def repository(self) -> Path:
        """The git repository that the MCP server works on."""
        return self.root / "repository"

    @property
    def policy(self) -> Path:
        """The policy directory, a copy that the demo edits."""
        return self.root / "policy"

    def governd_socket(self, name: str) -> Path:
        """Governd's socket for one workload."""
        return self.root / f"{name}.sock"

    def agent_socket(self, server: str, agent: str) -> Path:
        """An MCP server's socket for one agent."""
        return self.root / "mcp" / server / f"{agent}.sock"

    def git(self, *arguments: str) -> str:
        """What git prints in the repository."""
        done = subprocess.run(
            ["git", "-C", str(self.repository), *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def decisions(self) -> list[dict[str, Any]]:
        """Every record of the decision log."""
        lines = (self.root / "state" / "decisions.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def governd(self, *arguments: str) -> dict[str, Any]:
        """What a verb of the command line prints, as JSON."""
        parsed: dict[str, Any] = json.loads(self.told(*arguments, "--json"))
        return parsed

    def told(self, *arguments: str, stdin: str = "") -> str:
        """What a verb of the command line prints."""
        done = subprocess.run(
            [str(BIN / "governd"), *arguments],
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "GOVERND_ADMIN_SOCKET": str(self.root / "admin.sock")},
        )
        if not done.stdout:
            raise RuntimeError(done.stderr)
        return done.stdout

    @contextmanager
    def notes(self, edition: str) -> Iterator[None]:
        """The notes server in one edition, from when it serves until it is stopped."""
        started = time.time()
        with _server(self, "notes", ["-m", "demo.notes", "--edition", edition]):
            sockets = [self.agent_socket("notes", agent) for agent in AGENTS]
            _wait_for("the notes server", lambda: all(_is_newer(one, started) for one in sockets))
            yield


@contextmanager
def running(root: Path) -> Iterator[World]:
    """A world with everything started, and stopped at the end."""
    world = World(root, Outside(Tls(root / "tls")))
    _make_repository(world)
    shutil.copytree(POLICY, world.policy)
    world.outside.join(world.policy)
    _write_config(world)
    with ExitStack() as stack:
        stack.enter_context(world.outside.serving(world.governd_socket("reader")))
        stack.enter_context(_governd(world))
        _wait_for("governd", lambda: _is_healthy(world))
        proxy = ["-m", "demo.proxy", "--repository", str(world.repository)]
        stack.enter_context(_server(world, "git", proxy))
        sockets = [world.agent_socket("git", agent) for agent in AGENTS]
        _wait_for("the MCP proxy", lambda: all(socket.exists() for socket in sockets))
        yield world


def _make_repository(world: World) -> None:
    world.repository.mkdir()
    world.git("init", "--quiet", "--initial-branch", "main")
    world.git("config", "user.name", "demo")
    world.git("config", "user.email", "demo@example.org")
    (world.repository / "README").write_text("A scratch repository.\n")
    world.git("add", ".")
    world.git("commit", "--quiet", "--message", "Begin")


def _write_config(world: World) -> None:
    identities = {"reader": READER, "writer": WRITER, "git": GIT, "notes": NOTES}
    listeners = [_LISTENER.format(name=name, spiffe_id=i) for name, i in identities.items()]
    issuers = CONFIG.format(authorities=world.outside.tls.authorities)
    (world.root / "governd.toml").write_text(_CONFIG + "".join(listeners) + issuers)


def _governd(world: World) -> AbstractContextManager[None]:
    config = str(world.root / "governd.toml")
    return _process(world, "governd", [str(BIN / "governd"), "run", "--config", config], {})


def _server(world: World, name: str, program: list[str]) -> AbstractContextManager[None]:
    """An MCP server, as the workload that the policy knows under its name."""
    directory = world.agent_socket(name, "").parent
    directory.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, *program),
        *("--directory", str(directory)),
        *("--agent", READER, "--agent", WRITER),
    ]
    return _process(world, name, command, {"GOVERND_SOCKET": str(world.governd_socket(name))})


def _is_newer(path: Path, time: float) -> bool:
    return path.exists() and path.stat().st_mtime >= time


@contextmanager
def _process(
    world: World, name: str, command: list[str], environment: dict[str, str]
) -> Iterator[None]:
    """A process that is told to stop at the end; its output is kept in a file."""
    with (world.root / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parent.parent,
            env={**os.environ, **environment},
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_healthy(world: World) -> bool:
    command = [str(BIN / "governd"), "healthcheck", "--socket", str(world.root / "admin.sock")]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _wait_for(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            message = f"{what} does not start"
            raise TimeoutError(message)
        time.sleep(0.05)
