"""The daemon's process: from a configuration file to a running ``App``.

Imported only in the supervisor's child: everything heavy hangs on this module.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop

from governd import supervisor
from governd.app import App
from governd.application import call as calls
from governd.config import load
from governd.errors import ConfigError, GoverndError
from governd.observability import logs


def serve(config_file: str | None, lifeline: int) -> int:
    """Runs a governd until it is told to stop.

    Args:
        config_file: Path of the configuration; ``None`` for the environment alone.
        lifeline: A descriptor that reads its end when the supervisor is gone.

    Returns:
        The exit code: 0 after a drain, ``EX_CONFIG`` where the configuration, the lock,
        the decision log or a socket was refused.
    """
    try:
        config = load(Path(config_file) if config_file else None, os.environ)
    except ConfigError as error:
        sys.stderr.write(f"{error}\ngovernd: the configuration was refused\n")
        return supervisor.EX_CONFIG
    logs.configure(config.log.level, context=calls.log_context)
    try:
        uvloop.run(_run(App(config), lifeline))
    except (GoverndError, OSError) as error:
        sys.stderr.write(f"governd: cannot start: {error}\n")
        return supervisor.EX_CONFIG
    return 0


async def _run(app: App, lifeline: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    supervisor.on_parent_exit(loop, lifeline, stop.set)
    try:
        await app.start()
    except BaseException:
        await app.stop()
        raise
    await _first([stop.wait(), app.failure()])
    await app.drain()


async def _first(awaitables: Sequence[Coroutine[Any, Any, object]]) -> None:
    """Waits until one of several has ended, and raises what it raised."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in done:
        task.result()
