"""Unit tests open no socket, not even a Unix one."""

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Takes sockets away while the test itself runs.

    Not in its fixtures: the event loop that pytest-asyncio makes there has a pair of
    sockets to wake itself with.
    """
    disable_socket()
    try:
        return (yield)
    finally:
        enable_socket()
