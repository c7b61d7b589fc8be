"""The operator's calls that are part of what is measured."""

import contextlib
import time
from collections.abc import Callable, Iterator

import grpc

from bench.daemon import Daemon
from governd._proto.governd.v1 import admin_service_pb2, admin_service_pb2_grpc

_TIMEOUT_SECONDS = 60


@contextlib.contextmanager
def connected(daemon: Daemon) -> Iterator[Callable[[], None]]:
    """Reload over a connection that is there already, so that it is not measured."""
    with grpc.insecure_channel(f"unix:{daemon.admin}") as channel:
        grpc.channel_ready_future(channel).result(_TIMEOUT_SECONDS)
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        yield lambda: _reload(stub)


def timed(call: Callable[[], None]) -> float:
    """Seconds that a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def _reload(stub: admin_service_pb2_grpc.AdminServiceStub) -> None:
    answer = stub.Reload(admin_service_pb2.ReloadRequest(), timeout=_TIMEOUT_SECONDS)
    if not answer.changed:
        message = "Reload found nothing new: what was measured is no swap"
        raise RuntimeError(message)
