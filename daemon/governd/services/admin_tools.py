"""What AdminService says of tools."""

import asyncio

from governd._proto.governd.v1 import admin_service_pb2, tool_service_pb2
from governd.application.keep_tools import ToolKeeper
from governd.application.list_tools import ToolList, place
from governd.errors import RequestError
from governd.policy.definitions import Kind
from governd.policy.question import MAX_ID_BYTES, MAX_NAME_BYTES, parse_name
from governd.services import convert, pages, registrations, tools

PAGE_BYTES = 500 << 10
"""Of a list; clients of gRPC take 4 MiB unless told otherwise."""
_AROUND = 5
"""Bytes around each definition of a list, at most."""
_AT_A_TIME = 64
"""Definitions that are written before others get a turn."""


class AdminTools:
    """Answers an operator's questions about tools."""

    def __init__(self, tool_list: ToolList, keeper: ToolKeeper) -> None:
        """Takes the use cases."""
        self._list = tool_list
        self._keeper = keeper

    async def list(
        self, request: admin_service_pb2.ListToolsRequest
    ) -> admin_service_pb2.ListToolsResponse:
        """A page of every definition, or of those that are asked for.

        Raises:
            RequestError: The page's token is none of ours.
        """
        after = pages.read(request.page_token) if request.page_token else None
        found = await asyncio.to_thread(
            self._list.standings, request.server, quarantined=request.quarantined, after=after
        )
        response, size = admin_service_pb2.ListToolsResponse(), 0
        for number, standing in enumerate(found):
            status = tools.status(standing)
            size += status.ByteSize() + _AROUND
            if response.tools and size > PAGE_BYTES:
                response.next_page_token = pages.write(place(found[number - 1]))
                break
            response.tools.append(status)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        return response

    def get(self, request: admin_service_pb2.GetToolRequest) -> admin_service_pb2.GetToolResponse:
        """One definition with its text.

        Raises:
            RequestError: A field is missing or malformed.
            DefinitionUnknownError: Nothing of that name is declared or registered.
        """
        return tools.details(self._list.standing(*_named(request)))

    async def approve(
        self, request: admin_service_pb2.ApproveToolRequest
    ) -> admin_service_pb2.ApproveToolResponse:
        """Pins a definition as it is registered now.

        Raises:
            RequestError: A field is missing or malformed.
            DefinitionUnknownError: Nothing of that name is registered.
            ApprovalError: What is registered has another digest, or cannot be approved.
            DecisionLogError: It cannot be put on record, or not be kept.
        """
        if not tools.is_digest(request.digest):
            message = 'digest: required, "sha-256:" and 64 hex digits in lower case'
            raise RequestError(message, field="digest")
        server, kind, name = _named(request)
        if request.drop and kind is not Kind.TOOL:
            message = "drop: only a tool requires capabilities"
            raise RequestError(message, field="drop")
        standing, policy = await self._keeper.approve(
            server, kind, name, request.digest, drop=tuple(request.drop)
        )
        return admin_service_pb2.ApproveToolResponse(
            status=tools.status(standing), policy=convert.policy_info(policy)
        )


def _named(
    request: admin_service_pb2.GetToolRequest | admin_service_pb2.ApproveToolRequest,
) -> tuple[str, Kind, str]:
    """The server, kind and name that a request states."""
    return (
        parse_name(request.server, field="server", limit=MAX_NAME_BYTES),
        registrations.kind(request.kind or tool_service_pb2.DEFINITION_KIND_TOOL, field="kind"),
        parse_name(request.name, field="name", limit=MAX_ID_BYTES),
    )
