"""Registrations, from streams of messages to values.

Reading a definition takes a fraction of a millisecond, and there may be thousands. They are
read as their messages come, others get a turn after every few, and a stream that costs more
than its sender's rate allows is read more slowly.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from governd._proto.governd.v1 import tool_service_pb2 as pb
from governd.application.call import Call
from governd.errors import RateLimitedError, RegistrationTooLargeError, RequestError
from governd.policy.definitions import Definition, DefinitionLimits, Kind, read_definition

REGISTRATION_COST = 100
"""Of a registration, in calls of its sender's rate: it may end every lease, and all that is
remembered of questions."""
_DEFINITIONS_PER_CALL = 4
_BYTES_PER_CALL = 8192
_AT_A_TIME = 4
"""Definitions that are read before others get their turn."""
_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RegistrationLimits:
    """Bounds of one registration.

    Attributes:
        definitions: How many.
        total_bytes: Their size.
        each: Bounds of one.
    """

    definitions: int
    total_bytes: int
    each: DefinitionLimits


class RegistrationReader:
    """Reads one stream.

    Attributes:
        server: Which server its sender is.
        definitions: All that were read so far, in their order.
    """

    def __init__(
        self,
        limits: RegistrationLimits,
        call: Call,
        server_of: Callable[[str], str],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Has read nothing yet.

        Args:
            limits: Bounds on the stream.
            call: In which it comes.
            server_of: The server that the sender is, by the name that it gives; raises
                where it is none.
            sleep: Waits for so many seconds, and lets others have their turn.
        """
        self.server = ""
        self.definitions: list[Definition] = []
        self._limits = limits
        self._call = call
        self._server_of = server_of
        self._sleep = sleep
        self._size = 0

    async def read(self, requests: AsyncIterator[pb.RegisterToolsRequest]) -> None:
        """Reads until the stream ends.

        Raises:
            GoverndError: Of ``server_of``.
            RequestError: A field is missing or malformed, or there is no message.
            DefinitionError: A definition breaks a rule.
            RegistrationTooLargeError: There are too many, or they are too large.
        """
        async for request in requests:
            if self.server:
                self._check_server(request.server)
            else:
                self.server = self._server_of(request.server)
                await self._pay(REGISTRATION_COST)
            await self._take(request)
        if not self.server:
            message = "definitions: expected at least one message"
            raise RequestError(message, field="definitions")

    async def _take(self, request: pb.RegisterToolsRequest) -> None:
        size, count = request.ByteSize(), len(request.definitions)
        self._size += size
        self._check_limits(len(self.definitions) + count)
        await self._pay(1 + count // _DEFINITIONS_PER_CALL + size // _BYTES_PER_CALL)
        for message in request.definitions:
            self.definitions.append(self._definition(message))
            if len(self.definitions) % _AT_A_TIME == 0:
                # A real pause: gRPC's own thread has to come in, too.
                await self._sleep(_PAUSE_SECONDS)

    def _definition(self, message: pb.Definition) -> Definition:
        place = f"definitions[{len(self.definitions)}]"
        return read_definition(
            kind(message.kind, field=f"{place}.kind"),
            message.definition_json,
            message.requires,
            limits=self._limits.each,
            field=place,
        )

    def _check_server(self, name: str) -> None:
        if name not in {"", self.server}:
            message = "server: expected the same in all messages, or none after the first"
            raise RequestError(message, field="server")

    def _check_limits(self, count: int) -> None:
        limits = self._limits
        if count > limits.definitions:
            message = f"more than {limits.definitions} definitions"
            facts = {"limit_definitions": str(limits.definitions)}
            raise RegistrationTooLargeError(message, metadata=facts)
        if self._size > limits.total_bytes:
            message = f"more than {limits.total_bytes} bytes"
            facts = {"limit_bytes": str(limits.total_bytes)}
            raise RegistrationTooLargeError(message, metadata=facts)

    async def _pay(self, calls: int) -> None:
        """Charges the sender's rate, and waits where that is used up."""
        while True:
            try:
                self._call.charge(calls)
            except RateLimitedError as error:
                await self._sleep(min(error.retry_after or 0.0, _LONGEST_PAUSE_SECONDS))
            else:
                return


def kind(value: int, *, field: str) -> Kind:
    """The kind that an enum's value stands for.

    Raises:
        RequestError: It stands for none.
    """
    try:
        return Kind(value)
    except ValueError as error:
        message = f"{field}: required, and one that this governd knows"
        raise RequestError(message, field=field) from error
