"""A question in Cedar's terms.

What the wire calls a tool, Cedar calls an entity and an action of its own. Whatever
nothing declares is answered here, before any policy is asked: by its exact name, so that
no alias, confusable or prefix reaches a policy that was written for something else.
"""

import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

from governd.policy.asked import MAX_CACHED_CHARS, Asked, AskedKey
from governd.policy.compiler import CompiledPolicy
from governd.policy.context import Members, members, persons
from governd.policy.counting import OF_A_SERVER, counting
from governd.policy.coverage import covers
from governd.policy.decision import DecisionCode
from governd.policy.delegated import PLAIN
from governd.policy.entities import Entity, Placement, Uid
from governd.policy.parameters import CedarValue, Projection, project
from governd.policy.question import Question, ResourceRef
from governd.policy.tools import CALL

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
LISTED = frozenset({CALL, "resources/read", "prompts/get"})
"""What is done to what MCP servers list."""

_JSON = json.JSONEncoder().encode


class Refusal(Exception):  # noqa: N818 - carries an answer, not a fault
    """The question is answered before any policy is asked."""

    def __init__(self, code: DecisionCode, asked: Asked | None = None) -> None:
        """Takes the answer, and what was asked for where that is declared."""
        super().__init__(code.name)
        self.code = code
        self.asked = asked


@dataclass(slots=True)
class Inquiry:
    """A question in Cedar's terms.

    Attributes:
        asked: Who asks for what, and what follows of that alone.
        context: Cedar's context, as JSON.
        undeclared: Arguments that nothing declares.
    """

    asked: Asked
    context: str
    undeclared: tuple[str, ...]

    def request(self) -> dict[str, object]:
        """As the engine takes it."""
        part = self.asked.part
        return {
            "principal": part.principal.uid.json(),
            "action": part.action.uid.json(),
            "resource": part.resource.uid.json(),
            "context": self.context,
        }


def translate(policy: CompiledPolicy, question: Question, *, whole: bool = False) -> Inquiry:
    """Puts a question into Cedar's terms.

    Args:
        policy: The policy in force.
        question: What is asked.
        whole: Whether its context has what no candidate looks at, too. It has in any case
            until the schema has accepted a request of this kind.

    Raises:
        Refusal: It names what nothing declares, or an argument has the wrong type.
    """
    asked = policy.asked.get((question.names, ""))
    if asked is None:
        asked = _kept(policy, (question.names, ""), _asked(policy, question))
    if question.circumstances != PLAIN:
        asked = _under(policy, asked, question)
    projection = _project(asked, question)
    args, read = projection.args, asked.sets.facts.arguments
    context = asked.context
    if whole or not asked.conforms:
        context = _members(policy, asked, question, whole=True)
    elif read is not None:
        args = {name: args[name] for name in args if name in read}
    return Inquiry(asked, _JSON(_context(asked, context, projection, args)), projection.undeclared)


def _kept(policy: CompiledPolicy, key: AskedKey, asked: Asked) -> Asked:
    if asked.chars <= MAX_CACHED_CHARS:
        policy.asked[key] = asked
    return asked


def _asked(policy: CompiledPolicy, question: Question) -> Asked:
    action, resource = named(policy, question.action, question.resource)
    tool = policy.tool(resource.id) if question.action == CALL else None
    principal = Uid("Agent", str(question.subject))
    key = counting(policy, question.subject, action.id, resource)
    unlisted = ChainMap(unlisted_record(resource), policy.offered.records)
    placement = policy.graph.place(principal, action, resource, unlisted)
    sets = policy.handles.sets(key, placement)
    part = policy.graph.reachable(placement, sets.facts.mentioned, unlisted)
    chars = question.names.chars + part.chars + sets.chars
    listed = question.action in LISTED
    undeclared = tool is not None and not tool.declared
    # No schema has a tool that only its server declares: there is nothing to conform to.
    context = members(policy.graph, PLAIN, None, in_scope=True, servers=policy.servers)
    return Asked(tool, part, key, sets, context, chars, listed, conforms=undeclared)


def _under(policy: CompiledPolicy, plain: Asked, question: Question) -> Asked:
    """The same question in its circumstances, of which mostly little is looked at."""
    read = plain.sets.facts.delegation
    context = _members(policy, plain, question, whole=False)
    key = (question.names, _JSON(context))
    asked = policy.asked.get(key)
    if asked is None:
        part, named = plain.part, persons(question.circumstances, read)
        if named:
            unlisted = ChainMap(unlisted_record(part.resource.uid), policy.offered.records)
            mentioned = {*plain.sets.facts.mentioned, *named}
            placement = Placement(part.principal, part.action, part.resource)
            part = policy.graph.reachable(placement, mentioned, unlisted)
        asked = plain.under(context, part)
        asked.chars += len(key[1])
        asked = _kept(policy, key, asked)
    return asked


def _members(policy: CompiledPolicy, asked: Asked, question: Question, *, whole: bool) -> Members:
    """What policies see of a question's circumstances, all of it or as far as they look at it."""
    circumstances, resource = question.circumstances, asked.part.resource.uid
    facts = asked.sets.facts
    server = policy.servers.get(resource.id.partition("/")[0])
    in_scope = covers(circumstances, resource, server.spiffe_id if server else None)
    return members(
        policy.graph,
        circumstances,
        None if whole else facts.delegation,
        in_scope=in_scope,
        servers=policy.servers,
        kya=whole or facts.kya,
    )


def named(policy: CompiledPolicy, action: str, reference: ResourceRef) -> tuple[Uid, Uid]:
    """Cedar's action and resource for what a question names.

    Raises:
        Refusal: Nothing declares it, or it is quarantined.
    """
    if action != CALL and action not in policy.actions:
        raise Refusal(DecisionCode.UNKNOWN_ACTION)
    resource = _resource(policy, reference)
    if policy.offered.is_quarantined(resource):
        raise Refusal(DecisionCode.QUARANTINED)
    of_tool = resource.type == "Tool" and policy.has_tool(resource.id)
    if (action == CALL) != of_tool:
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    return Uid("Action", f"{CALL}:{resource.id}" if of_tool else action), resource


def _resource(policy: CompiledPolicy, reference: ResourceRef) -> Uid:
    kind = _WIRE_TYPES.get(reference.type, reference.type)
    # A type of governd's own has one name on the wire: "Tool" is not another "tool".
    if kind not in policy.types or reference.type in _WIRE_TYPES.values():
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    uid = Uid(kind, reference.id)
    server, slash, name = reference.id.partition("/")
    if kind in OF_A_SERVER and (server not in policy.servers or not slash or not name):
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    if kind == "McpServer" and reference.id not in policy.servers:
        raise Refusal(DecisionCode.UNKNOWN_RESOURCE)
    return uid


def _project(asked: Asked, question: Question) -> Projection:
    members = question.arguments.members
    if asked.tool is None:
        return Projection({}, tuple(members), ())
    projection = project(asked.tool.parameters, members)
    if projection.mismatched:
        raise Refusal(DecisionCode.ARGUMENTS_MISMATCH, asked)
    return projection


def _context(
    asked: Asked,
    circumstances: Mapping[str, object],
    projection: Projection,
    args: dict[str, CedarValue],
) -> dict[str, object]:
    context = {"args_undeclared": bool(projection.undeclared), **circumstances}
    if asked.tool:
        context["args"] = args
    return context


def unlisted_record(resource: Uid) -> dict[Uid, Entity]:
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
