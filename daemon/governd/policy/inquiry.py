"""A question in Cedar's terms.

What the wire calls a tool, Cedar calls an entity and an action of its own. Whatever
nothing declares is answered here, before any policy is asked: by its exact name, so that
no alias, confusable or prefix reaches a policy that was written for something else.
"""

import json
from dataclasses import dataclass

from governd.identity import SpiffeId
from governd.policy.compiler import CompiledPolicy
from governd.policy.decision import DecisionCode
from governd.policy.entities import Entity, Part, Uid
from governd.policy.handles import PolicySets, SetKey
from governd.policy.parameters import CedarValue, Projection, project
from governd.policy.question import Question
from governd.policy.tools import CALL, Tool

_WIRE_TYPES = {
    "tool": "Tool",
    "mcp_server": "McpServer",
    "resource": "Resource",
    "prompt": "Prompt",
    "agent": "Agent",
    "external_service": "ExternalService",
}
BUILT_IN_ACTIONS = (
    CALL,
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "agent/invoke",
    "http/request",
    "token/exchange",
    "delegation/mint",
    "identity/jwt-svid",
)
"""The actions that governd itself declares."""

_OF_A_SERVER = frozenset({"Tool", "Resource", "Prompt"})


class Refusal(Exception):  # noqa: N818 - carries an answer, not a fault
    """The question is answered before any policy is asked."""

    def __init__(self, code: DecisionCode) -> None:
        """Takes the answer."""
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question in Cedar's terms.

    Attributes:
        part: Who asks for what, and what the evaluation can reach.
        context: Cedar's context, as JSON.
        key: Which policies count.
        sets: Those of them that can apply.
        destructive: Whether it is about a destructive tool.
        undeclared: Arguments that nothing declares.
    """

    part: Part
    context: str
    key: SetKey
    sets: PolicySets
    destructive: bool
    undeclared: tuple[str, ...]

    def request(self) -> dict[str, object]:
        """As the engine takes it."""
        return {
            "principal": self.part.principal.uid.json(),
            "action": self.part.action.uid.json(),
            "resource": self.part.resource.uid.json(),
            "context": self.context,
        }


def translate(policy: CompiledPolicy, question: Question) -> Inquiry:
    """Puts a question into Cedar's terms.

    Raises:
        Refusal: It names what nothing declares, or an argument has the wrong type.
    """
    if question.action != CALL and question.action not in policy.actions:
        raise Refusal(DecisionCode.UNKNOWN_ACTION)
    resource = _resource(policy, question)
    tool = policy.tool(resource.id) if resource.type == "Tool" else None
    if (question.action == CALL) != (tool is not None):
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    projection = _project(tool, question)
    principal = Uid("Agent", str(question.subject))
    action = Uid("Action", tool.action if tool else question.action)
    key = _key(policy, question.subject, resource)
    part = policy.graph.reachable(principal, action, resource, _unlisted(resource))
    return Inquiry(
        part=part,
        context=json.dumps(_context(tool, projection)),
        key=key,
        sets=policy.handles.sets(key, part),
        destructive=tool.destructive if tool else False,
        undeclared=projection.undeclared,
    )


def _resource(policy: CompiledPolicy, question: Question) -> Uid:
    reference = question.resource
    kind = _WIRE_TYPES.get(reference.type, reference.type)
    # A type of governd's own has one name on the wire: "Tool" is not another "tool".
    if kind not in policy.types or reference.type in _WIRE_TYPES.values():
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    uid = Uid(kind, reference.id)
    server, slash, name = reference.id.partition("/")
    if kind in _OF_A_SERVER and (server not in policy.servers or not slash or not name):
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    if kind == "McpServer" and reference.id not in policy.servers:
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    return uid


def _project(tool: Tool | None, question: Question) -> Projection:
    members = question.arguments.members
    if tool is None:
        return Projection({}, tuple(members), ())
    projection = project(tool.parameters, members)
    if projection.mismatched:
        raise Refusal(DecisionCode.ARGUMENTS_MISMATCH)
    return projection


def _context(tool: Tool | None, projection: Projection) -> dict[str, CedarValue]:
    context: dict[str, CedarValue] = {
        "args_undeclared": bool(projection.undeclared),
        "delegated": False,  # no evidence of a delegation is accepted yet
    }
    if tool:
        context["args"] = projection.args
    return context


def _key(policy: CompiledPolicy, subject: SpiffeId, resource: Uid) -> SetKey:
    tenant = policy.manifest.tenant_of(subject)
    return SetKey(tenant, foreign=bool(tenant) and not _is_for(policy, tenant, resource))


def _is_for(policy: CompiledPolicy, tenant: str, resource: Uid) -> bool:
    """Whether a tenant's permits count for a resource: its own, or a server it may use."""
    if resource.type == "Agent":
        return policy.manifest.tenant_of(SpiffeId.parse(resource.id)) == tenant
    if resource.type not in {*_OF_A_SERVER, "McpServer"}:
        return resource.id.startswith(tenant + "/")
    server = policy.servers[resource.id.partition("/")[0]]
    if policy.manifest.tenant_of(server.spiffe_id) == tenant:
        return True
    return any(one.name == tenant and server.name in one.servers for one in policy.manifest.tenant)


def _unlisted(resource: Uid) -> dict[Uid, Entity]:
    """The record of a resource or prompt, which no file lists."""
    server, _, name = resource.id.partition("/")
    attribute = {"Resource": "uri", "Prompt": "name"}.get(resource.type)
    if attribute is None:
        return {}
    return {
        resource: {
            "uid": resource.json(),
            "attrs": {attribute: name},
            "parents": [Uid("McpServer", server).json()],
        }
    }
