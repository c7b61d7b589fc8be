"""Every metric and label, once; log keys are in ``log_keys``.

``docs/metrics.md`` is both printed (``page``).

Rule: the labels of a metric are constant, and the values of each label are bounded. No
SPIFFE ID, argument or decision id is ever a label, and a tool's name only where policy or
a registration knows the tool.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from governd.audit.report import LATENCY_BOUNDS

OTHER = "other"
"""Value of a label for anything that is not on the label's list."""


class Kind(enum.Enum):
    """Prometheus metric types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As scraped; counters end in ``_total``.
        kind: Its type.
        help: What it counts, and what to do about it where that is not plain.
        labels: Each label, and which values it can have.
        buckets: Upper bounds of a histogram.
    """

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, str] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()


_METHOD = "full gRPC method of a service that governd serves, or `other`"
_LATENCY = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3)

DECISIONS = Metric(
    "governd_decisions_total",
    Kind.COUNTER,
    "Decisions made.",
    {
        "decision": "`allow` or `deny`",
        "code": "a DecisionCode of the API in lower case, without its prefix",
        "action_class": "an action that governd declares, or `other`",
    },
)
DECISION_DURATION = Metric(
    "governd_decision_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a parsed question to its recorded answer.",
    buckets=_LATENCY,
)
CALLS = Metric(
    "governd_calls_total",
    Kind.COUNTER,
    "Calls that ended, refused ones among them.",
    {"method": _METHOD, "grpc_code": "a gRPC status code, e.g. `OK`"},
)
CALL_DURATION = Metric(
    "governd_call_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a call's headers to the end of its work. Streams count until they close.",
    {"method": _METHOD},
    buckets=(*_LATENCY, 0.5, 1.0, 5.0),
)
REFUSALS = Metric(
    "governd_refusals_total",
    Kind.COUNTER,
    "Calls refused with an error, by reason. A deny is not a refusal.",
    {"reason": "an ErrorReason of the API"},
)
CALLS_IN_FLIGHT = Metric("governd_calls_in_flight", Kind.GAUGE, "Calls and streams being served.")
LISTENERS = Metric(
    "governd_listeners",
    Kind.GAUGE,
    "Open listeners of all kinds, those of workloads that come and go among them.",
)
CONNECTIONS = Metric(
    "governd_connections",
    Kind.GAUGE,
    "Connections to all listeners, counted when scraped.",
)
LISTENERS_FULL = Metric(
    "governd_listeners_full",
    Kind.GAUGE,
    "Listeners that have as many connections as they take (`limits.connections`, or what an "
    "mTLS listener says itself); gRPC closes further ones without a word. Counted when scraped.",
)
POLICY_LOADS = Metric(
    "governd_policy_loads_total",
    Kind.COUNTER,
    "Loads of the policy source that led to a new state. `refused` keeps the last good policy.",
    {"outcome": "`loaded` or `refused`"},
)
POLICY_AGE = Metric(
    "governd_policy_age_seconds",
    Kind.GAUGE,
    "How long ago the source was last verified to hold the policy in force. "
    "Alert on this: it grows while the source is away or refused.",
)
POLICY_POLICIES = Metric(
    "governd_policy_policies",
    Kind.GAUGE,
    "Policies in force, shadow policies among them.",
)
POLICY_READY = Metric(
    "governd_policy_ready",
    Kind.GAUGE,
    "1 while a policy is in force; at 0 every question is denied.",
)
POLICY_LAST_SUCCESS = Metric(
    "governd_policy_last_success_timestamp_seconds",
    Kind.GAUGE,
    "When a policy was last loaded, in seconds since 1970.",
)
DECISION_LOG_RECORDS = Metric(
    "governd_decision_log_records_total",
    Kind.COUNTER,
    "Records written to the decision log.",
)
DECISION_LOG_FAILURES = Metric(
    "governd_decision_log_failures_total",
    Kind.COUNTER,
    "Writes to the decision log, or syncs of it, that failed. While that lasts decisions "
    "are denies, unless `unsafe_answer_without_log` is on.",
)
OUTCOMES = Metric(
    "governd_outcomes_total",
    Kind.COUNTER,
    "What became of permits, as callers report it.",
    {"outcome": "`succeeded`, `failed` or `not_attempted`"},
)
LEASE_USES = Metric(
    "governd_lease_uses_total", Kind.COUNTER, "Uses of leased answers, as callers report them."
)
CLIENT_ANSWER_DURATION = Metric(
    "governd_client_answer_duration_seconds",
    Kind.HISTOGRAM,
    "How long answers took in the code of clients, as they report it.",
    {"path": "how the answer came: `unary`, `stream`, or `lease`, for which nobody was asked"},
    buckets=LATENCY_BOUNDS,
)
EPOCH_FOLLOWERS = Metric(
    "governd_epoch_followers",
    Kind.GAUGE,
    "WatchEpoch streams that are open: clients that may reuse leased answers.",
)
_KIND = "`tool`, `resource`, `resource_template` or `prompt`"
TOOLS_REGISTERED = Metric(
    "governd_tools_registered",
    Kind.GAUGE,
    "Definitions that MCP servers registered and that count under the policy in force. "
    "Alert on quarantined ones: they are hidden and denied until somebody looks at them.",
    {"kind": _KIND, "state": "`active` or `quarantined`"},
)
TOOL_REGISTRATIONS = Metric(
    "governd_tool_registrations_total",
    Kind.COUNTER,
    "Registrations that MCP servers sent.",
    {"result": "`taken`, `unchanged` or `refused`"},
)
FILTER_ENTRIES = Metric(
    "governd_filter_entries_total",
    Kind.COUNTER,
    "Entries of lists that were filtered.",
    {"kind": _KIND, "result": "`shown` or `hidden`"},
)
FILTER_DURATION = Metric(
    "governd_filter_seconds",
    Kind.HISTOGRAM,
    "Time from a parsed list to its recorded answer.",
    buckets=(*_LATENCY, 0.5),
)
TOOL_DECISIONS = Metric(
    "governd_tool_decisions_total",
    Kind.COUNTER,
    "Decisions about calls of tools. Tools that neither policy nor a registration knows, odd "
    "names, and all after the first 200 of a server and 1,000 in all count as `other`.",
    {
        "server": "the MCP server as the policy source names it, or `other`",
        "tool": "the tool, or `other`",
        "decision": "`allow` or `deny`",
    },
)
UNSAFE_SETTINGS = Metric(
    "governd_unsafe_settings",
    Kind.GAUGE,
    "1 for each setting in force that relaxes a protection. Alert on any.",
    {"setting": "name of the setting; begins with `unsafe_`"},
)
BUILD_INFO = Metric(
    "governd_build_info",
    Kind.GAUGE,
    "Always 1; the label tells the version.",
    {"version": "governd's version"},
)
READY = Metric("governd_ready", Kind.GAUGE, "1 while the health service says SERVING.")

METRICS = (
    DECISIONS,
    DECISION_DURATION,
    CALLS,
    CALL_DURATION,
    REFUSALS,
    CALLS_IN_FLIGHT,
    LISTENERS,
    CONNECTIONS,
    LISTENERS_FULL,
    POLICY_LOADS,
    POLICY_AGE,
    POLICY_POLICIES,
    POLICY_READY,
    POLICY_LAST_SUCCESS,
    DECISION_LOG_RECORDS,
    DECISION_LOG_FAILURES,
    OUTCOMES,
    LEASE_USES,
    CLIENT_ANSWER_DURATION,
    EPOCH_FOLLOWERS,
    TOOLS_REGISTERED,
    TOOL_REGISTRATIONS,
    FILTER_ENTRIES,
    FILTER_DURATION,
    TOOL_DECISIONS,
    UNSAFE_SETTINGS,
    BUILD_INFO,
    READY,
)
