"""Files that are there as a whole or not at all, whenever the machine stops.

A file is written under another name, synced, and renamed. Directories are descriptors here,
so that they cannot be exchanged; nothing is followed, and nothing that others could have
written is read.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable

UNFINISHED = ".tmp"
"""How the names of files that are being written end."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How to open the directory."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o600
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def read(folder: int, name: str, max_bytes: int | None = None) -> bytes:
    """What is in a file.

    Args:
        folder: Its directory.
        name: Its name there.
        max_bytes: A larger one is refused; ``None``: any size is read.

    Raises:
        OSError: There is none, it is larger, it cannot be read, or others could have
            written it.
    """
    with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
        facts = os.fstat(file.fileno())
        check(facts, stat.S_ISREG)
        if max_bytes is not None and facts.st_size > max_bytes:
            raise OSError(errno.EFBIG, f"larger than {max_bytes} bytes")
        return file.read() if max_bytes is None else file.read(max_bytes)


def replace(folder: int, name: str, content: bytes) -> None:
    """Writes a file, in place of what has its name.

    Raises:
        OSError: It is not certain to outlive a crash.
    """
    write(folder, name + UNFINISHED, content)
    finish(folder, name)


def write(folder: int, name: str, content: bytes) -> None:
    """Writes a new file, for this user alone, and syncs it.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    remove(folder, name)
    try:
        with os.fdopen(os.open(name, _WRITE, _MODE, dir_fd=folder), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


def finish(folder: int, name: str) -> None:
    """Gives what was written its name.

    Raises:
        OSError: It cannot have it; nothing is left of what was written.
    """
    try:
        os.rename(name + UNFINISHED, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name + UNFINISHED, dir_fd=folder)
        raise
    os.fsync(folder)


def remove(folder: int, name: str) -> None:
    """Removes a file, if there is one.

    Raises:
        OSError: It cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def check(facts: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    """Refuses what is of another kind, and what others own or could have written.

    Raises:
        OSError: It is; says why.
    """
    if not is_kind(facts.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if facts.st_uid != os.geteuid() or facts.st_mode & _WRITABLE:
        raise OSError(errno.EPERM, "somebody else owns it, or can write to it")
