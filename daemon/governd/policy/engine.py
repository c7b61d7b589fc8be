"""The one evaluator behind every door.

``decide`` is a pure function of policy, question and the policy's age. Default deny;
forbid wins; an engine error denies, whatever else applied, because a forbid that could
not be evaluated must not become a permit. Left to others: how a question came in, what
is recorded of its answer.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import cedarpy

from governd.policy.compiler import CompiledPolicy, PolicySets
from governd.policy.decision import Decision, DecisionCode, ShadowOutcome
from governd.policy.inquiry import Inquiry, Refusal, translate
from governd.policy.question import Question

_FAILED_POLICY = re.compile(r"policy `([^`]*)`")
_NO_SUCH_REQUEST = "failed to build request"


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
    return replace(decision, shadow=shadow, lease_seconds=lease, destructive=inquiry.destructive)


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
