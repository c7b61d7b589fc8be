"""The policy compiler port: compiles in a process of its own, niced and short-lived.

Compiling takes seconds where there are thousands of policies and holds the interpreter all
the while, and what a policy makes Cedar trip over ends a process, not a call. So a new
process compiles (``compiler_main``), and leaves the compiled form in a file. This one reads
it in steps, with pauses in which calls are answered. A form that is there already, from
before a restart, is read at once and nothing is compiled.
"""

import asyncio
import contextlib
import ctypes
import gc
import hashlib
import json
import os
import signal
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn, cast

from governd import __version__
from governd.adapters import policy_directory
from governd.adapters.compiled_files import CompiledFiles
from governd.application.ports import CompilerError
from governd.errors import PolicyError, Problem
from governd.policy.compiled import CompiledPolicy
from governd.policy.form import FormError, Stamp
from governd.policy.form_reader import FormReader
from governd.policy.layout import known_digest

MAX_CPU_SECONDS = 120
MAX_SECONDS = 900.0
"""Until nobody waits any more: on a busy node, who gives way may have to wait for long."""
MAX_ANSWER_BYTES = 4 << 20
_MAX_SAID_BYTES = 64 << 10
_SAID_CHARS = 300
_PAUSE_SECONDS = 0.001
_M_MMAP_THRESHOLD = -3
_MADE_WITH = f"{__version__} cedarpy {version('cedarpy')}"
_COMMAND = (sys.executable, "-P", "-m", "governd.adapters.compiler_main")


class CompilerProcess:
    """Compiles policies, and keeps their compiled forms in a directory."""

    def __init__(
        self,
        directory: Path,
        *,
        command: Sequence[str] = _COMMAND,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        """Starts nothing yet.

        Args:
            directory: Of the compiled forms; made when the first is written.
            command: Starts the process; the directory is added to it.
            max_seconds: How long it may take; its CPU time has a limit of its own.
        """
        self._directory = directory
        self._files = CompiledFiles(directory)
        self._command = (*command, str(directory))
        self._max_seconds = max_seconds
        self._policy = policy_directory.base_policy()
        self._schema = policy_directory.base_schema()
        _give_back_large_blocks()

    def digest(self, files: Mapping[str, bytes]) -> str:
        """The digest that the compiled policy will have; ``""`` where that cannot be told."""
        return known_digest(files, self._policy)

    async def compile(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        """The policy in the files.

        Raises:
            PolicyError: The files are no good policy, with everything that is wrong.
            CompilerError: The process failed, or its file cannot be written.
        """
        stamp = self._stamp(await asyncio.to_thread(self.digest, files))
        kept = await self._read(stamp) if stamp.source else None
        if kept is not None:
            return kept
        await self._run(stamp, files)
        compiled = await self._read(stamp)
        if compiled is None:
            _fail(f"left nothing in {self._directory} that could be read")
        await asyncio.to_thread(self._files.tidy, stamp)
        return compiled

    def _stamp(self, digest: str) -> Stamp:
        base = hashlib.sha256(self._policy.encode() + b"\0" + self._schema.encode())
        return Stamp(_MADE_WITH, base.hexdigest(), digest)

    async def _read(self, stamp: Stamp) -> CompiledPolicy | None:
        """The policy of a form that is there, whole and of this source."""
        content = await asyncio.to_thread(self._files.read, stamp)
        if content is None:
            return None
        try:
            reader = await asyncio.to_thread(FormReader, content, stamp)
            with _uncollected():
                for _ in reader.steps():
                    await asyncio.sleep(_PAUSE_SECONDS)
        except FormError:
            return None
        return reader.policy()

    async def _run(self, stamp: Stamp, files: Mapping[str, bytes]) -> None:
        """Compiles; raises ``PolicyError`` unless a form was written."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"},  # 30 ms of imports
            )
        except OSError as error:
            _fail(f"cannot be started: {error.strerror}")
        try:
            async with asyncio.timeout(self._max_seconds):
                answer, said = await _converse(process, self._request(stamp, files))
                code = await process.wait()
        except TimeoutError:
            _fail(f"was not done within {self._max_seconds:g} s")
        finally:
            await _end(process)
        _judge(code, answer, said)

    def _request(self, stamp: Stamp, files: Mapping[str, bytes]) -> list[bytes]:
        head = {
            "stamp": stamp,
            "policy": self._policy,
            "schema": self._schema,
            "files": [(path, len(content)) for path, content in files.items()],
            "cpu_seconds": MAX_CPU_SECONDS,
        }
        return [json.dumps(head).encode() + b"\n", *files.values()]


def _give_back_large_blocks() -> None:
    """Has glibc give freed blocks of a megabyte, such as old forms, back to the system.

    It does so at first, but learns from the first block that is freed to keep the next one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Holds garbage collection off: what is loaded lives long, and walking it finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _converse(process: Process, request: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Sends a request; the answer, and what was said besides. The input stays open."""
    stdout, stderr = (cast("StreamReader", one) for one in (process.stdout, process.stderr))
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(_read_all(stdout, MAX_ANSWER_BYTES))
        said = tasks.create_task(_read_all(stderr, _MAX_SAID_BYTES))
        await _send(cast("StreamWriter", process.stdin), request)
    return answer.result(), said.result()


async def _send(stream: StreamWriter, pieces: Sequence[bytes]) -> None:
    # Why it hung up, its end will tell. uvloop raises RuntimeError for a pipe that it closed.
    with contextlib.suppress(ConnectionError, RuntimeError):
        for piece in pieces:
            stream.write(piece)
            await stream.drain()


async def _read_all(stream: StreamReader, most: int) -> bytes:
    """What a stream has until its end, as far as it is kept."""
    kept = b""
    while piece := await stream.read(1 << 16):
        kept = (kept + piece)[:most]
    return kept


async def _end(process: Process) -> None:
    """Ends a process, if it has not ended, and lets go of its pipes."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    cast("StreamWriter", process.stdin).close()


def _judge(code: int, answer: bytes, said: bytes) -> None:
    """Raises what a process that has ended failed with, or found wrong."""
    if code < 0:
        _fail(f"ended by {signal.Signals(-code).name}", said)
    try:
        said_of = json.loads(answer)
        failed, problems = said_of["failed"], [Problem(*one) for one in said_of["problems"]]
    except (ValueError, LookupError, TypeError, AttributeError):
        _fail(f"ended with {code} and no answer", said)
    if problems:
        raise (CompilerError if failed else PolicyError)(problems)


def _fail(message: str, said: bytes = b"") -> NoReturn:
    """Says that the compiler failed, with the end of what it said."""
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:_SAID_CHARS]
    raise CompilerError([Problem("policy", 0, f"the compiler {message}{last and f': {last}'}")])
