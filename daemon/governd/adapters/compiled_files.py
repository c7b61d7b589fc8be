"""Compiled forms of policies, kept in a directory by the digest of their source.

A form that is kept decides what is permitted, without its source being read again: it is
taken only from a directory and a plain file that belong to this user and to which nobody
else has any right. Whatever is odd counts as not there. Writing goes to a name of its own
and ends with a rename, so a form is there as a whole or not at all.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from governd.errors import PolicyError, Problem
from governd.policy.form import Stamp

KEPT = 2
"""How many forms are kept: the one in force, and the newest of the others."""
MAX_BYTES = 1 << 30
_SUFFIX = ".jsonl"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class CompiledFiles:
    """Forms in a directory."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory; it is made when the first form is written."""
        self._directory = directory

    def read(self, stamp: Stamp) -> bytes | None:
        """The form of a source; ``None`` where there is none that can be trusted."""
        try:
            with self._opened() as folder:
                fd = os.open(_name(stamp), _READ, dir_fd=folder)
                with os.fdopen(fd, "rb") as file:
                    facts = os.fstat(fd)
                    fine = _is_ours(facts) and stat.S_ISREG(facts.st_mode)
                    return file.read() if fine and facts.st_size <= MAX_BYTES else None
        except OSError:
            return None

    def write(self, stamp: Stamp, pieces: Iterable[bytes]) -> None:
        """Keeps a form.

        Raises:
            PolicyError: It cannot be written.
        """
        temporary = f"{_name(stamp)}.{os.getpid()}"
        try:
            self._directory.mkdir(mode=_MODE, exist_ok=True)
            with self._opened() as folder:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
                fd = os.open(temporary, _WRITE, 0o600, dir_fd=folder)
                with os.fdopen(fd, "wb") as file:
                    file.writelines(pieces)
                os.rename(temporary, _name(stamp), src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            message = f"cannot be written: {error.strerror or error}"
            raise PolicyError([Problem(str(self._directory), 0, message)]) from error

    def tidy(self, in_force: Stamp) -> None:
        """Removes all forms but one and the newest others, and what was left half-written."""
        with contextlib.suppress(OSError), self._opened() as folder:
            with os.scandir(folder) as entries:
                found = {one.name: one.stat(follow_symlinks=False).st_mtime_ns for one in entries}
            others = found.keys() - {_name(in_force)}
            forms = sorted((found[name], name) for name in others if name.endswith(_SUFFIX))
            _remove(folder, others - {name for _, name in forms[-(KEPT - 1) :]})

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = os.open(self._directory, _FOLDER)
        try:
            facts = os.fstat(folder)
            if facts.st_uid != os.geteuid():
                message = "belongs to others"
                raise PermissionError(0, message)
            if facts.st_mode & _OTHERS:
                # A volume's fsGroup gives such rights at each mount. Who had them may have
                # written here, so nothing of it is read.
                os.fchmod(folder, _MODE)
                _remove(folder, os.listdir(folder))  # noqa: PTH208 - of the opened one
            yield folder
        finally:
            os.close(folder)


def _remove(folder: int, names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)


def _name(stamp: Stamp) -> str:
    return stamp.source.partition(":")[2] + _SUFFIX


def _is_ours(facts: os.stat_result) -> bool:
    return facts.st_uid == os.geteuid() and not facts.st_mode & _OTHERS
