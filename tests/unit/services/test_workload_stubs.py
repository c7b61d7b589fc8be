"""The Workload API's messages are the library's own, and nothing else of it is loaded."""

import subprocess
import sys

import pytest

from governd.endpoints.handlers import Handler, behaviour
from governd.services import workload_stubs
from governd.services.workload_api import WorkloadApiServicer
from governd.services.workload_stubs import messages

STREAMS = {"FetchX509SVID", "FetchX509Bundles", "FetchJWTBundles"}
UNARY = {"FetchJWTSVID", "ValidateJWTSVID"}
_ALONE = """
import sys
from governd.services import workload_stubs
from governd.services.workload_api import WorkloadApiServicer
foreign = {"spiffe", "jwt", "pem", "pyasn1"} & set(sys.modules)
assert not foreign, foreign
"""
_TOGETHER = """
from governd.services.workload_stubs import messages
from spiffe._proto import workload_pb2
assert messages.X509SVIDResponse is workload_pb2.X509SVIDResponse
"""
_AFTERWARDS = """
from spiffe._proto import workload_pb2
from governd.services.workload_stubs import messages
assert messages is workload_pb2
"""


@pytest.mark.parametrize("program", [_ALONE, _TOGETHER, _AFTERWARDS])
def test_the_messages_are_the_librarys_and_nothing_else_is_loaded(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


class Table:
    """What looks like a server to generated code."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Takes nothing."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        self.handlers = {f"/{service}/{name}": handler for name, handler in handlers.items()}


def registered() -> dict[str, Handler]:
    table = Table()
    workload_stubs.add_to_server(WorkloadApiServicer, table)
    return table.handlers


def test_the_service_has_the_standards_methods() -> None:
    handlers = registered()
    assert set(handlers) == {f"/SpiffeWorkloadAPI/{name}" for name in STREAMS | UNARY}
    for name in STREAMS:
        handler = handlers[f"/SpiffeWorkloadAPI/{name}"]
        assert handler.response_streaming
        assert not handler.request_streaming
        assert behaviour(handler) is getattr(WorkloadApiServicer, name)
    for name in UNARY:
        handler = handlers[f"/SpiffeWorkloadAPI/{name}"]
        assert not handler.response_streaming
        assert behaviour(handler) is getattr(WorkloadApiServicer, name)


def test_requests_are_read_and_answers_written() -> None:
    handler = registered()["/SpiffeWorkloadAPI/FetchJWTSVID"]
    assert handler.request_deserializer is not None
    assert handler.response_serializer is not None
    request = messages.JWTSVIDRequest(audience=["bank"])
    assert handler.request_deserializer(request.SerializeToString()) == request
    answer = messages.JWTSVIDResponse(svids=[messages.JWTSVID(svid="x")])
    assert messages.JWTSVIDResponse.FromString(handler.response_serializer(answer)) == answer
