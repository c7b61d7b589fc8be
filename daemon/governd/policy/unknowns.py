"""Whether a call could be permitted while its arguments, or who delegates, are not known.

First one call is asked about, one without arguments: what no candidate's look at the
arguments decides is decided by that, whatever they are. Only what is left open goes
through Cedar's partial evaluation
(https://docs.rs/cedar-policy/latest/cedar_policy/struct.PartialResponse.html), which is
experimental there: its word is taken for denials only, and calls are never decided by it.
Where it cannot tell, something could be permitted.
"""

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from governd.policy.asked import Outcome, outcome_of
from governd.policy.entities import Uid
from governd.policy.filed import FiledPolicy
from governd.policy.handles import Facts, PolicySets
from governd.policy.tools import CALL

NEVER = -math.inf
ALWAYS = math.inf

_ARGUMENTS = frozenset({"args", "args_undeclared"})
_DELEGATION, _MOMENT = "delegation", "expires"
_CONTEXTS = 64
_PLAIN = re.compile(r"[A-Za-z0-9_./:@ -]*", re.ASCII)
_SPELLED = ("permit(principal, action, resource == ", ");")


@dataclass(frozen=True, slots=True)
class AnyCall:
    """A call, read or use of something, whatever the arguments.

    Attributes:
        principal: Who it is by.
        action: Cedar's action.
        resource: What it is of.
        entities: All that evaluating the candidates can reach.
        facts: What is known of the candidates.
        context: What follows of the circumstances, in Cedar's JSON form.
        any_delegation: A user delegated, and nothing else is known of that; ``context`` has
            any such delegation.
        several: The resource stands for several, of which the attributes are not known.
    """

    principal: Uid
    action: Uid
    resource: Uid
    entities: cedarpy.Entities
    facts: Facts
    context: str
    any_delegation: bool = False
    several: bool = False

    @property
    def unknown(self) -> frozenset[str]:
        """Members of the context that are not known."""
        return _ARGUMENTS | {_DELEGATION} if self.any_delegation else _ARGUMENTS

    @property
    def has_arguments(self) -> bool:
        """Whether Cedar sees the arguments: those of tools are declared, one by one."""
        return self.action.id.startswith(CALL)


def permitted_upto(
    policies: Mapping[str, FiledPolicy], call: AnyCall, candidates: PolicySets
) -> float:
    """The greatest age of the policy, in seconds, at which a call could be permitted.

    Args:
        policies: All there are, by id.
        call: Whatever its arguments.
        candidates: The policies that can apply, and maybe others.

    Returns:
        ``NEVER`` where every call is denied, ``ALWAYS`` where age does not count.
    """
    settled = _settled(policies, call, candidates)
    return _open(policies, call, candidates) if settled is None else settled


def _settled(
    policies: Mapping[str, FiledPolicy], call: AnyCall, candidates: PolicySets
) -> float | None:
    """What the call without arguments says of all; ``None`` where that is open."""
    if call.several:  # they may be looked up by their names somewhere
        return ALWAYS if "resource" in call.facts.looks.whole else None
    outcome = _without_arguments(call, candidates)
    denying = () if outcome.allowed else outcome.reasons
    if any(not policies[name].looks.depends_on(call.unknown) for name in denying):
        return NEVER
    best = _latest(policies, outcome.reasons)
    hopes = call.facts.hopes.depends_on(call.unknown)
    return None if outcome.errors or denying or (hopes and best < ALWAYS) else best


def _without_arguments(call: AnyCall, candidates: PolicySets) -> Outcome:
    request = {
        "principal": call.principal.json(),
        "action": call.action.json(),
        "resource": call.resource.json(),
        "context": _known(call.context, has_arguments=call.has_arguments),
    }
    return outcome_of(cedarpy.is_authorized(request, candidates.enforced, call.entities))


def _open(policies: Mapping[str, FiledPolicy], call: AnyCall, candidates: PolicySets) -> float:
    """What partial evaluation says."""
    request = {
        "principal": _spelled(call.principal),
        "action": _spelled(call.action),
        "resource": _spelled(call.resource),
        "context": _unknown(call.context, call.unknown, has_arguments=call.has_arguments),
    }
    result = cedarpy.is_authorized_partial(request, candidates.enforced, call.entities)
    if result.diagnostics.errors:
        return NEVER
    permits = []
    for name, residual in result.residuals.items():
        (rest,) = (condition["body"] for condition in residual["conditions"])
        if policies[name].effect == "forbid" and _is_never(rest, truth=False):
            return NEVER
        if policies[name].effect == "permit" and not _is_never(rest, truth=True):
            permits.append(name)
    return _latest(policies, permits)


def _is_never(rest: Mapping[str, Any], *, truth: bool) -> bool:
    """Whether what is left of a condition is never true, or never false; it may still fail."""
    ((operator, operand),) = rest.items()
    match operator:
        case "Value":
            return operand is not truth and isinstance(operand, bool)
        case "!":
            return _is_never(operand["arg"], truth=not truth)
        case "&&" | "||":
            sides = (_is_never(operand[side], truth=truth) for side in ("left", "right"))
            return any(sides) if (operator == "&&") is truth else all(sides)
    return False


def _latest(policies: Mapping[str, FiledPolicy], names: Iterable[str]) -> float:
    """Up to which age any of the permits among some policies counts."""
    permits = (one for one in (policies[name] for name in names) if one.effect == "permit")
    limits = (one.traits.max_staleness for one in permits)
    return max((ALWAYS if one is None else one for one in limits), default=NEVER)


@functools.lru_cache(_CONTEXTS)
def _known(circumstances: str, *, has_arguments: bool) -> str:
    """The context of a call without arguments."""
    arguments: dict[str, object] = {"args": {}} if has_arguments else {}
    return json.dumps({**json.loads(circumstances), **arguments, "args_undeclared": False})


@functools.lru_cache(_CONTEXTS)
def _unknown(circumstances: str, names: frozenset[str], *, has_arguments: bool) -> str:
    """The context of a call of which some members are not known."""
    context = json.loads(circumstances)
    delegation = context.get(_DELEGATION, {})
    if _MOMENT in delegation:
        # Cedar takes a record with a call in it for one that may fail, and looks no further.
        delegation[_MOMENT] = _of_anything(_MOMENT)
    context.update({name: _of_anything(name) for name in names})
    if not has_arguments:
        del context["args"]
    return json.dumps(context)


def _of_anything(name: str) -> dict[str, object]:
    return {"__extn": {"fn": "unknown", "arg": name}}


def _spelled(uid: Uid) -> str:
    """An entity's name in Cedar's own spelling, the only one that partial evaluation takes."""
    if _PLAIN.fullmatch(uid.id):
        return f'{uid.type}::"{uid.id}"'
    scope = {"principal": {"op": "All"}, "action": {"op": "All"}}
    policy = {**scope, "effect": "permit", "resource": {"op": "==", "entity": uid.json()}}
    static = {"x": {**policy, "conditions": []}}
    text = json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})
    before, behind = _SPELLED
    return cedarpy.policies_from_json_str(text).removeprefix(before).removesuffix(behind)
