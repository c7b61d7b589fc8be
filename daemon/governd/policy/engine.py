"""The one evaluator behind every door.

``decide`` is a pure function of policy, question and the policy's age. Default deny;
forbid wins; an engine error denies, whatever else applied, because a forbid that could
not be evaluated must not become a permit. Left to others: how a question came in, what
is recorded of its answer.
"""

import json
from dataclasses import replace

import cedarpy

from governd.policy.asked import Asked, Outcome, outcome_of
from governd.policy.compiler import CompiledPolicy
from governd.policy.decision import Decision, DecisionCode, ShadowOutcome
from governd.policy.inquiry import LISTED, Inquiry, Refusal, translate
from governd.policy.question import Question
from governd.policy.unknowns import ALWAYS, NEVER, AnyCall, permitted_upto
from governd.policy.verdict import Verdict, between

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
    verdict = judge(policy, question, age_seconds=age_seconds, max_lease_seconds=max_lease_seconds)
    return verdict.at(age_seconds)


def judge(
    policy: CompiledPolicy, question: Question, *, age_seconds: float, max_lease_seconds: float = 0
) -> Verdict:
    """Answers a question as ``decide`` does, and says for which ages that is the answer."""
    try:
        inquiry = translate(policy, question)
    except Refusal as refusal:
        return _refused(policy, question, refusal, age_seconds)
    asked = inquiry.asked
    verdict = asked.seen.get((inquiry.context, max_lease_seconds))
    if verdict is None or not verdict.holds(age_seconds):
        outcomes = _ask_all(policy, inquiry)
        verdict = _ruling(policy, asked, outcomes, age_seconds, max_lease_seconds)
        asked.keep_seen(inquiry.context, max_lease_seconds, verdict)
    return verdict


def _ruling(
    policy: CompiledPolicy,
    asked: Asked,
    outcomes: tuple[Outcome, Outcome],
    age_seconds: float,
    longest: float,
) -> Verdict:
    """What follows of outcomes; mostly they are as for the question before."""
    key = (*outcomes, longest)
    verdict = asked.ruled.get(key)
    if verdict is None or not verdict.holds(age_seconds):
        verdict = _verdict(policy, asked, outcomes, age_seconds, longest)
        asked.keep_ruled(key, verdict)
    return verdict


def _verdict(
    policy: CompiledPolicy,
    asked: Asked,
    outcomes: tuple[Outcome, Outcome],
    age_seconds: float,
    longest: float,
) -> Verdict:
    enforced, everything = outcomes
    decision = _judge(policy, enforced, age_seconds)
    shown_upto = _shown_upto(policy, asked, decision)
    decision = replace(
        decision,
        shadow=_shadow(decision, _judge(policy, everything, age_seconds)),
        lease_seconds=longest if _may_be_leased(policy, decision, asked) else 0.0,
        destructive=asked.destructive,
        hidden=age_seconds > shown_upto and not _is_explicit(policy, decision),
    )
    names = {name for outcome in outcomes if outcome.allowed for name in outcome.reasons}
    limits = (policy.policies[name].traits.max_staleness for name in names)
    known = (one for one in limits if one is not None)
    return between(decision, (*known, shown_upto), age_seconds)


def _refused(
    policy: CompiledPolicy, question: Question, refusal: Refusal, age_seconds: float
) -> Verdict:
    """The verdict on what no policy is asked about; lists hide what nothing declares."""
    decision = Decision(refusal.code)
    if refusal.asked is not None:
        shown_upto = _shown_upto(policy, refusal.asked, decision)
    else:
        shown_upto = NEVER if question.action in LISTED else ALWAYS
    decision = replace(decision, hidden=age_seconds > shown_upto)
    return between(decision, (shown_upto,), age_seconds)


def _shown_upto(policy: CompiledPolicy, asked: Asked, decision: Decision) -> float:
    """The greatest age at which lists show what was denied, whatever the arguments were."""
    if decision.allowed or not asked.listed:
        return ALWAYS
    if decision.code is DecisionCode.UNKNOWN_RESOURCE:
        return NEVER
    if asked.shown_upto is None:
        part, sets = asked.part, asked.sets
        uids = part.principal.uid, part.action.uid, part.resource.uid
        call = AnyCall(*uids, part.entities, sets.facts, json.dumps(asked.context))
        asked.shown_upto = permitted_upto(policy.policies, call, sets)
    return asked.shown_upto


