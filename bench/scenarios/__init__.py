"""The scenarios by name, in the order of the table; one file for each."""

from collections.abc import Mapping
from typing import NamedTuple

from bench.scenario import Scenario
from bench.scenarios import (
    callers,
    delegation,
    drain,
    entries,
    evaluate,
    fairness,
    healthcheck,
    identities,
    idle_memory,
    kubernetes,
    lease,
    listeners,
    mtls,
    peer,
    restart,
    rotation,
    shapes,
    start,
    stream,
    swap,
    tokens,
    tools,
)


class Planned(NamedTuple):
    """A scenario of the bench.

    Attributes:
        run: Measures.
        seconds: About how long it takes.
    """

    run: Scenario
    seconds: float


SCENARIOS: Mapping[str, Planned] = {
    "idle-memory": Planned(idle_memory.run, 19),
    "listeners": Planned(listeners.run, 32),
    "healthcheck": Planned(healthcheck.run, 3),
    "start": Planned(start.run, 6),
    "restart": Planned(restart.run, 8),
    "evaluate": Planned(evaluate.run, 132),
    "shapes": Planned(shapes.run, 185),
    "stream": Planned(stream.run, 50),
    "lease": Planned(lease.run, 13),
    "fairness": Planned(fairness.run, 62),
    "swap": Planned(swap.run, 75),
    "tools": Planned(tools.run, 70),
    "identities": Planned(identities.run, 30),
    "entries": Planned(entries.run, 90),
    "rotation": Planned(rotation.run, 150),
    "mtls": Planned(mtls.run, 40),
    "delegation": Planned(delegation.run, 130),
    "tokens": Planned(tokens.run, 60),
    "callers": Planned(callers.run, 48),
    "drain": Planned(drain.run, 8),
    "kubernetes": Planned(kubernetes.run, 300),
    "peer": Planned(peer.run, 60),
}
