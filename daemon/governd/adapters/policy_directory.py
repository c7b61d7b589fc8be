"""A policy source in a directory, for example a mounted ConfigMap.

Reads what ``policy.source`` wants, within limits, following symbolic links only as long
as they stay inside (a ConfigMap's files and folders are such links). What cannot be
looked into is refused: a forbid may be in it. A directory that changes while it is read
is read again; one that does not come to rest is refused. Of a file that must not be
passed over but is not read (``layout.is_seen``), no more than the name is handed on.
Whatever the operating system says comes out as ``PolicyError``.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from governd.errors import PolicyError, Problem
from governd.policy.documents import MAX_FILE_BYTES
from governd.policy.layout import is_read, is_seen

MAX_FILES = 20_000
MAX_TOTAL_BYTES = 64 << 20
_ATTEMPTS = 3
_TWICE = "is a link to a folder that is read already"

State = tuple[str, int, int, int]
"""Path, inode, size and time of change of a file; zeros for one that is not read."""
Signature = tuple[State, ...]
"""The state of each file: equal while nothing changes."""


def base_schema() -> str:
    """The text of governd's schema."""
    return _base("schema.cedarschema")


def base_policy() -> str:
    """The text of governd's base policy."""
    return _base("base.cedar")


def _base(name: str) -> str:
    return resources.files("governd.policy").joinpath("base", name).read_text("utf-8")


class PolicyDirectory:
    """The policy source port over a directory."""

    def __init__(self, root: Path) -> None:
        """Takes the directory; it need not exist yet."""
        self._root = root

    def signature(self) -> Signature:
        """What identifies the directory's present state, without reading files.

        Raises:
            PolicyError: The directory is missing, too large, or cannot be read.
        """
        with _told(self._root):
            return tuple(sorted(self._scan()))

    def read(self) -> tuple[Signature, Mapping[str, bytes]]:
        """All files that a policy source consists of, and the state they are of.

        Raises:
            PolicyError: The directory is missing, too large, cannot be read, or does not
                come to rest.
        """
        for _ in range(_ATTEMPTS):
            before = self.signature()
            files = {path: self._read(path) if is_read(path) else b"" for path, *_ in before}
            if self.signature() == before:
                return before, files
        raise PolicyError([Problem(str(self._root), 0, "changes while it is being read")])

    def _scan(self) -> Iterator[State]:
        total = 0
        for count, state in enumerate(self._walk(), 1):
            total += state[2]
            if count > MAX_FILES or total > MAX_TOTAL_BYTES:
                message = f"has more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes"
                raise PolicyError([Problem(str(self._root), 0, message)])
            yield state

    def _walk(self) -> Iterator[State]:
        root = self._root.resolve()
        if not root.is_dir():
            raise PolicyError([Problem(str(self._root), 0, "is not a directory")])
        for relative in self._names(root):
            if is_read(relative):
                facts = self._stat(root, relative, wanted=stat.S_IFREG)
                yield relative, facts.st_ino, facts.st_size, facts.st_ctime_ns
            elif is_seen(relative):
                yield relative, 0, 0, 0

    def _names(self, root: Path) -> Iterator[str]:
        seen = {root.stat().st_ino}
        for folder, folders, names in os.walk(root, onerror=_refuse_folder, followlinks=True):
            here = Path(folder).relative_to(root)
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in folders:
                relative = (here / name).as_posix()
                inode = self._stat(root, relative).st_ino
                if inode in seen:
                    raise PolicyError([Problem(ascii(relative)[1:-1], 0, _TWICE)])
                seen.add(inode)
            yield from ((here / name).as_posix() for name in names)

    def _stat(self, root: Path, relative: str, *, wanted: int = stat.S_IFDIR) -> os.stat_result:
        name = ascii(relative)[1:-1]
        try:
            target = (root / relative).resolve(strict=True)
            facts = target.stat()
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise PolicyError([Problem(name, 0, f"cannot be read: {error}")]) from error
        if not target.is_relative_to(root):
            raise PolicyError([Problem(name, 0, "is a link that leads out of the directory")])
        if stat.S_IFMT(facts.st_mode) != wanted:
            raise PolicyError([Problem(name, 0, "is not a plain file")])
        return facts

    def _read(self, relative: str) -> bytes:
        try:
            with (self._root / relative).open("rb") as file:
                return file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise PolicyError([Problem(relative, 0, f"cannot be read: {error}")]) from error


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Turns what paths can raise (a circle of links, a name with a NUL) into one error."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise PolicyError([Problem(str(root), 0, f"cannot be read: {error}")]) from error


def _refuse_folder(error: OSError) -> None:
    raise PolicyError([Problem(str(error.filename), 0, f"cannot be read: {error.strerror}")])
