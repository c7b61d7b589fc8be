"""What gRPC asks for the handler of each call of one listener.

Who is calling comes from the channel, never from the message. That is found out, and the call
admitted, at the beginning of the handler and before the message is read: gRPC's interceptors
do not see the connection, and a call that is ended between its interceptor and its handler
gets no status from gRPC.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

import grpc
import grpc.aio

from governd.endpoints.gate import Account, Gate
from governd.endpoints.handlers import Context, Handler
from governd.endpoints.methods import Method, Methods, begin_with

Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


class Interceptor(grpc.aio.ServerInterceptor):
    """Has each call begin with ``enter``, which says who calls.

    Attributes:
        gate: Where calls are admitted.
    """

    def __init__(self, methods: Methods, gate: Gate) -> None:
        """Takes what is served, and the gate before it."""
        self.gate = gate
        self._methods = methods

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Finds the handler of one call."""
        del continuation  # asks the server's own table, which is empty
        begin_with(self.enter)
        return self._methods.find(handler_call_details.method).handler

    @abstractmethod
    def accounts(self) -> Iterable[Account]:
        """The callers, as far as they are known, and what came from each."""

    @abstractmethod
    def enter(self, method: Method, context: Context) -> None:
        """Finds out who calls, and lets the call of the current task in.

        Raises:
            GoverndError: What refuses it.
        """
