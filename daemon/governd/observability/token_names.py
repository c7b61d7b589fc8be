"""Every metric of tokens for upstreams, as ``names`` has the others."""

from governd.observability.names import Kind, Metric

_UPSTREAM = "name of an upstream in the policy source, or `other` for what is none"
_SERVER = "name of an authorization server in the policy source"

TOKENS = Metric(
    "governd_tokens_total",
    Kind.COUNTER,
    "Tokens for upstreams that agents asked for. Alert on `refused`: the authorization server "
    "and the policy source do not say the same.",
    {
        "upstream": _UPSTREAM,
        "result": "`held`: one that was there already was handed out, `new`: one that was asked "
        "for first; or `denied`: policy did not permit it, `refused`: there is none, or none "
        "that may be handed out, `evidence`: what was shown did not hold, or that could not be "
        "told, `invalid`: of the request, `limited`: too many were waited for, `unavailable`: "
        "the authorization server, an identity or the decision log",
    },
)
TOKEN_DURATION = Metric(
    "governd_token_seconds",
    Kind.HISTOGRAM,
    "Time to hand one out; `new` has the authorization server's time in it.",
    {"result": "`held` or `new`"},
    buckets=(50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 5e-3, 20e-3, 50e-3, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
TOKENS_ISSUED = Metric(
    "governd_tokens_issued_total",
    Kind.COUNTER,
    "What came of asking authorization servers for a token, ahead of the end of one that is "
    "held, too.",
    {
        "upstream": _UPSTREAM,
        "result": "`issued`, `refused`, `unavailable`, or the rule of TOKEN_REFUSED that the "
        "token breaks, e.g. `act_missing`; `docs/tokens.md` lists them",
    },
)
TOKENS_HELD = Metric("governd_tokens_held", Kind.GAUGE, "Tokens that are held in memory.")
SERVER_REQUESTS = Metric(
    "governd_authorization_server_requests_total",
    Kind.COUNTER,
    "Requests to token endpoints, each attempt by itself.",
    {
        "authorization_server": _SERVER,
        "outcome": "`answered`, `refused`: it says no, `busy`: it wants to be asked later, "
        "`failed`: it says 5xx, `away`: it does not answer, or `unreadable`",
    },
)
SERVER_DURATION = Metric(
    "governd_authorization_server_seconds",
    Kind.HISTOGRAM,
    "Time that these took.",
    {"authorization_server": _SERVER},
    buckets=(5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
SERVER_UP = Metric(
    "governd_authorization_server_up",
    Kind.GAUGE,
    "Whether an authorization server answered when it was asked last, 1 or 0. Alert on 0: "
    "tokens that are held are handed out to their end, and no new ones.",
    {"authorization_server": _SERVER},
)

METRICS = (
    TOKENS,
    TOKEN_DURATION,
    TOKENS_ISSUED,
    TOKENS_HELD,
    SERVER_REQUESTS,
    SERVER_DURATION,
    SERVER_UP,
)
