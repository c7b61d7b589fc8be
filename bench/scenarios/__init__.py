"""The scenarios by name, in the order of the table; one file for each."""

from collections.abc import Mapping

from bench.scenario import Scenario
from bench.scenarios import drain, evaluate, healthcheck, idle_memory, listeners, restart, start

SCENARIOS: Mapping[str, Scenario] = {
    "idle-memory": idle_memory.run,
    "listeners": listeners.run,
    "healthcheck": healthcheck.run,
    "start": start.run,
    "restart": restart.run,
    "evaluate": evaluate.run,
    "drain": drain.run,
}
