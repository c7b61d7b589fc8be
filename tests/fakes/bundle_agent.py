"""A SPIRE agent that knows trust bundles and no workload, on a socket of its own.

    with serving(socket, {"example.org": authority.bundle}):
        ...

Answers the Delegated Identity API (``protos/spire``) for as long as the block lasts. It lets a
test have a real governd trust an authority whose key is long gone.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from governd._proto.spire.api.agent.delegatedidentity.v1 import delegatedidentity_pb2 as delegated
from governd.adapters.embedded_jwt import JwtAuthority

SERVICE = delegated.DESCRIPTOR.services_by_name["DelegatedIdentity"]
_STREAMS = 32

Bundles = Mapping[str, Sequence[bytes]]
"""DER certificates of authorities, by trust domain."""


@contextlib.contextmanager
def serving(socket: Path, bundles: Bundles) -> Iterator[None]:
    """Tells whoever subscribes of these trust bundles, and that nothing is issued to anybody."""
    over = threading.Event()
    server = grpc.server(ThreadPoolExecutor(_STREAMS))
    server.add_generic_rpc_handlers([_handlers(bundles, over)])
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield
    finally:
        over.set()
        server.stop(None).wait()


def _handlers(bundles: Bundles, over: threading.Event) -> grpc.GenericRpcHandler:
    keys = JwtAuthority().key_set()
    told: Mapping[str, Message] = {
        "SubscribeToX509SVIDs": delegated.SubscribeToX509SVIDsResponse(),
        "SubscribeToX509Bundles": delegated.SubscribeToX509BundlesResponse(
            ca_certificates={name: b"".join(ders) for name, ders in bundles.items()}
        ),
        "SubscribeToJWTBundles": delegated.SubscribeToJWTBundlesResponse(
            bundles=dict.fromkeys(bundles, keys)
        ),
    }
    streams: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_stream_rpc_method_handler(_saying(one.SerializeToString(), over))
        for name, one in told.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE.full_name, streams)


def _saying(
    answer: bytes, over: threading.Event
) -> Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]:
    """A stream that says one thing, and then nothing more."""

    def stream(_request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        ended = threading.Event()
        context.add_callback(ended.set)
        yield answer
        while not (over.is_set() or ended.wait(0.1)):
            pass

    return stream
