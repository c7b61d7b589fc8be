"""Settings: one frozen section per part, read once, all mistakes at once."""

from governd.config.loader import load, parse
from governd.config.sections import (
    Admin,
    Config,
    DecisionLog,
    Drain,
    Leases,
    Limits,
    Listener,
    Log,
    Metrics,
    Policy,
)

__all__ = [
    "Admin",
    "Config",
    "DecisionLog",
    "Drain",
    "Leases",
    "Limits",
    "Listener",
    "Log",
    "Metrics",
    "Policy",
    "load",
    "parse",
]
