"""Cerbos, the peer: an authorization server in Go, built on demand, as it comes.

It runs with its defaults on a Unix socket and has one policy, whose two conditions are
those that the demo's policy puts to a commit: the agent's capabilities cover what the tool
requires, and the message names a ticket. Unlike governd it records no decision: that is its
default, and faster.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import struct_pb2

from bench import builds
from bench.scenario import Bench

VERSION = "0.55.0"
CHECK = "/cerbos.svc.v1.CerbosService/CheckResources"
_MODULE = "github.com/cerbos/cerbos/cmd/cerbos"
_START_SECONDS = 20
_STOP_SECONDS = 15

_CONFIG = """\
server:
  grpcListenAddr: "unix:{folder}/cerbos.sock"
  httpListenAddr: "unix:{folder}/http.sock"
storage:
  driver: disk
  disk: {{ directory: "{folder}/policies", watchForChanges: true }}
telemetry: {{ disabled: true }}
"""
_POLICY = """\
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  version: default
  resource: tool
  rules:
    - actions: ["call"]
      effect: EFFECT_ALLOW
      roles: ["agent"]
      condition:
        match:
          all:
            of:
              - expr: R.attr.requires.isSubset(P.attr.capabilities)
              - expr: 'R.attr.message.startsWith("DEMO-") && R.attr.message.contains(": ")'
"""


@dataclass(frozen=True)
class Cerbos:
    """A Cerbos that runs.

    Attributes:
        pid: Its process.
        socket: Where it serves gRPC.
    """

    pid: int
    socket: Path


def program() -> Path:
    """The path of the program; building it takes minutes, once."""
    return builds.cached("cerbos", f"cerbos-{VERSION}", _build)


def _build(target: Path) -> None:
    folder = target.parent / "module"
    folder.mkdir()
    builds.go("mod", "init", "governd/bench/peer", folder=folder)
    builds.go("get", "-tool", f"{_MODULE}@v{VERSION}", folder=folder)
    builds.go("build", "-o", str(target), _MODULE, folder=folder)


@contextlib.contextmanager
def serving(bench: Bench) -> Iterator[Cerbos]:
    """Starts one, and stops it in the end."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    (folder / "policies").mkdir()
    (folder / "policies" / "tool.yaml").write_text(_POLICY, encoding="utf-8")
    config = folder / "cerbos.yaml"
    config.write_text(_CONFIG.format(folder=folder), encoding="utf-8")
    command = [str(program()), "server", f"--config={config}", "--log-level=error"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        socket = folder / "cerbos.sock"
        bench.load.wait([socket], timeout=_START_SECONDS)
        yield Cerbos(process.pid, socket)
    except BaseException:
        sys.stderr.buffer.write((folder / "log").read_bytes()[-2000:])
        raise
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


def question(number: str) -> bytes:
    """The CheckResources request that asks what ``bench.question.commit`` asks governd."""
    message = f"DEMO-{number}: say what it is for"
    principal = (
        _field(1, b"spiffe://example.org/agent/writer")
        + _field(3, b"agent")
        + _attribute(4, "capabilities", ["git:read", "git:write"])
    )
    resource = (
        _field(1, b"tool")
        + _field(3, b"git/git_commit")
        + _attribute(4, "requires", ["git:write"])
        + _attribute(4, "message", message)
    )
    entry = _field(1, b"call") + _field(2, resource)
    return _field(1, number.encode()) + _field(3, principal) + _field(4, entry)


def allowed(reply: bytes) -> bool:
    """Whether an answer is a permit: its map of actions says that "call" is EFFECT_ALLOW."""
    return _field(1, b"call") + b"\x10\x01" in reply


def _attribute(number: int, name: str, value: str | Sequence[str]) -> bytes:
    """An entry of a map from names to google.protobuf.Value."""
    wrapped = struct_pb2.Value()
    if isinstance(value, str):
        wrapped.string_value = value
    else:
        wrapped.list_value.extend(value)
    return _field(number, _field(1, name.encode()) + _field(2, wrapped.SerializeToString()))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes in protobuf's wire format: Cerbos' stubs are not worth a dependency."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content
