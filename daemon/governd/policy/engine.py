"""The one evaluator behind every door.

``decide`` is a pure function of policy, question and the policy's age. Default deny;
forbid wins; an engine error denies, whatever else applied, because a forbid that could
not be evaluated must not become a permit. Left to others: how a question came in, what
is recorded of its answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cedarpy

from governd.identity import SpiffeId
from governd.policy.compiler import CompiledPolicy, PolicySets, SetKey
from governd.policy.decision import Decision, DecisionCode, ShadowOutcome
from governd.policy.entities import Entity, Uid
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

_OF_A_SERVER = {"Tool", "Resource", "Prompt"}
_FAILED_POLICY = re.compile(r"policy `([^`]*)`")
_NO_SUCH_REQUEST = "failed to build request"


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
        principal: The subject.
        action: Cedar's action.
        resource: The resource.
        context: Cedar's context.
        key: Which policies count.
        entities: What the evaluation can reach.
        destructive: Whether it is about a destructive tool.
        undeclared: Arguments that nothing declares.
    """

    principal: Uid
    action: Uid
    resource: Uid
    context: Mapping[str, CedarValue]
    key: SetKey
    entities: cedarpy.Entities
    destructive: bool
    undeclared: tuple[str, ...]

    def request(self) -> dict[str, object]:
        """As the engine takes it."""
        return {
            "principal": self.principal.json(),
            "action": self.action.json(),
            "resource": self.resource.json(),
            "context": self.context,
        }


def decide(
    policy: CompiledPolicy, question: Question, *, age_seconds: float, max_lease_seconds: float = 0
) -> Decision:
    """Answers a question.

    Args:
        policy: The policy in force.
        question: What is asked.
        age_seconds: How long ago the policy was last verified to be the newest.
        max_lease_seconds: The longest that an answer may be reused.
    """
    try:
        inquiry = translate(policy, question)
    except Refusal as refusal:
        return Decision(refusal.code)
    sets = policy.sets[inquiry.key]
    decision = _evaluate(policy, inquiry, sets.enforced, age_seconds)
    shadow = _shadow(policy, inquiry, sets, age_seconds, decision)
    lease = _lease(policy, decision, inquiry, age_seconds, max_lease_seconds)
    return replace(
        decision, shadow=shadow, lease_seconds=lease, destructive=inquiry.destructive
    )


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
    return Inquiry(
        principal=principal,
        action=action,
        resource=resource,
        context=_context(tool, projection),
        key=_key(policy, question.subject, resource),
        entities=policy.graph.reachable(principal, action, resource, _unlisted(resource)),
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
    owner = owner_of(policy, resource) if tenant else None
    owning = policy.manifest.tenant_of(owner) if owner else ""
    return SetKey(tenant, foreign=owning not in {"", tenant})


def owner_of(policy: CompiledPolicy, resource: Uid) -> SpiffeId | None:
    """The workload that a resource is or belongs to; ``None`` for none."""
    if resource.type == "Agent":
        return SpiffeId.parse(resource.id)
    if resource.type in {*_OF_A_SERVER, "McpServer"}:
        return policy.servers[resource.id.partition("/")[0]].spiffe_id
    return None


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


def _evaluate(
    policy: CompiledPolicy, inquiry: Inquiry, policies: cedarpy.PolicySet, age_seconds: float
) -> Decision:
    result = cedarpy.is_authorized(
        inquiry.request(), policies, inquiry.entities, schema=policy.schema
    )
    errors = result.diagnostics.errors
    if errors or result.decision is cedarpy.Decision.NoDecision:
        return _failure(errors)
    reasons = tuple(sorted(result.diagnostics.reasons))
    if not result.allowed:
        code = DecisionCode.FORBIDDEN if reasons else DecisionCode.NOT_PERMITTED
        return Decision(code, reasons)
    fresh = tuple(name for name in reasons if _is_fresh(policy, name, age_seconds))
    if not fresh:
        return Decision(DecisionCode.POLICY_STALE, reasons)
    obligations = tuple(o for name in fresh for o in policy.policies[name].traits.obligations)
    return Decision(DecisionCode.PERMITTED, fresh, obligations)


def _failure(errors: Sequence[str]) -> Decision:
    if any(error.startswith(_NO_SUCH_REQUEST) for error in errors):
        return Decision(DecisionCode.UNKNOWN_RESOURCE)
    failed = {match[1] for error in errors if (match := _FAILED_POLICY.search(error))}
    return Decision(DecisionCode.ENGINE_ERROR, tuple(sorted(failed)))


def _is_fresh(policy: CompiledPolicy, name: str, age_seconds: float) -> bool:
    limit = policy.policies[name].traits.max_staleness
    return limit is None or age_seconds <= limit


def _shadow(
    policy: CompiledPolicy,
    inquiry: Inquiry,
    sets: PolicySets,
    age_seconds: float,
    decision: Decision,
) -> ShadowOutcome | None:
    if sets.with_shadow is None:
        return None
    outcome = _evaluate(policy, inquiry, sets.with_shadow, age_seconds)
    if outcome.allowed == decision.allowed:
        return None
    return ShadowOutcome(outcome.allowed, outcome.reasons)


def _lease(
    policy: CompiledPolicy,
    decision: Decision,
    inquiry: Inquiry,
    age_seconds: float,
    longest: float,
) -> float:
    """How long a permit may be reused; 0 for not at all."""
    if not decision.allowed or decision.obligations or inquiry.destructive:
        return 0.0
    traits = [policy.policies[name].traits for name in decision.reasons]
    if any(trait.no_lease for trait in traits):
        return 0.0
    rest = [t.max_staleness - age_seconds for t in traits if t.max_staleness is not None]
    return max(0.0, min([longest, *rest]))
