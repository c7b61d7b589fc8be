"""A real SPIRE for scenarios, that of the integration tests, and who is registered there."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.spire_parts import Entry, Spire, spires

NODE = "bench"
OWN = (
    Entry(f"/governd/server/{NODE}", ("governd:identity:server",), dns_names=("governd",)),
    Entry(f"/governd/signer/{NODE}", ("governd:identity:signer",)),
)
"""governd's own identities."""
_SOURCE = """\
[identity]
source = "spire"
node = "{node}"
spire_admin_socket = "{socket}"
"""
_LISTENER = """\
[[listener]]
attestation = "spire"
name = "{name}"
socket = "{name}.sock"
selectors = ["{selector}"]
"""


@contextlib.contextmanager
def running(entries: Sequence[Entry] = (), *, fast: bool = True) -> Iterator[Spire]:
    """A SPIRE that knows governd and these entries, and logs as by its default.

    Args:
        entries: Beside governd's own.
        fast: Whether changes show within 0.3 s, not 10 s as by SPIRE's defaults.

    Raises:
        RuntimeError: It does not start, or does not do what it was told.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()), spires("INFO") as start:
            yield start(entries=[*OWN, *entries], fast=fast)
    except AssertionError as error:
        message = f"SPIRE: {error}"
        raise RuntimeError(message) from error


def selector(number: int) -> str:
    """By which the entry of a workload finds it."""
    return f"bench:workload:{number}"


def workloads(count: int, *, ttl: int = 0) -> list[Entry]:
    """Entries of so many workloads; ``ttl`` of their X.509-SVIDs, 0 for SPIRE's default."""
    return [workload(number, ttl=ttl) for number in range(count)]


def workload(number: int, *, ttl: int = 0) -> Entry:
    """The entry of one workload."""
    return Entry(f"/workload/{number}", (selector(number),), ttl=ttl)


def source(spire: Spire) -> str:
    """Settings of a governd that has its identities from that SPIRE."""
    return _SOURCE.format(node=NODE, socket=spire.agent.admin_socket)


def listeners(count: int) -> str:
    """Settings of a listener for each of so many workloads."""
    names = (socket(number).stem for number in range(count))
    return "".join(
        _LISTENER.format(name=name, selector=selector(number)) for number, name in enumerate(names)
    )


def socket(number: int, folder: Path = Path()) -> Path:
    """The socket of a workload's listener, of a daemon in that folder."""
    return folder / f"w{number}.sock"
