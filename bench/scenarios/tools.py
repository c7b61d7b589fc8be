"""What an agent's list of tools costs, a server's registration, and policies about tools.

An MCP server has the lists of agents filtered that governd has never met, one after the
other, as a synchronous client in Python: the first list of an agent, and the same again.
Beside it, the same tools asked one by one in a batch. Then 1,000 definitions are registered
while questions are asked, and a source of 10,000 policies over 1,000 tools is compiled.
"""

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench import admin, question, tools
from bench.daemon import Daemon, Setup, running, serving
from bench.load import EVALUATE, Group, Load
from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench
from governd._proto.governd.v1 import (
    policy_service_pb2,
    policy_service_pb2_grpc,
    tool_service_pb2,
    tool_service_pb2_grpc,
    types_pb2,
)

LISTED = 200
DEFINITIONS = 1_000
POLICIES = 10_000
SERVERS = 20
RATE = 200
"""Questions a second during a registration."""
_AGENTS = 60
"""Whose lists are filtered in one run."""
_TIMEOUT_SECONDS = 60


def run(bench: Bench) -> Iterator[Result]:
    """Measures all three."""
    yield from _lists(bench)
    yield from _registrations(bench)
    yield from _validation(bench)


def _lists(bench: Bench) -> Iterator[Result]:
    name = tools.SERVER.format(0)
    folder = tools.source(bench.folder / "tools-listed", servers=1, per_server=LISTED, policies=20)
    numbers = itertools.count()
    with (
        serving(bench, Setup((name,), folder)) as daemon,
        grpc.insecure_channel(f"unix:{daemon.sockets[0]}") as channel,
    ):
        lists = [_list_run(channel, numbers) for _ in bench.rounds(5)]
    first, again, batch, noop = (Runs(list(values)) for values in zip(*lists, strict=True))
    bench.say(f"   first {first.median:.2f}, again {again.median:.2f}, batch {batch.median:.1f} ms")
    what = f"FilterTools, {LISTED} tools"
    yield Result(f"{what}: an agent's first list, p50, above the no-op", first.minus(noop), "ms", 5)
    yield Result(f"{what}: an agent's first list, p50", first, "ms", floor=noop)
    yield Result(f"{what}: the same list again, p50", again, "ms", 5, floor=noop)
    yield Result(f"EvaluateBatch of the same {LISTED} tools, first time, p50", batch, "ms")
    ratio = Runs([a / b for a, b in zip(first.values, batch.values, strict=True)])
    yield Result("FilterTools / EvaluateBatch of the same tools", ratio, "x", 0.2)


def _list_run(channel: grpc.Channel, numbers: Iterator[int]) -> tuple[float, float, float, float]:
    """Median milliseconds of first lists, lists again, batches, and the no-op."""
    health: Any = health_pb2_grpc.HealthStub(channel)  # its stubs say nothing of methods
    stub = tool_service_pb2_grpc.ToolServiceStub(channel)
    policy = policy_service_pb2_grpc.PolicyServiceStub(channel)
    first, again, batch, noop = [], [], [], []
    for _ in range(_AGENTS):
        listed = _listing(tools.READER.format(next(numbers)))
        first.append(_timed(lambda: _filter(stub, listed)))  # noqa: B023 - called at once
        again.append(_timed(lambda: _filter(stub, listed)))  # noqa: B023
        noop.append(_timed(lambda: health.Check(health_pb2.HealthCheckRequest())))
        asked = _batch(tools.READER.format(next(numbers)))
        batch.append(_timed(lambda: policy.EvaluateBatch(asked)))  # noqa: B023
    median = statistics.median
    return median(first), median(again), median(batch), median(noop)


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _listing(subject: str) -> tool_service_pb2.FilterToolsRequest:
    names = (tools.TOOL.format(number) for number in range(LISTED))
    return tool_service_pb2.FilterToolsRequest(
        subject=types_pb2.Subject(id=subject),
        server=tools.SERVER.format(0),
        kind=tool_service_pb2.DEFINITION_KIND_TOOL,
        definitions=[tool_service_pb2.ListedDefinition(name=name) for name in names],
    )


