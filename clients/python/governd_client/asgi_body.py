"""The body of a request to an ASGI server: read whole, within a bound, and handed on."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from governd_client.asgi_refusals import TOO_LARGE, RefusedError

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]


class GoneError(Exception):
    """Whoever sent the request hung up: there is nobody to answer."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """All of a body. How long that may take is the server's to say.

    Args:
        receive: ASGI's.
        limit: Bytes; no more than that and one message are held.

    Raises:
        RefusedError: It is larger.
        GoneError: It did not come whole.
    """
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise GoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise RefusedError(TOO_LARGE)
        more = message.get("more_body", False)
    return bytes(body)


def replaying(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once more, then whatever else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
