"""A real governd on a day that is over, which trusts authorities whose keys are gone.

    with running(folder, {"tools": TOOLS}, files, bundles) as (daemon, clock):
        clock.set(NOW)

The machine says what day it is (``wall_clock``), and the node's SPIRE agent whom to trust
(``bundle_agent``). governd is the one that users run.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fakes.authority import NOON
from tests.fakes.bundle_agent import Bundles, serving
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.wall_clock import WallClock


@contextlib.contextmanager
def running(
    folder: Path, listeners: Mapping[str, str], files: Mapping[str, bytes], bundles: Bundles
) -> Iterator[tuple[DaemonProcess, WallClock]]:
    """Starts one, at noon of that day; it may not have the trust bundles yet.

    Args:
        folder: Empty; it is put there.
        listeners: SPIFFE IDs of callers by the name of their listener.
        files: Of its policy source.
        bundles: Whom it trusts.
    """
    agent, clock = folder / "agent.sock", WallClock(folder / "clock")
    clock.set(NOON.timestamp())
    for name, content in files.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    identity = f'[identity]\nsource = "spire"\nnode = "n1"\nspire_admin_socket = "{agent}"\n'
    daemon = prepare(folder / "governd", identity, listeners, folder / "source")
    daemon.environ.update(clock.environ)
    with serving(agent, bundles):
        try:
            daemon.start(serving=False)
            yield daemon, clock
            assert daemon.stop() == 0
        finally:
            daemon.kill()
