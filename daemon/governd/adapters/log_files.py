"""Files that are appended to line by line: opened safely, and tried for room.

Only a regular file, for its owner alone, is opened; a link is not followed, and a FIFO is not
waited for.
"""

import errno
import os
import stat
from pathlib import Path

# O_NONBLOCK: to open a FIFO must not wait for its other end.
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_RESERVED_BYTES = 65_536
_CANNOT_RESERVE = {errno.EBADF, errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP}
"""Of file systems that do not reserve; EBADF is what glibc says there of O_APPEND."""


def open_file(path: Path) -> int:
    """A descriptor of a file, made with mode 0600 where it does not exist.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    fd = os.open(path, _FLAGS, _MODE)
    try:
        _make_private(fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def _make_private(fd: int) -> None:
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if mode & _OTHERS:
        os.fchmod(fd, _MODE)


def is_torn(fd: int) -> bool:
    """Whether the last line has no end, as a crash may leave it."""
    size = os.fstat(fd).st_size
    return bool(size) and os.pread(fd, 1, size - 1) != b"\n"


def may_shrink(fd: int) -> bool:
    """Whether what is added can be taken back; after chattr +a it cannot."""
    try:
        os.ftruncate(fd, os.fstat(fd).st_size)
    except PermissionError:
        return False
    return True


def reserve(fd: int) -> None:
    """Reserves space at the end, which whoever asks must take back.

    Where the file system does not reserve, nothing happens.

    Raises:
        OSError: There is no room.
    """
    try:
        os.posix_fallocate(fd, os.fstat(fd).st_size, _RESERVED_BYTES)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise


def reason(error: OSError) -> str:
    """What went wrong, in words."""
    return error.strerror or "unknown error"