def _is_explicit(policy: CompiledPolicy, decision: Decision) -> bool:
    """Whether a determining forbid lets its denial be told as what it is."""
    if decision.code is not DecisionCode.FORBIDDEN:
        return False
    return any(policy.policies[name].traits.explicit_denial for name in decision.reasons)


def _ask_all(policy: CompiledPolicy, inquiry: Inquiry) -> tuple[Outcome, Outcome]:
    """The outcome of what is enforced, and the one with shadow policies in force, too.

    Mostly the first follows from the second, and Cedar is asked once.
    """
    sets = inquiry.asked.sets
    if sets.with_shadow is None:
        enforced = _ask(policy, inquiry, sets.enforced)
        return enforced, enforced
    everything = _ask(policy, inquiry, sets.with_shadow)
    follows = _without_shadow(policy, everything)
    return follows or _ask(policy, inquiry, sets.enforced), everything


def _ask(policy: CompiledPolicy, inquiry: Inquiry, policies: cedarpy.PolicySet) -> Outcome:
    asked = inquiry.asked
    # INVARIANT: with the same names, only projected arguments differ, and those conform.
    schema = None if asked.conforms else policy.schema
    result = cedarpy.is_authorized(inquiry.request(), policies, asked.part.entities, schema=schema)
    outcome = outcome_of(result)
    asked.conforms = asked.conforms or not _is_unknown(outcome)
    return outcome


def _without_shadow(policy: CompiledPolicy, everything: Outcome) -> Outcome | None:
    """What is left of an outcome without shadow policies; ``None`` where that is open.

    Permits and forbids do not influence each other: an allow says that no forbid
    applies, a deny by enforced forbids stays one. Open is a deny by shadow forbids
    alone, which hides the permits, and a failure.
    """
    if everything.errors:
        return None
    left = tuple(name for name in everything.reasons if not policy.policies[name].traits.shadow)
    if everything.allowed:
        return Outcome(bool(left), left)
    if everything.reasons and not left:
        return None
    return Outcome(allowed=False, reasons=left)


def _judge(policy: CompiledPolicy, outcome: Outcome, age_seconds: float) -> Decision:
    """The decision that follows: errors deny, and so do permits that are stale."""
    if outcome.errors:
        if _is_unknown(outcome):
            return Decision(DecisionCode.UNKNOWN_RESOURCE)
        return Decision(DecisionCode.ENGINE_ERROR, outcome.failed)
    if not outcome.allowed:
        code = DecisionCode.FORBIDDEN if outcome.reasons else DecisionCode.NOT_PERMITTED
        return Decision(code, outcome.reasons)
    fresh = tuple(name for name in outcome.reasons if _is_fresh(policy, name, age_seconds))
    if not fresh:
        return Decision(DecisionCode.POLICY_STALE, outcome.reasons)
    obligations = tuple(o for name in fresh for o in policy.policies[name].traits.obligations)
    return Decision(DecisionCode.PERMITTED, fresh, obligations)


def _is_unknown(outcome: Outcome) -> bool:
    return any(error.startswith(_NO_SUCH_REQUEST) for error in outcome.errors)


def _is_fresh(policy: CompiledPolicy, name: str, age_seconds: float) -> bool:
    limit = policy.policies[name].traits.max_staleness
    return limit is None or age_seconds <= limit


def _shadow(decision: Decision, everything: Decision) -> ShadowOutcome | None:
    """What shadow policies would have changed."""
    if everything.allowed == decision.allowed:
        return None
    return ShadowOutcome(everything.allowed, everything.reasons)


def _may_be_leased(policy: CompiledPolicy, decision: Decision, asked: Asked) -> bool:
    if not decision.allowed or decision.obligations or asked.destructive:
        return False
    return not any(policy.policies[name].traits.no_lease for name in decision.reasons)
