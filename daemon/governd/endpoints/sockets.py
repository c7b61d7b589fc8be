"""Unix sockets, put at their paths safely.

A listener binds to a random name in the socket's directory, gets its mode, starts to
answer, and only then is renamed onto the path. So a path never leads to a socket with the
wrong mode or to one that does not answer yet, and gRPC, which unlinks on stop the name it
bound, never unlinks our successor's socket.

Refused, with the path in the error:
    * a directory that is a symbolic link, that is neither ours nor root's, or that group
      or others may write to (the sticky bit does not help: they may come first);
    * a path at which something stands other than a dead socket of ours.

What a governd that was killed in between left under a random name is removed
(``socket_names.py``).

The directory is opened once and everything is done relative to that descriptor, so that
nobody can exchange it in between. Reaching it as ``/proc/self/fd/N`` also makes room for
paths beyond the 108 bytes of ``sockaddr_un`` (unix(7)).

Left to others: that one governd at a time uses a path (the lock of the state directory),
and the directories above the socket's own, which are the operator's.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from governd.endpoints import socket_names
from governd.errors import ListenerError

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_UMASK = 0o177

Listen = Callable[[str], object]
"""Binds and listens at a gRPC address, e.g. ``grpc.aio.Server.add_insecure_port``."""

OpenDirectory = Callable[[Path], int]
"""Opens the directory of a socket's path, to be closed by whoever asked."""


class ListenerSocket:
    """One bound socket: at a temporary name first, then at its path, then gone.

    Attributes:
        path: Where callers find it.
    """

    def __init__(
        self,
        path: Path,
        temporary: str,
        directory: int,
        identity: tuple[int, int],
        open_directory: OpenDirectory,
    ) -> None:
        """Use ``bind``."""
        self.path = path
        self._open_directory = open_directory
        self._temporary = temporary
        self._directory: int | None = directory
        self._identity = identity

    def publish(self) -> None:
        """Renames the socket onto its path, replacing a dead one.

        Raises:
            ListenerError: The system refused, e.g. because a directory stands there now.
        """
        if self._directory is None:
            message = f"{self.path}: the socket was published or discarded before"
            raise RuntimeError(message)
        directory = self._directory
        try:
            os.rename(self._temporary, self.path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            _refuse(self.path, f"cannot rename onto it: {error.strerror}")
        self._directory = None
        os.close(directory)

    def connections(self, of_sockets: Mapping[str, int]) -> int:
        """How many it has, given those of all sockets by their random names."""
        return of_sockets.get(self._temporary, 0)

    def remove(self) -> bool:
        """Takes the socket away, from its path only if it is still ours there.

        Returns:
            Whether there was something of ours to remove.
        """
        if self._directory is not None:
            directory, self._directory = self._directory, None
            with _closing(directory):
                return socket_names.unlink_if(self._temporary, directory, self._identity)
        try:
            directory = self._open_directory(self.path)
        except ListenerError:
            return False
        with _closing(directory):
            return socket_names.unlink_if(self.path.name, directory, self._identity)

    def is_there(self) -> bool:
        """Whether what stands at the path is this socket."""
        try:
            directory = self._open_directory(self.path)
        except ListenerError:
            return False
        with _closing(directory):
            return socket_names.is_at(self.path.name, directory, self._identity)


def open_directory(path: Path) -> int:
    """The directory of an absolute path; those above it are whatever they are.

    Raises:
        ListenerError: It is a symbolic link or no directory, or cannot be opened.
    """
    if not path.is_absolute():
        _refuse(path, "must be an absolute path")
    try:
        return os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        _refuse(path, "its directory is a symbolic link or not a directory")
    except OSError as error:
        _refuse(path, f"cannot open its directory: {error.strerror}")


def check(path: Path) -> None:
    """Looks whether a socket could be put at an absolute path now.

    Raises:
        ListenerError: The directory or what stands at the path is not as it must be.
    """
    with _closing(open_directory(path)) as directory:
        _check_directory(path, directory)
        _check_path(path, directory)


def bind(
    path: Path, mode: int, listen: Listen, open_directory: OpenDirectory = open_directory
) -> ListenerSocket:
    """Binds a socket beside ``path``, ready to be published there.

    Args:
        path: Absolute path.
        mode: Permission bits, set before anyone can know the socket's name.
        listen: Binds it.
        open_directory: Opens its directory, now and whenever it is looked for there.

    Raises:
        ListenerError: The directory or what stands at the path is not as it must be, or
            the system refused.
    """
    directory = open_directory(path)
    try:
        _check_directory(path, directory)
        _check_path(path, directory)
        socket_names.sweep(directory)
        temporary, identity = _bind(path, mode, listen, directory)
    except BaseException:
        os.close(directory)
        raise
    return ListenerSocket(path, temporary, directory, identity, open_directory)


def _bind(path: Path, mode: int, listen: Listen, directory: int) -> tuple[str, tuple[int, int]]:
    temporary = socket_names.temporary()
    try:
        with _umask(_UMASK):
            listen(f"unix:/proc/self/fd/{directory}/{temporary}")
        os.chmod(temporary, mode, dir_fd=directory)
        found = os.stat(temporary, dir_fd=directory, follow_symlinks=False)
    except (OSError, RuntimeError) as error:
        message = f"{path}: cannot bind: {error}"
        raise ListenerError(message) from error
    return temporary, (found.st_dev, found.st_ino)


def _check_directory(path: Path, directory: int) -> None:
    found = os.fstat(directory)
    if found.st_uid not in {0, os.geteuid()}:
        _refuse(path, f"its directory is owned by uid {found.st_uid}, not by governd or root")
    if found.st_mode & _WRITABLE_BY_OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        _refuse(path, f"its directory (mode {mode:04o}) is writable by group or others")


def _check_path(path: Path, directory: int) -> None:
    """Refuses whatever stands at the path, unless nothing does or a dead socket of ours."""
    try:
        found = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        _refuse(path, "is a symbolic link")
    if not stat.S_ISSOCK(found.st_mode):
        _refuse(path, "exists and is not a socket")
    if found.st_uid != os.geteuid():
        _refuse(path, f"is a socket owned by uid {found.st_uid}, not by governd")
    if socket_names.answers(path.name, directory):
        _refuse(path, "another process answers there")


def _refuse(path: Path, why: str) -> NoReturn:
    message = f"socket {path}: {why}"
    raise ListenerError(message)


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
