"""The operator's calls about upstreams."""

from pathlib import Path

from governd._proto.governd.v1 import admin_service_pb2, admin_service_pb2_grpc
from governd.cli.connection import ADMIN, channel_to


def upstreams(path: Path, timeout: float) -> admin_service_pb2.ListUpstreamsResponse:
    """Asks on the admin socket which upstreams there are."""
    request = admin_service_pb2.ListUpstreamsRequest()
    with channel_to(path, timeout, ADMIN) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        return stub.ListUpstreams(request, timeout=timeout)


def check(path: Path, name: str, timeout: float) -> admin_service_pb2.CheckUpstreamResponse:
    """Has governd ask the authorization servers of one upstream."""
    request = admin_service_pb2.CheckUpstreamRequest(name=name)
    with channel_to(path, timeout, ADMIN) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        return stub.CheckUpstream(request, timeout=timeout)
