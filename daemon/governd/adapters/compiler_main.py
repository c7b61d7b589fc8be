"""The process that compiles a policy: ``python -m governd.adapters.compiler_main DIRECTORY``.

Started by ``compiler_process``, with which it shares what it reads and writes and nothing
else. Standard input: a line of JSON (stamp, governd's own policy and schema, the files with
their sizes), then the files' bytes. Standard output: a line of JSON with the problems that
were found, none where the compiled form is in the directory.

It gives way to everything else, uses no more CPU time than it is given, and ends when its
input does: then nobody waits for it any more.
"""

import contextlib
import gc
import json
import os
import resource
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from governd.adapters.compiled_files import CompiledFiles
from governd.errors import PolicyError, Problem
from governd.policy.compiler import compile_source
from governd.policy.form import Stamp, sealed
from governd.policy.source import read_source

_NICE = 10
_MAX_BYTES = 4 << 30
_MAX_PROBLEMS = 1_000
_MAX_MESSAGE_CHARS = 2_000


def main() -> int:
    """Compiles what standard input holds; always 0, the answer tells the rest."""
    os.nice(_NICE)
    gc.disable()  # it lives for seconds, and walking what it parses takes a third of them
    head, files = _request(sys.stdin.buffer)
    resource.setrlimit(resource.RLIMIT_CPU, (head["cpu_seconds"], head["cpu_seconds"] + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_BYTES, _MAX_BYTES))
    # Where memory runs out, this process goes and not the one that answers (proc(5)).
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    threading.Thread(target=_watch, daemon=True).start()
    failed, problems = _compile(CompiledFiles(Path(sys.argv[1])), head, files)
    sys.stdout.write(json.dumps({"failed": failed, "problems": _told(problems)}))
    return 0


def _request(stream: BinaryIO) -> tuple[dict[str, Any], dict[str, bytes]]:
    head: dict[str, Any] = json.loads(stream.readline())
    files = {path: stream.read(size) for path, size in head["files"]}
    if any(len(files[path]) != size for path, size in head["files"]):
        sys.exit("the input ended early")
    return head, files


def _watch() -> None:
    """Ends this process when its input ends: the one that started it is gone."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _compile(
    kept: CompiledFiles, head: dict[str, Any], files: dict[str, bytes]
) -> tuple[bool, Sequence[Problem]]:
    """Whether it failed for another reason than what the files say; and what is wrong."""
    try:
        source = read_source(files, head["policy"])
        stamp = Stamp(*head["stamp"])._replace(source=source.digest)
        pieces = list(sealed(stamp, compile_source(source, head["schema"])))
    except PolicyError as error:
        return False, error.problems
    try:
        kept.write(stamp, pieces)
    except PolicyError as error:
        return True, error.problems
    return False, ()


def _told(problems: Sequence[Problem]) -> list[tuple[str, int, str]]:
    """Problems, bounded: a thousand of them tell enough."""
    told = [(one.file, one.line, one.message[:_MAX_MESSAGE_CHARS]) for one in problems]
    more = len(told) - _MAX_PROBLEMS
    return told if more <= 0 else [*told[:_MAX_PROBLEMS], ("policy", 0, f"and {more} more")]


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # what it parsed need not be freed piece by piece
