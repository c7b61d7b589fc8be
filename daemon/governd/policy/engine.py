"""The one evaluator behind every door.

``decide`` is a pure function of policy, question and the policy's age. Default deny;
forbid wins; an engine error denies, whatever else applied, because a forbid that could
not be evaluated must not become a permit. Left to others: how a question came in, what
is recorded of its answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cedarpy

from governd.policy.compiler import CompiledPolicy
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
    enforced, everything = _ask_all(policy, inquiry)
    decision = _judge(policy, enforced, age_seconds)
    return replace(
        decision,
        shadow=_shadow(decision, _judge(policy, everything, age_seconds)),
        lease_seconds=_lease(policy, decision, inquiry, age_seconds, max_lease_seconds),
        destructive=inquiry.destructive,
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What Cedar says.

    Attributes:
        allowed: Its decision.
        reasons: Ids of the determining policies.
        errors: What failed; the decision is worth nothing then.
    """

    allowed: bool
    reasons: tuple[str, ...]
    errors: tuple[str, ...] = ()


def _ask_all(policy: CompiledPolicy, inquiry: Inquiry) -> tuple[_Outcome, _Outcome]:
    """The outcome of what is enforced, and the one with shadow policies in force, too.

    Mostly the first follows from the second, and Cedar is asked once.
    """
    sets = inquiry.sets
    if sets.with_shadow is None:
        enforced = _ask(policy, inquiry, sets.enforced)
        return enforced, enforced
    everything = _ask(policy, inquiry, sets.with_shadow)
    follows = _without_shadow(policy, everything)
    return follows or _ask(policy, inquiry, sets.enforced), everything


def _ask(policy: CompiledPolicy, inquiry: Inquiry, policies: cedarpy.PolicySet) -> _Outcome:
    request, entities = inquiry.request(), inquiry.part.entities
    result = cedarpy.is_authorized(request, policies, entities, schema=policy.schema)
    undecided = result.decision is cedarpy.Decision.NoDecision
    errors = tuple(result.diagnostics.errors) or ("no decision",) * undecided
    return _Outcome(result.allowed, tuple(sorted(result.diagnostics.reasons)), errors)


def _without_shadow(policy: CompiledPolicy, everything: _Outcome) -> _Outcome | None:
    """What is left of an outcome without shadow policies; ``None`` where that is open.

    Permits and forbids do not influence each other: an allow says that no forbid
    applies, a deny by enforced forbids stays one. Open is a deny by shadow forbids
    alone, which hides the permits, and a failure.
    """
    if everything.errors:
        return None
    left = tuple(name for name in everything.reasons if not policy.policies[name].traits.shadow)
    if everything.allowed:
        return _Outcome(bool(left), left)
    if everything.reasons and not left:
        return None
    return _Outcome(allowed=False, reasons=left)


def _judge(policy: CompiledPolicy, outcome: _Outcome, age_seconds: float) -> Decision:
    """The decision that follows: errors deny, and so do permits that are stale."""
    if outcome.errors:
        return _failure(outcome.errors)
    if not outcome.allowed:
        code = DecisionCode.FORBIDDEN if outcome.reasons else DecisionCode.NOT_PERMITTED
        return Decision(code, outcome.reasons)
    fresh = tuple(name for name in outcome.reasons if _is_fresh(policy, name, age_seconds))
    if not fresh:
        return Decision(DecisionCode.POLICY_STALE, outcome.reasons)
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


def _shadow(decision: Decision, everything: Decision) -> ShadowOutcome | None:
    """What shadow policies would have changed."""
    if everything.allowed == decision.allowed:
        return None
    return ShadowOutcome(everything.allowed, everything.reasons)


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
