"""Removes a directory with whatever is in it, however deep, a bounded number at a time.

An author's ``subPath`` has kubelet make directories in a volume, and the pod is not gone
before they are. So there is no amount that is refused for good: what is too much for one call
is less for the next, and kubelet asks again.

No link is followed and no mount entered (``steps``). Depth costs nothing: a directory that is
not empty is lifted to the top, so that two are open at a time and no path is ever long.
"""

import errno
import itertools
import os
import secrets
import stat

from governd.endpoints.csi.steps import READ, STEP, stepped

MAX_ENTRIES = 1024
"""Files and directories that are looked at in one call."""
_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})


class Removal:
    """One call's removal."""

    def __init__(self) -> None:
        """Nothing is removed yet."""
        self._left = MAX_ENTRIES

    def remove(self, name: str, above: int) -> None:
        """Removes what has that name within a directory.

        Raises:
            OSError: There is more in it than is removed at once, something is mounted, or the
                system refused. What was removed until then is gone.
        """
        if self._is_removed(name, above):
            return
        with stepped(name, above, READ) as top:
            while names := _names(top):
                for one in names:
                    self._clear(one, top)
        os.rmdir(name, dir_fd=above)

    def _clear(self, name: str, top: int) -> None:
        """Removes it from the top, and lifts what is in it and not empty there."""
        if self._is_removed(name, top):
            return
        with stepped(name, top, READ) as directory:
            for one in _names(directory):
                if not self._is_removed(one, directory):
                    lifted = f".removed-{secrets.token_hex(8)}"
                    os.rename(one, lifted, src_dir_fd=directory, dst_dir_fd=top)
        os.rmdir(name, dir_fd=top)

    def _is_removed(self, name: str, directory: int) -> bool:
        """Whether it is gone now: it is not if it is a directory with something in it."""
        self._spend()
        if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=directory)
            return True
        with stepped(name, directory, STEP):  # refuses what is mounted
            try:
                os.rmdir(name, dir_fd=directory)
            except OSError as error:
                if error.errno not in _NOT_EMPTY:
                    raise
                return False
        return True

    def _spend(self) -> None:
        if not self._left:
            message = f"holds more than {MAX_ENTRIES} files, the others go when asked again"
            raise OSError(errno.EAGAIN, message)
        self._left -= 1


def _names(directory: int) -> list[str]:
    """Some of what is in it; nothing only if it is empty."""
    with os.scandir(directory) as found:
        return [entry.name for entry in itertools.islice(found, MAX_ENTRIES)]
