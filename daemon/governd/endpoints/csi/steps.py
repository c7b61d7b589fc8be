"""Steps from one directory to the next: following no link, and into no other mount.

Mounts are told apart by their ids (``mnt_id`` in proc_pid_fdinfo(5)), not by their devices: a
bind mount has the device of what it shows.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""To go on from a directory."""
READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""To list it, too."""
_MOUNT_ID = re.compile(rb"^mnt_id:\s*(\d+)$", re.MULTILINE)
_FDINFO_BYTES = 4096


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The directory at a path.

    Raises:
        OSError: It cannot be opened, or is none.
    """
    directory = os.open(path, STEP)
    try:
        yield directory
    finally:
        os.close(directory)


@contextmanager
def stepped(name: str, above: int, flags: int) -> Iterator[int]:
    """As ``step``, open for as long as the context."""
    directory = step(name, above, flags)
    try:
        yield directory
    finally:
        os.close(directory)


def step(name: str, above: int, flags: int) -> int:
    """The directory of that name within ``above``, and in the same mount; to be closed.

    Raises:
        OSError: It cannot be opened, is a link or no directory, or something is mounted on it.
    """
    directory = os.open(name, flags, dir_fd=above)
    try:
        _check_mount(directory, above)
    except BaseException:
        os.close(directory)
        raise
    return directory


def _check_mount(directory: int, above: int) -> None:
    if _mount_id(directory) != _mount_id(above):
        raise OSError(errno.EXDEV, "something is mounted on it")


def _mount_id(descriptor: int) -> int:
    told = os.open(f"/proc/self/fdinfo/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = _MOUNT_ID.search(os.read(told, _FDINFO_BYTES))
    finally:
        os.close(told)
    if found is None:
        raise OSError(errno.ENOSYS, "the system does not tell its mount")
    return int(found[1])
