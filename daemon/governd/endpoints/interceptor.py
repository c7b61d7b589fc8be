"""What every call on a listener passes before its servicer: identity, drain, admission.

The caller belongs to the listener (design: who is calling comes from the channel, never
from the message), so there is one interceptor for each. Order, all of it before the
message is read:

1. the trace context is taken from the metadata;
2. a draining listener refuses;
3. the caller's limits admit the call or refuse it;
4. the ``Call`` is put where servicers find it.

A call's place is given back, and the call counted, when gRPC's task for it ends: that
happens however it ends, also where its message never came.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

import grpc
import grpc.aio

from governd.application import call as calls
from governd.application.call import Call, Clock
from governd.endpoints.chain import Handler, draining
from governd.endpoints.limits import Admission
from governd.endpoints.methods import Method, Methods
from governd.errors import GoverndError
from governd.identity import Caller
from governd.observability import trace
from governd.observability.metrics import Metrics

Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
Task = asyncio.Task[object]

_STATUS_SECONDS = 1.0
"""For the status of calls that a drain had to end."""
_REFUSED = grpc.StatusCode.RESOURCE_EXHAUSTED.name
_QUIET_SECONDS = 0.05
_QUIET_ROUNDS = 10


class Use(NamedTuple):
    """What came through one listener.

    Attributes:
        calls_in_flight: Calls and streams being served.
        calls: Calls that were admitted and have ended.
        refused: Calls refused by a limit, before or after they were read.
        idle_seconds: Since the last call came; ``None`` before the first.
    """

    calls_in_flight: int
    calls: int
    refused: int
    idle_seconds: float | None


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Admits one listener's calls.

    Attributes:
        caller: Who calls here; ``None`` for the operator.
    """

    def __init__(
        self,
        caller: Caller | None,
        *,
        methods: Methods,
        admission: Admission,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Takes what is shared (methods, metrics, clock) and what is the caller's."""
        self.caller = caller
        self._methods = methods
        self._admission = admission
        self._metrics = metrics
        self._clock = clock
        self._open: dict[Task, tuple[Call, Method]] = {}
        self._arrivals = self._admitted = self._refused = 0
        self._latest: float | None = None
        self._draining = False

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Finds the handler of one call: its method's, or one that refuses."""
        del continuation  # asks the server's own table, which is empty
        self._arrivals += 1
        method = self._methods.find(handler_call_details.method)
        context = trace.from_metadata(handler_call_details.invocation_metadata)
        call = Call(self.caller, context, self._admission, self._clock)
        self._latest = call.started
        calls.enter(call)
        try:
            self._admit(call, method)
        except GoverndError as error:
            self._when_task_ends(functools.partial(self._count, call, method))
            return self._methods.chain.refusal(error)
        return method.handler

    def _admit(self, call: Call, method: Method) -> None:
        if self._draining:
            raise draining()
        self._admission.begin(stream=method.stream, now=call.started)
        self._admitted += 1
        self._open[self._when_task_ends(self._end)] = (call, method)

    def _when_task_ends(self, then: Callable[[Task], None]) -> Task:
        """Calls ``then`` at the end of the one task in which gRPC runs all of a call."""
        task = asyncio.current_task()
        if task is None:
            message = "a call is served outside of a task"
            raise RuntimeError(message)
        task.add_done_callback(then)
        return task

    def _end(self, task: Task) -> None:
        call, method = self._open.pop(task)
        self._admission.end(stream=method.stream)
        self._count(call, method, task)

    def _count(self, call: Call, method: Method, _task: Task) -> None:
        self._refused += call.code == _REFUSED
        self._metrics.call_ended(method.label, call.code, self._clock() - call.started)

    def use(self, now: float) -> Use:
        """What came through so far; ``now`` is on the interceptor's clock."""
        idle = None if self._latest is None else max(0.0, now - self._latest)
        in_flight = len(self._open)
        return Use(in_flight, self._admitted - in_flight, self._refused, idle)

    async def drain(self, grace: float) -> int:
        """Refuses new calls, ends streams, and lets calls that have begun finish.

        Args:
            grace: Seconds after which what is left is ended like a stream.

        Returns:
            How many calls had to be ended.
        """
        self._draining = True
        self._end_early(lambda method: method.stream)
        await self._settled(grace)
        ended = self._end_early(lambda _method: True)
        await self._settled(_STATUS_SECONDS)
        return ended

    async def quiet(self) -> None:
        """After ``drain``: waits until no call has come for a moment, but not for long.

        Between gRPC's own shutdown and the moment when a client hears of it, gRPC cancels
        what arrives. Better that callers have heard from us by then.
        """
        for _ in range(_QUIET_ROUNDS):
            before = self._arrivals
            await asyncio.sleep(_QUIET_SECONDS)
            if self._arrivals == before:
                return

    def _end_early(self, which: Callable[[Method], bool]) -> int:
        """Cancels calls; the chain turns that into a status that says to come back."""
        tasks = [task for task, (_call, method) in self._open.items() if which(method)]
        for task in tasks:
            self._open[task][0].draining = True
            task.cancel()
        return len(tasks)

    async def _settled(self, seconds: float) -> None:
        if self._open:
            await asyncio.wait(tuple(self._open), timeout=seconds)
