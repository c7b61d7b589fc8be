"""The messages of the SPIFFE Workload API, from the ``spiffe`` library, and its registration.

The Workload API has no proto package, so a process can hold its messages only once: with a
copy of our own no program could have both, governd's code and a SPIFFE library. And on the way
to its messages the library loads its whole client, with parsers for ASN.1, PEM and JWT, 3 MiB;
so the module with the messages is loaded by its place, and nothing else of the library.

Nobody else imports from ``spiffe``: whoever wants the messages takes them from here.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import grpc

_PACKAGE = "spiffe"
_MODULE = "spiffe._proto.workload_pb2"

if TYPE_CHECKING:
    from spiffe._proto import workload_pb2 as messages
else:

    def _load() -> ModuleType:
        """The module with the messages, without the packages that it is in."""
        if _MODULE in sys.modules:
            return sys.modules[_MODULE]
        (folder,) = importlib.util.find_spec(_PACKAGE).submodule_search_locations
        path = Path(folder, "_proto", "workload_pb2.py")
        spec = importlib.util.spec_from_file_location("governd.services.workload_pb2", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    messages = _load()

SERVICE = "SpiffeWorkloadAPI"
"""The full name of the service."""

__all__ = ["SERVICE", "add_to_server", "messages"]


def add_to_server(servicer: object, server: Any) -> None:  # noqa: ANN401  as generated code has it
    """Registers a servicer of the Workload API, as generated code does.

    Args:
        servicer: Has the service's methods, asynchronous, by their names.
        server: gRPC's, or a table of methods.
    """
    service = messages.DESCRIPTOR.services_by_name[SERVICE]
    handlers = {}
    for method in service.methods:
        make = grpc.unary_unary_rpc_method_handler
        if method.server_streaming:
            make = grpc.unary_stream_rpc_method_handler
        request = getattr(messages, method.input_type.name)
        response = getattr(messages, method.output_type.name)
        handlers[method.name] = make(
            getattr(servicer, method.name),
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
    generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers(SERVICE, handlers)
