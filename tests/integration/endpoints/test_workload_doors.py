"""Doors of workloads that come and go: both the identity and the socket, or neither."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import cast

import grpc
import grpc.aio
import pytest
import structlog
from prometheus_client import CollectorRegistry

from governd.application.keep_identities import IdentityKeeper
from governd.application.occupant import Naming
from governd.application.workload_doors import WorkloadDoors
from governd.endpoints.attested_doors import AttestedDoors
from governd.endpoints.chain import Chain
from governd.endpoints.doors import Doors
from governd.endpoints.limits import Admissions
from governd.endpoints.listeners import Listeners
from governd.endpoints.methods import Methods
from governd.endpoints.places import Place, SocketPlace
from governd.errors import DrainingError, ListenerError, RequestError
from governd.identity.path_template import PathTemplate
from governd.identity.svid import Selector, Workload, X509Svid
from governd.observability.metrics import Metrics
from tests.fakes.identity_observer import RecordingObserver
from tests.fakes.identity_source import FakeIdentitySource
from tests.integration.endpoints.doors import (
    STREAM,
    UNARY,
    WATCH,
    Echo,
    Limits,
    OpenStream,
    Refusal,
    read,
    refused,
    stream,
    unary,
    until,
)

SELECTOR = "k8s:pod-uid:1"
POD = Workload("shop/web/1", (Selector.parse(SELECTOR),), facts={"namespace": "shop"})
UNVERIFIED = Refusal(grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNVERIFIED", {}, None)
OPENED_IN = ContextVar("opened_in", default="")
"""What belongs to one call, as its caller and trace do."""
GONE = Refusal(grpc.StatusCode.PERMISSION_DENIED, "IDENTITY_NOT_ISSUED", {}, None)


class Observer(RecordingObserver):
    """Writes down, too, in which context it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[str] = []

    def remember(self) -> None:
        self.contexts.append(OPENED_IN.get())

    def ready(self, workload: Workload, seconds: float) -> None:
        self.remember()
        super().ready(workload, seconds)

    def issued(self, workload: Workload, svids: Sequence[X509Svid]) -> None:
        self.remember()
        super().issued(workload, svids)

    def dropped(self, workload: Workload, svids: Sequence[X509Svid], reason: str) -> None:
        self.remember()
        super().dropped(workload, svids, reason)


class Node:
    """What opens doors, before a fake source of identities."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.source = FakeIdentitySource(time.time)
        self.observer = Observer()
        self.keeper = IdentityKeeper(
            self.source,
            clock=time.monotonic,
            wall_clock=time.time,
            observer=self.observer,
        )
        self.listeners = Listeners()
        self.echo = Echo()
        self.admissions = Admissions(Limits())
        counted = Metrics(CollectorRegistry(), version="test", actions=())
        chain = Chain(message_bytes=4096, metrics=counted, log=structlog.get_logger("test"))
        methods = Methods([self.echo.register], chain)
        doors = Doors(Limits(), self.admissions, counted, time.monotonic)
        template = PathTemplate.parse("/ns/{namespace}")
        self.doors: WorkloadDoors[Place] = AttestedDoors(
            self.keeper,
            Naming("example.org", spire=True, template=template),
            self.listeners,
            lambda occupant, place: doors.of_workload(occupant, place, methods),
        )

    def place(self, name: str = "web") -> SocketPlace:
        return SocketPlace(self.directory / f"{name}.sock", 0o666)

    def channel(self, name: str = "web") -> grpc.aio.Channel:
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.insecure_channel(f"unix:{self.place(name).path}", options=options)

    async def open(self, workload: Workload = POD, name: str = "web") -> None:
        await self.doors.open(workload, self.place(name))

    @property
    def held(self) -> list[str]:
        return [workload.name for workload, _ in self.keeper.states()]

    @property
    def nothing_is_left(self) -> bool:
        return not (self.held or len(self.listeners) or any(self.directory.iterdir()))

    async def known(self, path: str = "/web") -> None:
        """Waits until the workload is somebody by the source's word."""
        self.source.register(path, SELECTOR)
        for _ in range(1000):
            if any(state.svids for _, state in self.keeper.states()):
                return
            await asyncio.sleep(0.01)
        raise AssertionError


