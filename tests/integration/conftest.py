r"""What integration tests share: real governds, each in a directory of its own.

    def test_something(governd: StartGovernd) -> None:
        daemon = governd('[leases]\nmax_seconds = 5.0')
        with grpc.insecure_channel(daemon.target("reader")) as channel:
            ...

Every daemon that a test leaves running is stopped with SIGTERM, and must end with 0.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.daemon_process import (
    DEMO_POLICY,
    LISTENERS,
    DaemonProcess,
    StartGovernd,
    prepare,
)
from tests.spire_parts import Spire, StartSpire, spires


@pytest.fixture
def governd(tmp_path: Path) -> Iterator[StartGovernd]:
    """Starts governds; see ``StartGovernd``."""
    daemons: list[DaemonProcess] = []

    def start(
        settings: str = "",
        *,
        listeners: Mapping[str, str] = LISTENERS,
        policy: Path | None = DEMO_POLICY,
        environ: Mapping[str, str] | None = None,
        serving: bool = True,
    ) -> DaemonProcess:
        daemon = prepare(tmp_path / f"governd-{len(daemons)}", settings, listeners, policy)
        daemon.environ.update(environ or {})
        daemons.append(daemon)
        daemon.start(serving=serving and policy is not None)
        return daemon

    try:
        yield start
        running = [one for one in daemons if one.process is not None and one.process.poll() is None]
        codes = [one.stop() for one in running]
    finally:
        for daemon in daemons:
            daemon.kill()
    assert not any(codes), f"governd ended with {codes}"


@pytest.fixture
def start_spire() -> Iterator[StartSpire]:
    """Starts SPIREs for one test; see ``tests/spire_parts.py``."""
    with spires() as start:
        yield start


@pytest.fixture(scope="module")
def spire() -> Iterator[Spire]:
    """A SPIRE that the tests of a module share, each with entries and selectors of its own."""
    with spires() as start:
        yield start()
