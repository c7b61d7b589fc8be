"""The operator's calls about what MCP servers offer."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import grpc

from governd._proto.governd.v1 import admin_service_pb2, admin_service_pb2_grpc
from governd.cli.connection import ADMIN, channel_to, reason_of
from governd.cli.failure import NO, Failure
from governd.cli.tool_target import Target

_REFUSALS = {"APPROVAL_REFUSED", "DEFINITION_UNKNOWN"}


class Tools(Protocol):
    """What a verb about one definition needs. Every failure of a call is a ``Failure``."""

    def get(self, target: Target) -> admin_service_pb2.GetToolResponse:
        """One definition with its text, and the text it is held to."""

    def approve(
        self, target: Target, digest: str, drop: Sequence[str]
    ) -> admin_service_pb2.ApproveToolResponse:
        """Pins what is registered, if it still has this digest, and requires less."""


class ToolCalls:
    """Calls on an admin socket; implements ``Tools``."""

    def __init__(self, path: Path, timeout: float) -> None:
        """Takes the socket, and the seconds that each call may take."""
        self._path = path
        self._timeout = timeout

    def list(
        self, request: admin_service_pb2.ListToolsRequest
    ) -> Iterator[admin_service_pb2.ToolStatus]:
        """What MCP servers offer, page by page."""
        page = admin_service_pb2.ListToolsRequest()
        page.CopyFrom(request)
        with channel_to(self._path, self._timeout, ADMIN) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            while True:
                answer = stub.ListTools(page, timeout=self._timeout)
                yield from answer.tools
                if not answer.next_page_token:
                    return
                page.page_token = answer.next_page_token

    def get(self, target: Target) -> admin_service_pb2.GetToolResponse:
        """As ``Tools`` has it."""
        request = admin_service_pb2.GetToolRequest(
            server=target.server, kind=target.kind, name=target.name
        )
        with channel_to(self._path, self._timeout, ADMIN) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            return stub.GetTool(request, timeout=self._timeout)

    def approve(
        self, target: Target, digest: str, drop: Sequence[str]
    ) -> admin_service_pb2.ApproveToolResponse:
        """As ``Tools`` has it."""
        request = admin_service_pb2.ApproveToolRequest(
            server=target.server, kind=target.kind, name=target.name, digest=digest, drop=drop
        )
        with channel_to(self._path, self._timeout, ADMIN) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            try:
                return stub.ApproveTool(request, timeout=self._timeout)
            except grpc.RpcError as error:
                if isinstance(error, grpc.Call) and reason_of(error) in _REFUSALS:
                    raise refusal(error.details() or "governd refused") from error
                raise


def refusal(why: str) -> Failure:
    """An approval that was not given."""
    message = f"not approved: {why}; look at it again with 'governd tool diff'"
    return Failure(message, exit_code=NO)
