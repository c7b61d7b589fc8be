"""Every metric of evidence and of revocations, as ``names`` has the others."""

from governd.observability.names import Kind, Metric

EVIDENCE = Metric(
    "governd_evidence_total",
    Kind.COUNTER,
    "Evidence that was verified, by what came of it.",
    {
        "kind": "`id_token`, `access_token` or `acting_as`",
        "result": "`verified`, `unavailable`: that could not be told, or the rule that it "
        "breaks, e.g. `audience`; `docs/delegation.md` lists them",
    },
)
ISSUER_KEY_FETCHES = Metric(
    "governd_issuer_key_fetches_total",
    Kind.COUNTER,
    "Attempts to fetch the keys of an issuer of tokens; the log names the issuer. While they "
    "fail the last keys stay good, up to `issuers.max_staleness_seconds`.",
    {"result": "`fetched` or `failed`"},
)
ISSUER_KEYS_AGE = Metric(
    "governd_issuer_keys_age_seconds",
    Kind.GAUGE,
    "How long ago the oldest keys of an issuer were fetched; 0 while none were. Alert on this: "
    "they are renewed every `issuers.refresh_seconds`.",
)
REVOCATIONS = Metric(
    "governd_revocations_total",
    Kind.COUNTER,
    "Revocations on this node. Alert on `not_kept`: what was revoked counts again after a "
    "restart, or is not on record.",
    {"result": "`revoked` or `not_kept`"},
)
REVOKED = Metric(
    "governd_revoked",
    Kind.GAUGE,
    "Users, workloads, transactions and tokens that are revoked on this node now.",
)

METRICS = (EVIDENCE, ISSUER_KEY_FETCHES, ISSUER_KEYS_AGE, REVOCATIONS, REVOKED)
