"""Keeps what is in this process's memory out of files.

Keys and tokens live in memory only. A core dump would write them to disk, or hand them to
whatever ``/proc/sys/kernel/core_pattern`` names.

Standard library only, and nothing of governd: the small parent runs it, too.
"""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4


def without_core_dumps() -> None:
    """Turns core dumps off, for this process and for those that it forks.

    The limit alone is not enough: where dumps go to a program the kernel starts it whatever
    the limit is (core(5)). A process that is not dumpable (prctl(2)) is never dumped, and no
    other one of the same user can trace it or read its memory or its environment in
    ``/proc``. A program that is executed is dumpable again, within the limit.

    Raises:
        OSError: The kernel does not do so.
    """
    # The hard limit, too: whatever runs in this process could raise the soft one again.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_DUMPABLE, *(ctypes.c_ulong(0) for _ in range(4))) != 0:
        number = ctypes.get_errno()
        message = f"prctl(PR_SET_DUMPABLE): {os.strerror(number)}"
        raise OSError(number, message)
