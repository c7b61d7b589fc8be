"""governd's identities without the rest of governd; the scenario ``identities`` starts it.

A workload's listener opens when its pod starts, which no configuration file can do. So this
runs what the daemon runs for it, put together by the same code, on the same event loop, with
its log and metrics: ``one`` opens workloads one after the other, ``all`` at once, each until
it is ready, and closes them again.

    python -m bench.identity_process one|all COUNT CONFIG

Each line of standard input is a run; the answer is a line of JSON: ``seconds`` of each
workload, the ``cpu`` time for each, and how many X.509-SVIDs were ``issued`` and ``failed``
so far.
"""

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry

from bench import spire
from governd.adapters.identity_parts import IdentityParts
from governd.application.keep_identities import HeldIdentity, IdentityKeeper, Phase
from governd.config import load
from governd.identity.svid import Selector, Workload
from governd.observability import logs
from governd.observability.identity_metrics import IdentityMetrics

COUNTER = "governd_identity_issued_total"
_REST_SECONDS = 0.2
_PATIENCE_SECONDS = 60

Run = Callable[[IdentityKeeper, int], Awaitable[list[float]]]


def main() -> None:
    """Does what the command line says."""
    how, count, config_file = sys.argv[1:]
    logs.configure("info", context=dict)
    uvloop.run(_serve(_RUNS[how], int(count), Path(config_file)))


async def _serve(run: Run, count: int, config_file: Path) -> None:
    registry = CollectorRegistry()
    config = load(config_file, os.environ)
    parts = IdentityParts(config, IdentityMetrics(registry), logs.get("governd"), lambda: None)
    parts.start()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await run(parts.keeper, count)  # all of it is loaded, and known to the agent
    gc.collect()
    gc.freeze()  # as the daemon does once it serves
    gc.set_threshold(5_000, 20, 50)  # likewise
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        await asyncio.sleep(_REST_SECONDS)
        before = time.process_time()
        seconds = await run(parts.keeper, count)
        cpu = (time.process_time() - before) / count
        print(json.dumps({"seconds": seconds, "cpu": cpu, **_counted(registry)}), flush=True)
    await parts.close()


async def _one(keeper: IdentityKeeper, count: int) -> list[float]:
    seconds = []
    for number in range(count):
        held, took = await _ready(keeper, number)
        held.close()
        seconds.append(took)
    return seconds


async def _all(keeper: IdentityKeeper, count: int) -> list[float]:
    opened = await asyncio.gather(*(_ready(keeper, number) for number in range(count)))
    for held, _ in opened:
        held.close()
    return [took for _, took in opened]


async def _ready(keeper: IdentityKeeper, number: int) -> tuple[HeldIdentity, float]:
    """Opens a workload; when it is ready, that and how many seconds it took."""
    workload = Workload(f"w{number}", (Selector.parse(spire.selector(number)),))
    began = time.perf_counter()
    held = keeper.open(workload)
    async with contextlib.aclosing(held.changes()) as states:
        async for state in states:
            if state.phase is Phase.READY:
                break
    return held, time.perf_counter() - began


def _counted(registry: CollectorRegistry) -> Mapping[str, float]:
    """What the metric says, as Prometheus reads it."""
    samples = (one for family in registry.collect() for one in family.samples)
    results = {one.labels["result"]: one.value for one in samples if one.name == COUNTER}
    issued = results.pop("issued")
    return {"issued": issued, "failed": sum(results.values())}


_RUNS: Mapping[str, Run] = {"one": _one, "all": _all}

if __name__ == "__main__":
    main()
