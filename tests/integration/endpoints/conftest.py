"""Listeners on sockets below ``tmp_path``, on the event loop that the daemon uses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.integration.endpoints.csi_node import CsiNode, Governd
from tests.integration.endpoints.doors import Door, Echo, Limits, OpenDoor, build_door
from tests.integration.endpoints.peers import OpenPeerDoor, PeerDoor, build_peer_door, who


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Runs these tests on the daemon's event loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory that only we may write to, whatever the umask."""
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
async def open_door(directory: Path) -> AsyncIterator[OpenDoor]:
    """Opens listeners; stops them afterwards."""
    opened: list[Door] = []

    async def open_one(
        limits: Limits | None = None, echo: Echo | None = None, name: str = "a.sock"
    ) -> Door:
        door = await build_door(directory / name, limits or Limits(), echo or Echo())
        await door.listener.start()
        opened.append(door)
        return door

    yield open_one
    for door in opened:
        await door.listener.stop()


@pytest.fixture
async def open_peer_door(directory: Path) -> AsyncIterator[OpenPeerDoor]:
    """Opens mTLS listeners, which answer who is calling; stops them afterwards."""
    opened: list[PeerDoor] = []

    async def open_one(
        limits: Limits | None = None, echo: Echo | None = None, **settings: Any
    ) -> PeerDoor:
        door = await build_peer_door(directory, limits or Limits(), echo or Echo(who), **settings)
        await door.listener.start()
        opened.append(door)
        return door

    yield open_one
    for door in opened:
        await door.listener.stop()


@pytest.fixture
async def node(directory: Path) -> AsyncIterator[CsiNode]:
    """A node for the CSI plugin; every governd on it is stopped afterwards."""
    node = CsiNode(directory)
    yield node
    for governd in node.governds:
        await governd.stop()


@pytest.fixture
async def governd(node: CsiNode) -> Governd:
    """A governd on that node."""
    return await node.start()
