"""Target directories of volumes, in kubelet's directory of pods.

Every step from that directory on is opened by itself, relative to the one before, and no
symbolic link is followed: what somebody put on the way leads nowhere. A step into another
mount is refused, too, even one of the same file system: something is mounted there, and not
by us.

The target directory has mode 0755 and its socket 0666, because the user of a container can
be any. On the node only root gets there, through kubelet's own directories (mode 0750); in
the pod the volume is mounted read-only, which hinders nobody from connecting, and everybody,
uid 0 too, from putting another socket in its place.

Left to others: whether a target is one to make or remove (``pods.request``).
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governd.endpoints.csi.place import WatchedPlace
from governd.endpoints.csi.removal import Removal
from governd.endpoints.csi.steps import READ, STEP, opened, step, stepped
from governd.errors import ListenerError, VolumeError
from governd.pods.target import FIELD, MOUNT, PODS, VOLUMES, Target

SOCKET = "governd.sock"
"""The name of the socket within its volume."""
_SOCKET_MODE = 0o666
_MODE = 0o755


class TargetDirectories:
    """The targets port over kubelet's directory."""

    def __init__(self, kubelet_directory: Path) -> None:
        """Takes kubelet's root directory; it is opened each time."""
        self._kubelet_directory = kubelet_directory

    def make(self, target: Target) -> None:
        """Makes the target directory, where it does not exist, and gives it its mode.

        Raises:
            VolumeError: The way to it is not as kubelet makes it, or the system refused.
        """
        with self._told(target), self._above(target) as above:
            with contextlib.suppress(FileExistsError):
                os.mkdir(MOUNT, _MODE, dir_fd=above)
            with stepped(MOUNT, above, READ) as directory:
                if os.fstat(directory).st_uid != os.geteuid():
                    raise OSError(errno.EPERM, "somebody else owns it")
                os.fchmod(directory, _MODE)  # whatever the umask

    def place(self, target: Target) -> WatchedPlace:
        """Where the socket of a target is."""

        def open_directory(path: Path) -> int:
            try:
                with self._above(target) as above:
                    return step(MOUNT, above, STEP)
            except OSError as error:
                message = f"socket {path}: cannot open its directory: {error.strerror}"
                raise ListenerError(message) from error

        path = Path(target.path(str(self._kubelet_directory)), SOCKET)
        return WatchedPlace(path, _SOCKET_MODE, open_directory)

    def is_gone(self, target: Target) -> bool:
        """Whether there certainly is no such directory."""
        try:
            with opened(self._pods) as pods:
                return not self._is_found(target, pods)
        except OSError:  # whatever hinders us, or kubelet's directory is away
            return False

    def has_pod(self, uid: str) -> bool:
        """Whether kubelet still keeps a directory for that pod."""
        try:
            with opened(self._pods) as pods:
                return _is_there(uid, pods)
        except OSError:  # whatever hinders us, or kubelet's directory is away: no pod is given up
            return True

    def remove(self, target: Target) -> None:
        """Removes the target directory with all that is in it; nothing, where it is gone.

        Raises:
            VolumeError: The way to it is not as kubelet makes it, something is mounted, the
                system refused, or there is more in it than is removed at once (``removal``).
        """
        gone = contextlib.suppress(FileNotFoundError)
        with self._told(target), gone, self._above(target) as above:
            Removal().remove(MOUNT, above)

    @property
    def _pods(self) -> Path:
        return self._kubelet_directory / PODS

    @contextmanager
    def _above(self, target: Target) -> Iterator[int]:
        """The directory that kubelet makes for the volume."""
        with opened(self._pods) as pods, self._below(pods, target) as above:
            yield above

    @contextmanager
    def _below(self, pods: int, target: Target) -> Iterator[int]:
        with contextlib.ExitStack() as stack:
            directory = pods
            for name in (target.uid, *VOLUMES, target.volume):
                directory = stack.enter_context(stepped(name, directory, STEP))
            yield directory

    def _is_found(self, target: Target, pods: int) -> bool:
        try:
            with self._below(pods, target) as above:
                return _is_there(MOUNT, above)
        except FileNotFoundError:
            return False

    @contextmanager
    def _told(self, target: Target) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            path = target.path(str(self._kubelet_directory))
            said = "a symbolic link or no directory" if error.errno in _NOT_ASTEP else ""
            message = f"{FIELD}: {path}: {said or error.strerror}"
            raise VolumeError(message, field=FIELD) from error


_NOT_ASTEP = frozenset({errno.ENOTDIR, errno.ELOOP})


def _is_there(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
