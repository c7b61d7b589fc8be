"""Reads what a SPIRE agent streams; every failure is an ``IdentityError``."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from governd.adapters.spire_errors import subscription_error
from governd.errors import InvalidIdentityError, SourceAwayError

SILENT = "SPIRE agent is away: it is there and does not answer"

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


async def read(call: "grpc.aio.UnaryStreamCall[Request, Response]", socket: Path) -> Response:
    """The next message of a subscription.

    Raises:
        IdentityError: There is none, or it does not parse.
    """
    try:
        message = await call.read()
    except grpc.aio.AioRpcError as error:
        raise subscription_error(error, socket) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise SourceAwayError(SILENT) from None  # not the reader was cancelled, but the call
    if message is grpc.aio.EOF:
        problem = "SPIRE agent is away: it ended the subscription"
        raise SourceAwayError(problem)
    return parsed(cast("Response | None", message))


async def either(*reads: Callable[[], Coroutine[None, None, object]], seconds: float) -> None:
    """Returns when there is something to read, and drops it; or after so long of nothing."""
    tasks = [asyncio.ensure_future(read()) for read in reads]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def parsed(message: Response | None) -> Response:
    """A message; gRPC gives ``None`` for one that does not parse.

    Raises:
        InvalidIdentityError: It does not.
    """
    if message is None:
        problem = "the SPIRE agent says what does not parse"
        raise InvalidIdentityError(problem)
    return message
