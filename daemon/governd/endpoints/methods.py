"""The methods that listeners serve, in one table that all of them share.

Servicers are registered here, not on each server: 250 listeners hold one table, and each
call finds its wrapped handler with one look-up. A handler begins with the entry of the
listener that the call came through, which says so in a context variable.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from governd.application import call as calls
from governd.endpoints.chain import Chain
from governd.endpoints.handlers import Context, Handler, behaviour, immediate
from governd.observability.names import OTHER

Register = Callable[[Any], None]
"""For example ``functools.partial(add_PolicyServiceServicer_to_server, servicer)``."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        label: Its full name, or ``other``: a label of metrics.
        stream: Whether it counts as a stream, in either direction.
        handler: What gRPC calls.
    """

    label: str
    stream: bool
    handler: Handler


Entry = Callable[[Method, Context], None]
"""Finds out who calls a method, and admits the call; raises what refuses it."""

_entry: ContextVar[Entry] = ContextVar("governd_entry")


class Methods:
    """Methods by full name, e.g. ``/governd.v1.PolicyService/Evaluate``.

    To generated ``add_*Servicer_to_server`` functions it looks like a server.
    """

    def __init__(self, register: Sequence[Register], chain: Chain) -> None:
        """Lets each of ``register`` add its service, wrapped in ``chain``."""
        self._chain = chain
        self._methods: dict[str, Method] = {}
        self._unknown = Method(
            OTHER, stream=False, handler=self._wrap(OTHER, immediate(_unimplemented))
        )
        for add in register:
            add(self)

    def find(self, name: str) -> Method:
        """The method of that name, or one that answers UNIMPLEMENTED."""
        return self._methods.get(name, self._unknown)

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Takes nothing: generated code hands the same methods to the function below."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Adds a service's methods, without those that its servicer does not override."""
        for name, handler in handlers.items():
            if _is_overridden(handler):
                full = f"/{service}/{name}"
                stream = bool(handler.request_streaming or handler.response_streaming)
                self._methods[full] = Method(full, stream, self._wrap(full, handler))

    def _wrap(self, name: str, handler: Handler) -> Handler:
        def enter(context: Context) -> None:
            _entry.get()(self.find(name), context)

        return self._chain.wrap(enter, name, handler)


def begin_with(entry: Entry) -> None:
    """Has the handler that runs next in this task begin with ``entry``."""
    _entry.set(entry)


def _is_overridden(handler: Handler) -> bool:
    """Whether a handler is asynchronous: the generated base class's methods are not."""
    servicer = behaviour(handler)
    return inspect.iscoroutinefunction(servicer) or inspect.isasyncgenfunction(servicer)


async def _unimplemented(_requests: object, context: Context) -> None:
    code = grpc.StatusCode.UNIMPLEMENTED
    calls.current().code = code.name
    await context.abort(code, "governd does not serve this method here")
