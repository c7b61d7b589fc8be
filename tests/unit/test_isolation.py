"""The promise of this folder: no test in it opens a socket."""

import asyncio
import socket

import pytest
from pytest_socket import SocketBlockedError


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_a_unit_test_opens_no_socket(family: socket.AddressFamily) -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket(family, socket.SOCK_STREAM)


async def test_a_coroutine_opens_none_either() -> None:
    with pytest.raises(SocketBlockedError):
        await asyncio.open_unix_connection("/run/governd/admin.sock")
