"""Every metric of delegation, as ``names`` has the others."""

from governd.observability.names import Kind, Metric

DELEGATIONS = Metric(
    "governd_delegations_total",
    Kind.COUNTER,
    "Acting-as tokens that were asked for.",
    {
        "operation": "`mint` or `extend`",
        "result": "`issued`; or `denied`: policy did not permit it, `refused`: it would have "
        "said more than what it rests on, `evidence`: what was shown did not hold, or that could "
        "not be told, `invalid`: of the request, `unavailable`: no identity to sign with, or no "
        "decision log",
    },
)
VERIFICATIONS = Metric(
    "governd_delegation_verifications_total",
    Kind.COUNTER,
    "Acting-as tokens that receivers asked about. Alert on `replay_unknown`, and on many that "
    "are rejected: somebody tries.",
    {"result": "`verified`, or a RejectionReason of the API in lower case, without its prefix"},
)
DELEGATION_DURATION = Metric(
    "governd_delegation_seconds",
    Kind.HISTOGRAM,
    "Time within governd to answer. `mint` and `extend` with the sync of the decision log, and "
    "without the verification of what they rest on, for which an issuer may be asked.",
    {"operation": "`mint`, `extend` or `verify`"},
    buckets=(20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1),
)

METRICS = (DELEGATIONS, VERIFICATIONS, DELEGATION_DURATION)
