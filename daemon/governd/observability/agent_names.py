"""Every metric of agents, as ``names`` has the others."""

from governd.observability.names import Kind, Metric

AGENTS = Metric(
    "governd_agents",
    Kind.GAUGE,
    "Agents that registered a card, by how much is known of them, counted when scraped. Look "
    "at those that are `quarantined` with `governd agent list`.",
    {"state": "`quarantined`, `none`, `bound`, `signed` or `attested`"},
)
AGENT_REGISTRATIONS = Metric(
    "governd_agent_registrations_total",
    Kind.COUNTER,
    "Cards that agents presented.",
    {
        "result": "`taken`; `unchanged`: the same as before; `refused`: it breaks a rule, or "
        "cannot be kept"
    },
)
ATTESTATIONS = Metric(
    "governd_attestations_total",
    Kind.COUNTER,
    "KYA attestations that governd signed.",
)

METRICS = (AGENTS, AGENT_REGISTRATIONS, ATTESTATIONS)
