"""What tests of registered tools do at a real daemon.

The demo policy declares a dozen tools of the MCP server ``git``. ``trusting`` lets its
annotations count, so that a tool which only the server declares can be harmless, too.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    tool_service_pb2,
    tool_service_pb2_grpc,
    types_pb2,
)
from governd._proto.governd.v1 import tool_service_pb2 as pb
from tests.integration.daemon_process import DEMO_POLICY, DaemonProcess

HARMLESS = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False}
NOTES = {"name": "git_notes", "description": "Lists notes.", "annotations": HARMLESS}
READS = ("git:read",)
WRITES = ("git:write",)


def trusting(folder: Path) -> Path:
    """A copy of the demo policy in which the server's annotations count for its own tools."""
    policy = shutil.copytree(DEMO_POLICY, folder / "trusting")
    file = policy / "tools" / "git.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "trust_annotations": True}))
    return policy


def tool(members: Mapping[str, Any], requires: Sequence[str] = READS) -> pb.Definition:
    """A tool as its server registers it."""
    return pb.Definition(
        kind=pb.DEFINITION_KIND_TOOL,
        definition_json=json.dumps(members).encode(),
        requires=requires,
    )


def notes(requires: Sequence[str] = READS, **members: Any) -> pb.Definition:
    """A tool that no policy source declares."""
    return tool({**NOTES, **members}, requires)


def declared(daemon: DaemonProcess, name: str, **members: Any) -> pb.Definition:
    """A tool that the policy source declares, as it is declared there but for ``members``."""
    source = json.loads((daemon.policy_directory / "tools" / "git.json").read_text())
    (entry,) = (one for one in source["tools"] if one["name"] == name)
    return tool({**{key: entry[key] for key in entry if key != "requires"}, **members}, ())


@contextmanager
def tools(daemon: DaemonProcess, caller: str) -> Iterator[tool_service_pb2_grpc.ToolServiceStub]:
    """A caller's stub."""
    with grpc.insecure_channel(daemon.target(caller)) as channel:
        yield tool_service_pb2_grpc.ToolServiceStub(channel)


def register(
    daemon: DaemonProcess, *definitions: pb.Definition, caller: str = "git", server: str = ""
) -> pb.RegisterToolsResponse:
    """Registers all that a server offers."""
    request = pb.RegisterToolsRequest(server=server, definitions=definitions)
    with tools(daemon, caller) as stub:
        return stub.RegisterTools(iter([request]), timeout=20)


def shown(
    daemon: DaemonProcess,
    *names: str,
    caller: str = "reader",
    kind: pb.DefinitionKind.ValueType = pb.DEFINITION_KIND_TOOL,
    **more: Any,
) -> list[str]:
    """What of a list of the server ``git`` a caller may see."""
    entries = [pb.ListedDefinition(name=name) for name in names]
    answer = filtered(daemon, *entries, caller=caller, kind=kind, **more)
    return [names[index] for index in answer.shown]


def filtered(
    daemon: DaemonProcess, *entries: pb.ListedDefinition, caller: str = "reader", **more: Any
) -> tool_service_pb2.FilterToolsResponse:
    """The whole answer about a list."""
    fields = {"server": "git", "kind": pb.DEFINITION_KIND_TOOL, "definitions": entries, **more}
    with tools(daemon, caller) as stub:
        return stub.FilterTools(pb.FilterToolsRequest(**fields), timeout=5)


def call(
    daemon: DaemonProcess, name: str, caller: str = "reader", **arguments: Any
) -> types_pb2.Evaluation:
    """What comes of a call of a tool of the server ``git``."""
    request = policy_service_pb2.EvaluateRequest(
        action=types_pb2.Action(name="tools/call"),
        resource=types_pb2.Resource(type="tool", id=f"git/{name}"),
        context=types_pb2.Context(arguments_json=json.dumps(arguments).encode()),
    )
    return _evaluated(daemon, caller, request)


def read(daemon: DaemonProcess, uri: str, caller: str = "reader") -> types_pb2.Evaluation:
    """What comes of reading a resource of the server ``git``."""
    request = policy_service_pb2.EvaluateRequest(
        action=types_pb2.Action(name="resources/read"),
        resource=types_pb2.Resource(type="resource", id=f"git/{uri}"),
    )
    return _evaluated(daemon, caller, request)


def _evaluated(
    daemon: DaemonProcess, caller: str, request: policy_service_pb2.EvaluateRequest
) -> types_pb2.Evaluation:
    with grpc.insecure_channel(daemon.target(caller)) as channel:
        stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
        return stub.Evaluate(request, timeout=5).evaluation


def admin(daemon: DaemonProcess, method: str, request: Any) -> Any:
    """The operator's call."""
    with grpc.insecure_channel(daemon.target("admin")) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        return getattr(stub, method)(request, timeout=20)


def status_of(daemon: DaemonProcess, name: str) -> admin_service_pb2.ToolStatus:
    """How a tool of the server ``git`` stands."""
    request = admin_service_pb2.GetToolRequest(server="git", name=name)
    found: admin_service_pb2.ToolStatus = admin(daemon, "GetTool", request).status
    return found


def approve(daemon: DaemonProcess, name: str, *drop: str) -> admin_service_pb2.ApproveToolResponse:
    """Approves a tool of the server ``git`` as it is registered now."""
    digest = status_of(daemon, name).digest
    request = admin_service_pb2.ApproveToolRequest(
        server="git", name=name, digest=digest, drop=drop
    )
    done: admin_service_pb2.ApproveToolResponse = admin(daemon, "ApproveTool", request)
    return done


def records(daemon: DaemonProcess, kind: str) -> list[dict[str, Any]]:
    """The records of a kind in the decision log."""
    return [one for one in daemon.decisions() if one["kind"] == kind]


def refusal(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """An error's reason and its metadata."""
    found = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert found is not None, error
    for detail in found.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason, dict(info.metadata)
    return "", {}
