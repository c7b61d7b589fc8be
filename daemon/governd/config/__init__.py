"""Settings: one frozen section per part, read once, all mistakes at once."""

from governd.config.csi import Csi
from governd.config.identity import Identity
from governd.config.issuers import Issuers
from governd.config.listeners import AttestedListener, Listener, MtlsListener, StaticListener
from governd.config.loader import load, parse
from governd.config.sections import (
    Admin,
    Config,
    DecisionLog,
    Drain,
    Leases,
    Limits,
    Log,
    Metrics,
    Policy,
)
from governd.config.tokens import ClientKeyFile, Tokens

__all__ = [
    "Admin",
    "AttestedListener",
    "ClientKeyFile",
    "Config",
    "Csi",
    "DecisionLog",
    "Drain",
    "Identity",
    "Issuers",
    "Leases",
    "Limits",
    "Listener",
    "Log",
    "Metrics",
    "MtlsListener",
    "Policy",
    "StaticListener",
    "Tokens",
    "load",
    "parse",
]