def _filter(
    stub: tool_service_pb2_grpc.ToolServiceStub, listed: tool_service_pb2.FilterToolsRequest
) -> None:
    """Sees that what was measured is a list that is filtered: half of the tools only read."""
    shown = len(stub.FilterTools(listed).shown)
    if shown != LISTED // 2:
        message = f"{shown} of {LISTED} tools are shown: what was measured is no such list"
        raise RuntimeError(message)


def _batch(subject: str) -> policy_service_pb2.EvaluateBatchRequest:
    name = tools.SERVER.format(0)
    ids = (f"{name}/{tools.TOOL.format(number)}" for number in range(LISTED))
    arguments = json.dumps({"path": "/srv/bench"}).encode()
    return policy_service_pb2.EvaluateBatchRequest(
        subject=types_pb2.Subject(id=subject),
        action=types_pb2.Action(name="tools/call"),
        context=types_pb2.Context(arguments_json=arguments),
        evaluations=[
            policy_service_pb2.EvaluateRequest(resource=types_pb2.Resource(type="tool", id=one))
            for one in ids
        ],
    )


def _registrations(bench: Bench) -> Iterator[Result]:
    runs = [_register(bench, number) for number in bench.rounds(5)]
    first, again, p99 = (Runs(list(values)) for values in zip(*runs, strict=True))
    what = f"{DEFINITIONS:,} definitions"
    yield Result(f"{what} registered: first message to answer", first, "s", 1)
    yield Result(f"{what} registered again, unchanged", again, "s", 1)
    yield Result(f"Evaluate at {RATE}/s while {what} are registered: p99", p99, "ms")


def _register(bench: Bench, number: int) -> tuple[float, float, float]:
    """Seconds of the first registration and of the same again, p99 of questions meanwhile."""
    name = tools.SERVER.format(0)
    folder = bench.folder / f"tools-registered-{number}"
    tools.source(folder, servers=1, per_server=0)
    bodies = question.never_repeated(bench.folder / "never-repeated")
    with serving(bench, Setup((name, "reader"), folder)) as daemon:
        load = Load(
            [Group(daemon.sockets[1:], rate=RATE)], EVALUATE, bodies, 0.3, 60, until_told=True
        )
        asking = bench.load.start(load, pid=daemon.pid)
        asking.wait_until_measured()
        first, again = _register_twice(daemon)
        report = asking.stop()
    bench.say(f"   {first:.2f} s, again {again:.2f} s; p99 {report.p99_ms:.1f} ms meanwhile")
    return first, again, report.p99_ms


def _register_twice(daemon: Daemon) -> tuple[float, float]:
    registration = list(tools.messages(DEFINITIONS))
    with grpc.insecure_channel(f"unix:{daemon.sockets[0]}") as channel:
        grpc.channel_ready_future(channel).result(_TIMEOUT_SECONDS)
        stub = tool_service_pb2_grpc.ToolServiceStub(channel)
        seconds = []
        for _ in range(2):
            began = time.monotonic()
            answer = stub.RegisterTools(iter(registration), timeout=_TIMEOUT_SECONDS)
            seconds.append(time.monotonic() - began)
            if answer.active != DEFINITIONS:
                message = f"{answer.active} of {DEFINITIONS} definitions are in force"
                raise RuntimeError(message)
    return seconds[0], seconds[1]


def _validation(bench: Bench) -> Iterator[Result]:
    runs = [_compile(bench, number) for number in bench.rounds(3)]
    what = f"{POLICIES:,} policies over {DEFINITIONS:,} tools"
    yield Result(f"{what} validated and in force: Reload to its answer", Runs(runs), "s", 10)


def _compile(bench: Bench, number: int) -> float:
    count = bench.effort.size(POLICIES, 1_000)
    folder = bench.folder / f"tools-validated-{number}"
    tools.source(folder, servers=1)
    with running(bench, Setup(("reader",), folder, poll=3600)) as daemon:
        bench.load.wait(daemon.sockets)
        tools.source(folder, servers=SERVERS, policies=count)
        with admin.connected(daemon) as reload:
            seconds = admin.timed(reload)
    bench.say(f"   {seconds:.2f} s")
    return seconds
