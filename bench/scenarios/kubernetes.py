"""What agents feel on a real Kubernetes of two nodes: their start, a restart, an update.

Takes root, and minutes the first time: ``tests/e2e/cluster`` builds what it runs.
"""

import json
import re
import time
from collections.abc import Callable, Iterator

from bench.measure import Runs, nearest_rank
from bench.results import Result
from bench.scenario import Bench
from tests.e2e.cluster import programs
from tests.e2e.cluster.cluster import running
from tests.e2e.cluster.images import images
from tests.e2e.cluster.install import install
from tests.e2e.trial import AGENTS, GOVERND, Trial, name_of, node_of

NODES = 2
_SCRAPE = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9464/metrics").read().decode())
"""
_PUBLISHED = re.compile(r'^governd_csi_publish_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


def run(bench: Bench) -> Iterator[Result]:
    """Measures it on one cluster, an agent or a restart at a time."""
    programs.install()
    archive, began = images(), time.monotonic()
    with running(NODES, archive, bench.say) as cluster:
        up = time.monotonic() - began
        yield Result("Kubernetes: two nodes up", Runs([up]), "s", goal=60)
        install(cluster, bench.folder)
        trial = Trial(cluster)
        trial.is_settled()
        yield from _starts(bench, trial)
        kills = [_longest(bench, trial, _kill) for _ in bench.rounds(5)]
        name = "Kubernetes: governd killed, longest call of an agent"
        yield Result(name, Runs(kills), "s", goal=2)
        updates = [_longest(bench, trial, _update) for _ in bench.rounds(3)]
        name = "Kubernetes: governd updated, longest call of an agent"
        yield Result(name, Runs(updates), "s", goal=2)


def _starts(bench: Bench, trial: Trial) -> Iterator[Result]:
    """Of pods, and what kubelet waited for governd meanwhile."""
    starts = [_start(bench, trial) for _ in bench.rounds(20)]
    name = "Kubernetes: pod created until the agent knows its identity, of 20"
    yield Result(f"{name}: p50", Runs(starts), "s")
    slow = Runs([nearest_rank(starts, 95)])
    yield Result(f"{name}: p95", slow, "s", goal=5, req=("sm-4",))
    published = Runs([1000 * nearest_bucket(trial, node, 95) for node in ("node1", "node2")])
    name = "Kubernetes: kubelet's request until the pod's socket answers: p95, at most"
    yield Result(name, published, "ms", goal=50, goal_op="<=")


def nearest_bucket(trial: Trial, node: str, percent: int) -> float:
    """What so many of a node's publishes took at most, as its histogram tells; in seconds."""
    found = _PUBLISHED.findall(trial.inside_governd(node, _SCRAPE))
    buckets = [(float(bound), float(count)) for bound, count in found]
    _, total = buckets[-1]
    return next(bound for bound, count in buckets if count * 100 >= total * percent)


def _start(bench: Bench, trial: Trial) -> float:
    """From before the pod is there, as an image that the node has needs no pulling."""
    created = time.time()
    trial.start("measured")
    trial.ready("measured")
    told = json.loads(trial.kubectl.logs("measured", AGENTS).splitlines()[0])
    trial.kubectl.delete("pod", "measured", AGENTS)
    seconds = float(told["ready"]) - created
    bench.say(f"{seconds:.2f} s")
    return seconds


def _longest(bench: Bench, trial: Trial, disturb: Callable[[Trial], None]) -> float:
    reader = next(pod for pod in trial.pods("reader") if node_of(pod) == "node2")
    with trial.load([name_of(reader)]) as loads:
        disturb(trial)
    (load,) = loads
    if load["failed"]:
        message = f"calls failed: {load['failed']}"
        raise RuntimeError(message)
    bench.say(f"{load['longest_seconds']:.2f} s")
    return float(load["longest_seconds"])


def _kill(trial: Trial) -> None:
    time.sleep(1.0)  # the agent asks by then
    trial.kill_governd(trial.cluster.nodes[1])
    time.sleep(5.0)


def _update(trial: Trial) -> None:
    time.sleep(1.0)
    trial.kubectl("rollout", "restart", "daemonset/governd", "-n", GOVERND)
    trial.kubectl.rolled_out("daemonset/governd", GOVERND, 180)
