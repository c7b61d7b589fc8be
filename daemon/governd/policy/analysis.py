"""Why a policy did or did not apply.

Cedar says which policies determined an answer, not why the others did not. Each part of
a policy, its scope and the conjuncts of its conditions, is itself a policy: it is asked
the same question, in order, and the first that is false is the reason. Cedar judges
every part, so the explanation cannot differ from the decision.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from governd.policy.argument_types import quote
from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import Decision
from governd.policy.engine import decide
from governd.policy.filed import FiledPolicy
from governd.policy.inquiry import Inquiry, Refusal, translate
from governd.policy.question import Question

_ALL: Mapping[str, Any] = {"op": "All"}
_SCOPE = ("principal", "action", "resource")


@dataclass(frozen=True, slots=True)
class Explanation:
    """One policy's part in an answer.

    Attributes:
        policy: The policy.
        applied: Whether scope and conditions held.
        first_false: The first part that did not, as Cedar text.
        error: The engine's words where the policy failed.
    """

    policy: FiledPolicy
    applied: bool
    first_false: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ExplainedDecision:
    """An answer and every candidate's part in it.

    Attributes:
        decision: The answer.
        policies: Candidates: determining ones, others that applied, failed ones, then
            those whose scope held, then the rest.
        undeclared: Arguments that nothing declares.
    """

    decision: Decision
    policies: tuple[Explanation, ...] = ()
    undeclared: tuple[str, ...] = ()


def explain(policy: CompiledPolicy, question: Question, *, age_seconds: float) -> ExplainedDecision:
    """Answers a question and says why.

    Args:
        policy: The policy in force.
        question: What is asked.
        age_seconds: The policy's age.
    """
    decision = decide(policy, question, age_seconds=age_seconds)
    try:
        inquiry = translate(policy, question, whole=True)
    except Refusal:
        return ExplainedDecision(decision)
    candidates = [one for one in policy.policies.values() if inquiry.asked.key.counts(one)]
    explanations = [_explain(policy, inquiry, record) for record in candidates]
    explanations.sort(key=lambda item: _rank(item, decision))
    return ExplainedDecision(decision, tuple(explanations), inquiry.undeclared)


def _rank(item: Explanation, decision: Decision) -> tuple[bool, bool, bool, bool, str]:
    return (
        item.policy.id not in decision.reasons,
        not item.applied,
        not item.error,
        item.first_false.startswith(_SCOPE),
        item.policy.id,
    )


def _explain(policy: CompiledPolicy, inquiry: Inquiry, record: FiledPolicy) -> Explanation:
    for part in _parts(policy.policies.est(record.id)):
        held, error = _holds(policy, inquiry, part)
        if error:
            return Explanation(record, applied=False, error=error)
        if not held:
            return Explanation(record, applied=False, first_false=_text(part))
    return Explanation(record, applied=True)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a policy: a scope's constraint or an operand of a condition.

    Attributes:
        name: ``principal``, ``action``, ``resource``, ``when`` or ``unless``.
        body: Its Cedar JSON form.
    """

    name: str
    body: Mapping[str, Any]

    def policies(self) -> str:
        """Cedar's JSON form of a set of one permit that is nothing but this part."""
        scope = {name: self.body if name == self.name else _ALL for name in _SCOPE}
        conditions = [] if self.name in _SCOPE else [{"kind": self.name, "body": self.body}]
        est = {"effect": "permit", **scope, "conditions": conditions}
        return json.dumps({"staticPolicies": {"part": est}, "templates": {}, "templateLinks": []})


def _parts(est: Mapping[str, Any]) -> Iterator[_Part]:
    for name in _SCOPE:
        if est[name] != _ALL:
            yield _Part(name, est[name])
    for condition in est["conditions"]:
        # when {a && b} fails at the first false one; unless {a || b} at the first true one.
        operator = "&&" if condition["kind"] == "when" else "||"
        for body in _operands(condition["body"], operator):
            yield _Part(condition["kind"], body)


def _operands(body: Mapping[str, Any], operator: str) -> Iterator[Mapping[str, Any]]:
    """The operands of a chain, left to right; the chain leans to the left."""
    rest: list[Mapping[str, Any]] = []
    while operator in body:
        rest.append(body[operator]["right"])
        body = body[operator]["left"]
    yield body
    yield from reversed(rest)


def _holds(policy: CompiledPolicy, inquiry: Inquiry, part: _Part) -> tuple[bool, str]:
    handle = cedarpy.PolicySet.from_json_str(part.policies())
    result = cedarpy.is_authorized(
        inquiry.request(), handle, inquiry.asked.part.entities, schema=policy.schema
    )
    errors = result.diagnostics.errors
    return result.allowed, errors[0].partition("`: ")[2] if errors else ""


def _text(part: _Part) -> str:
    """The part as Cedar text, an operand of ``unless`` marked as such."""
    if part.name in _SCOPE:
        return f"{part.name} {_constraint(part.body)}"
    text = cedarpy.policies_from_json_str(part.policies())
    condition = text[text.index("{") + 1 : text.rindex("}")].strip()
    return condition if part.name == "when" else f"unless {condition}"


def _constraint(scope: Mapping[str, Any]) -> str:
    """A scope's constraint without its variable: ``in Group::"writers"``."""
    parts = []
    if scope["op"] == "is":
        parts.append(f"is {scope['entity_type']}")
    target = scope.get("in", scope)
    if "entity" in target:
        parts.append(f"{'==' if scope['op'] == '==' else 'in'} {_entity(target['entity'])}")
    if "entities" in target:
        parts.append(f"in [{', '.join(_entity(entity) for entity in target['entities'])}]")
    return " ".join(parts)


def _entity(uid: Mapping[str, str]) -> str:
    return f"{uid['type']}::{quote(uid['id'])}"
