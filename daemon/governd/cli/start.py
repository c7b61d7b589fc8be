"""Starts the daemon under its supervisor. Imports nothing heavy before the fork."""

import os
import sys

from governd import hardening, supervisor


def start(config_file: str | None) -> int:
    """Runs governd until it ends.

    Args:
        config_file: Path of the configuration; ``None`` for the environment alone.

    Returns:
        The exit code for the process.
    """

    def child(lifeline: int) -> int:
        without_rich()
        _without_fork_handlers()
        from governd.cli.daemon import serve

        return serve(config_file, lifeline)

    hardening.without_core_dumps()
    return supervisor.run(child)


def without_rich() -> None:
    """Makes ``import rich`` fail in this process, as where it is not installed.

    structlog imports it where it can, for colours that a daemon's JSON never has: 4 MiB and
    40 ms. Only in the child: the command line's tables need it.
    """
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]


def _without_fork_handlers() -> None:
    """Keeps gRPC from starting its threads again in every child of this process.

    It does so between fork and exec, and one in ten children dies of it where calls are
    being served. Our only children are programs of their own, such as the policy compiler.
    Read by gRPC when it is imported.
    """
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
