"""Names of sockets within a directory, and what stands at them.

A socket has a random name until it is published: ``.governd-<pid>-<16 hexadecimal
digits>``. A governd that is killed in between leaves it behind, and nobody else would ever
remove it.

Promises:
    * A leftover is removed only if it is a socket, our own user's, nothing accepts there,
      and the process that made it is gone or is this one: after a restart in a container
      the new process often has the old one's id.
    * Whatever cannot be removed is left: it is untidy, not unsafe.

Directories are descriptors here, so that they cannot be exchanged.
"""

import contextlib
import errno
import os
import re
import secrets
import socket
import stat
from pathlib import Path

_TEMPORARY = re.compile(r"\.governd-([0-9]{1,10})-[0-9a-f]{16}", re.ASCII)
_RANDOM_BYTES = 8


def prefix() -> str:
    """How the random names that this process gives begin."""
    return f".governd-{os.getpid()}-"


def temporary() -> str:
    """A name that nobody else has."""
    return f"{prefix()}{secrets.token_hex(_RANDOM_BYTES)}"


def answers(name: str, directory: int) -> bool:
    """Whether anything but a refused connection comes of connecting."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        outcome = probe.connect_ex(f"{_reach(directory)}/{name}")
    return outcome not in {errno.ECONNREFUSED, errno.ENOENT}


def unlink_if(name: str, directory: int, identity: tuple[int, int]) -> bool:
    """Removes what stands at a name, if it is the file of that device and inode."""
    try:
        if not is_at(name, directory, identity):
            return False
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


def is_at(name: str, directory: int, identity: tuple[int, int]) -> bool:
    """Whether the file of that device and inode stands at a name."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == identity


def sweep(directory: int) -> None:
    """Removes the sockets that processes which were killed left under random names."""
    for name in _names(directory):
        found = _TEMPORARY.fullmatch(name)
        if found and _may_be_left(int(found[1])):
            with contextlib.suppress(OSError):
                _remove_dead(name, directory)


def _names(directory: int) -> list[str]:
    try:
        return [entry.name for entry in Path(_reach(directory)).iterdir()]
    except OSError:  # for example of a directory that we may write to and not read
        return []


def _remove_dead(name: str, directory: int) -> None:
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    ours = stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()
    if ours and not answers(name, directory):
        unlink_if(name, directory, (found.st_dev, found.st_ino))


def _may_be_left(pid: int) -> bool:
    """Whether a process can no longer be between binding and listening.

    Our own id counts: we do both in one go, so what of ours does not answer is not ours.
    """
    return pid == os.getpid() or not Path(f"/proc/{pid}").exists()


def _reach(directory: int) -> str:
    # Not the descriptor itself: one of O_PATH cannot be listed.
    return f"/proc/self/fd/{directory}"
