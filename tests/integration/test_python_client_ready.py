"""The Python client waits for an identity of a real daemon, issued by a real SPIRE."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from governd_client import AsyncClient, Client, NotReadyError, Phase, Readiness
from tests.integration.daemon_process import LISTENERS, DaemonProcess, StartGovernd
from tests.mtls_parts import own_entries, settings
from tests.spire_parts import Entry, Spire

SELECTOR = "k8s:pod-uid:waits"
Wait = Callable[[float], Awaitable[Readiness]]


def attested(governd: StartGovernd, spire: Spire) -> DaemonProcess:
    """A governd with a listener whose caller SPIRE knows, or not yet."""
    listener = f"""
[[listener]]
attestation = "spire"
name = "pod"
socket = "pod.sock"
selectors = ["{SELECTOR}"]
"""
    return governd(settings(spire, more=listener))


@pytest.fixture(scope="module")
def spire(spire: Spire) -> Spire:
    """The shared SPIRE, which knows governd, too."""
    spire.server.create(*own_entries())
    return spire


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ready(kind: str, socket: str, seconds: float) -> Readiness:
    """Waits with either client."""
    if kind == "sync":
        with Client(socket) as client:
            return await asyncio.to_thread(client.wait_ready, timeout=seconds)
    async with AsyncClient(socket) as other:
        return await other.wait_ready(timeout=seconds)


@pytest.mark.req("sdk-2", part=True)
async def test_who_is_known_by_the_socket_alone_waits_for_nothing(
    governd: StartGovernd, kind: str
) -> None:
    socket = str(governd().sockets["writer"])
    assert (await ready(kind, socket, 10)).phase is Phase.READY
    with Client(socket) as client:
        identity = client.whoami()
    assert identity.spiffe_id == LISTENERS["writer"]
    assert identity.readiness.phase is Phase.READY


@pytest.mark.req("sdk-2", part=True)
async def test_an_agent_waits_until_spire_has_issued_its_identity(
    governd: StartGovernd, spire: Spire, kind: str
) -> None:
    daemon = attested(governd, spire)
    socket = str(daemon.directory / "pod.sock")
    with pytest.raises(NotReadyError, match="no registration entry matches"):
        await ready(kind, socket, 1)
    with Client(socket) as client:
        assert client.whoami().readiness.phase is Phase.WAITING
    waiting = asyncio.create_task(ready(kind, socket, 20))
    (entry,) = await asyncio.to_thread(spire.server.create, Entry(f"/pod-{kind}", (SELECTOR,)))
    try:
        told = await waiting
        with Client(socket) as client:
            identity = client.whoami()
    finally:
        spire.server.delete(entry)
    assert told.phase is Phase.READY
    assert told.not_after is not None
    assert told.not_after > datetime.now(UTC)
    assert identity.spiffe_id == spire.server.id_of(f"/pod-{kind}")


@pytest.mark.req("sdk-2", part=True)
async def test_an_agent_that_is_there_before_governd_waits_for_it(
    governd: StartGovernd, kind: str
) -> None:
    daemon = governd()
    assert daemon.stop() == 0
    waiting = asyncio.create_task(ready(kind, str(daemon.sockets["writer"]), 20))
    await asyncio.to_thread(daemon.start)
    assert (await waiting).phase is Phase.READY
