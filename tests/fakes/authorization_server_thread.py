"""An authorization server beside tests that are no coroutines.

    with in_background(authority, "/realms/idp") as idp:
        ...

Its attributes may be set from the test's thread, but for ``held``.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

from tests.fakes.authorization_server import AuthorizationServer, authorization_server
from tests.fakes.authorization_server_http import TlsAuthority

_START_SECONDS = 30.0


@contextlib.contextmanager
def in_background(authority: TlsAuthority, path: str = "") -> Iterator[AuthorizationServer]:
    """An issuer in an event loop and a thread of its own, until the end."""
    started, serving = threading.Event(), list[AuthorizationServer]()
    stops: list[Callable[[], object]] = []

    async def serve() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        async with authorization_server(authority, path) as server:
            serving.append(server)
            stops.append(lambda: loop.call_soon_threadsafe(ended.set))
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(_START_SECONDS), "the authorization server does not start"
        yield serving[0]
    finally:
        for stop in stops:
            stop()
        thread.join()