def own_tasks() -> list[object]:
    """The tasks that are not those of gRPC's servers."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return [name for name in names if not name.startswith("AioServer.")]


async def turns(count: int) -> None:
    """Lets everything else go on by so many steps."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def faults() -> list[object]:
    """What the loop was told of that nobody else caught."""
    found: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: found.append(what))
    return found


@pytest.fixture
async def node(directory: Path) -> AsyncIterator[Node]:
    made = Node(directory)
    yield made
    await made.listeners.stop()
    await made.keeper.close()


async def test_a_door_answers_when_it_is_open_and_is_gone_when_it_is_closed(node: Node) -> None:
    await node.open()
    await node.known()
    async with node.channel() as channel:
        assert await unary(channel)(b"") == b""
    await node.doors.close(POD.name)
    assert node.nothing_is_left
    await node.doors.close(POD.name)


async def test_calls_end_with_the_door_and_say_why(node: Node) -> None:
    await node.open()
    await node.known()
    async with node.channel() as channel:
        call = stream(channel, STREAM)
        await call.write(b"")
        await read(call)
        await node.doors.close(POD.name)
        assert await refused(call.read()) == GONE
    assert node.nothing_is_left


async def test_opening_again_changes_nothing(node: Node) -> None:
    await node.open()
    await node.known()
    async with node.channel() as channel:
        call = stream(channel, STREAM)
        await call.write(b"")
        await read(call)
        await asyncio.gather(node.open(), node.open())
        await call.write(b"")
        assert await read(call) == ""
        call.cancel()
    assert node.held == [POD.name]


@pytest.mark.parametrize(
    ("workload", "place"),
    [
        (Workload(POD.name, (Selector.parse("k8s:pod-uid:2"),), facts=POD.facts), "web"),
        (Workload(POD.name, POD.selectors, facts={"namespace": "bank"}), "web"),
        (POD, "other"),
        (Workload("other", POD.selectors), "web"),
        (Workload("", POD.selectors), "other"),
        (Workload("n" * 513, POD.selectors), "other"),
        (Workload("a\nb", POD.selectors), "other"),
    ],
)
async def test_attack_a_door_is_taken_over(node: Node, workload: Workload, place: str) -> None:
    await node.open()
    with pytest.raises(ListenerError):
        await node.open(workload, place)
    assert node.held == [POD.name]
    assert [path.name for path in node.directory.iterdir()] == ["web.sock"]


async def test_attack_a_fact_that_forges_a_path(node: Node) -> None:
    with pytest.raises(RequestError, match=r"facts\.namespace"):
        await node.open(Workload("forged", POD.selectors, facts={"namespace": "../governd"}))
    assert node.nothing_is_left


async def test_nothing_is_left_of_a_door_that_could_not_be_opened(node: Node) -> None:
    (node.directory / "web.sock").write_text("a file")
    with pytest.raises(ListenerError, match="is not a socket"):
        await node.open()
    (node.directory / "web.sock").unlink()
    assert node.nothing_is_left
    await node.open()


async def test_whoever_opens_and_closes_one_name_takes_turns(node: Node) -> None:
    work = [node.open() if turn % 2 else node.doors.close(POD.name) for turn in range(20)]
    await asyncio.gather(*work)
    assert node.held == [POD.name]
    await node.doors.close(POD.name)
    assert node.nothing_is_left


async def test_once_governd_drains_no_door_opens(node: Node) -> None:
    await node.open()
    await node.listeners.drain(0.1)
    with pytest.raises(DrainingError):
        await node.open(Workload("late", POD.selectors), "late")
    assert node.held == [POD.name]
    await node.doors.close(POD.name)
    assert node.nothing_is_left


