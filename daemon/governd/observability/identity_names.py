"""Every metric of identities, as ``names`` has the others."""

from governd.observability.names import Kind, Metric

IDENTITIES_HELD = Metric(
    "governd_identities_held",
    Kind.GAUGE,
    "X.509-SVIDs that are held and have not ended, governd's own among them.",
    {"source": "what issues them: `spire`, or `embedded` in development"},
)
IDENTITY_WORKLOADS = Metric(
    "governd_identity_workloads",
    Kind.GAUGE,
    "Workloads for which identities are held or waited for, governd itself twice. One that "
    "stays `waiting` has no registration entry, or none of this node.",
    {"phase": "`ready` or `waiting`"},
)
IDENTITY_ISSUED = Metric(
    "governd_identity_issued_total",
    Kind.COUNTER,
    "X.509-SVIDs that came for IDs that a workload did not have, and attempts to follow a "
    "workload's that failed; each is tried again within 5 s.",
    {
        "result": "`issued`; or `away`: the source does not answer, `refused`: it does not let "
        "governd ask, `invalid`: what it said does not hold, `not_issued`: it has none for this "
        "workload, `fault`: of governd's own"
    },
)
IDENTITY_ROTATIONS = Metric(
    "governd_identity_rotations_total",
    Kind.COUNTER,
    "X.509-SVIDs that took the place of others with the same ID.",
)
IDENTITY_NEXT_EXPIRY = Metric(
    "governd_identity_next_expiry_seconds",
    Kind.GAUGE,
    "How long until the first of those held ends, and `+Inf` while none is held. Alert on "
    "this: they are renewed at about half of their lifetime.",
)
IDENTITY_AGE = Metric(
    "governd_identity_age_seconds",
    Kind.GAUGE,
    "How long ago the oldest of those held began to count; 0 while none is held.",
)
IDENTITY_SOURCE_UP = Metric(
    "governd_identity_source_up",
    Kind.GAUGE,
    "1 while what issues identities can be followed. At 0 those held go on to their end, "
    "and no new one comes. Alert on this.",
)
IDENTITY_WAIT = Metric(
    "governd_identity_wait_seconds",
    Kind.HISTOGRAM,
    "Time from a workload's listener being open to its first identity. For one that was not "
    "registered before, that of its registration counts, too.",
    buckets=(2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
)

METRICS = (
    IDENTITIES_HELD,
    IDENTITY_WORKLOADS,
    IDENTITY_ISSUED,
    IDENTITY_ROTATIONS,
    IDENTITY_NEXT_EXPIRY,
    IDENTITY_AGE,
    IDENTITY_SOURCE_UP,
    IDENTITY_WAIT,
)