@pytest.mark.req("scale-1", part=True)
async def test_250_doors_need_one_task_each_and_leave_nothing(node: Node) -> None:
    before = len(own_tasks())
    names = [f"pod-{number}" for number in range(250)]
    for name in names:
        await node.open(Workload(name, POD.selectors, facts=POD.facts), name)
    await node.known()
    assert len(own_tasks()) - before == len(names)
    async with node.channel(names[-1]) as channel:
        assert await unary(channel)(b"") == b""
    await asyncio.gather(*(node.doors.close(name) for name in names))
    assert node.nothing_is_left
    gc.collect()
    assert [name for name, _ in node.admissions] == []


@pytest.mark.parametrize("steps", range(8))
async def test_a_drain_while_a_door_opens_leaves_nothing(
    node: Node, faults: list[object], steps: int
) -> None:
    opening = asyncio.create_task(node.open())
    await turns(steps)
    await node.listeners.drain(0.1)
    (outcome,) = await asyncio.gather(opening, return_exceptions=True)
    assert outcome is None or isinstance(outcome, DrainingError)
    await node.doors.close(POD.name)
    assert node.nothing_is_left
    gc.collect()
    assert faults == []


@pytest.mark.parametrize("steps", range(8))
async def test_both_or_neither_is_left_of_a_door_whose_opening_is_cancelled(
    node: Node, faults: list[object], steps: int
) -> None:
    opening = asyncio.create_task(node.open())
    await turns(steps)
    opening.cancel()
    (outcome,) = await asyncio.gather(opening, return_exceptions=True)
    assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    assert node.nothing_is_left or (node.held == [POD.name] and len(node.listeners) == 1)
    await node.open()
    await node.doors.close(POD.name)
    assert node.nothing_is_left
    gc.collect()
    assert faults == []


@pytest.mark.parametrize("method", [UNARY, WATCH, STREAM])
@pytest.mark.req("sa-5", part=True)
async def test_attack_a_message_is_held_back_until_the_workload_is_somebody_else(
    node: Node, method: str
) -> None:
    await node.open()
    await node.known()
    async with node.channel() as channel:
        # Headers and no message: to gRPC's server that is a unary call like any other.
        call = cast("OpenStream", channel.stream_stream(method))(timeout=10)
        await call.wait_for_connection()
        (account,) = next(iter(node.listeners)).accounts()
        await until(lambda: account.in_flight == 1)
        node.source.register("/api", SELECTOR)
        node.source.unregister("/web")
        assert await refused(call.read()) == UNVERIFIED
    assert node.echo.begun == 0


async def test_no_call_hangs_while_the_workload_changes_under_load(node: Node) -> None:
    await node.open()
    await node.known("/web0")
    outcomes: set[object] = set()
    done = False

    async def busy() -> None:
        async with node.channel() as channel:
            while not done:
                try:
                    outcomes.add(await unary(channel)(b"", timeout=10))
                except grpc.aio.AioRpcError as error:
                    outcomes.add(error.code())

    clients = [asyncio.create_task(busy()) for _ in range(4)]
    for turn in range(1, 60):
        await asyncio.sleep(0.01)
        node.source.register(f"/web{turn}", SELECTOR)
        node.source.unregister(f"/web{turn - 1}")
    done = True
    await asyncio.gather(*clients)
    assert outcomes <= {b"", grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


@pytest.mark.req("ob-1", part=True)
async def test_nothing_of_a_door_belongs_to_the_call_in_which_it_was_opened(node: Node) -> None:
    async def remember(text: str) -> str:
        node.observer.remember()
        return text

    node.echo.answer = remember
    opened = OPENED_IN.set("kubelet's call")
    await node.open()
    OPENED_IN.reset(opened)
    await node.known()
    async with node.channel() as channel:
        await unary(channel)(b"")
    opened = OPENED_IN.set("kubelet's next call")
    await node.doors.close(POD.name)
    OPENED_IN.reset(opened)
    assert node.observer.contexts == [""] * len(["ready", "issued", "served", "dropped"])
