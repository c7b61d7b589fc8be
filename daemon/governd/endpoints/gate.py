"""The gate of one listener: drain and admission, before a call's message is read.

Whoever knows the caller, a listener's entry (``interceptor.py``), opens the gate with the
caller's account:

1. the trace context is taken from the metadata, and the ``Call`` put where servicers find it;
2. a listener that drains, or is taken away, refuses;
3. the caller's limits admit the call or refuse it.

A call's place is given back, and the call counted, when gRPC's task for it ends: that
happens however it ends, also where its message never came.
"""

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import grpc

from governd.application import call as calls
from governd.application.call import Call, Clock
from governd.application.hold_identity import HeldIdentity
from governd.endpoints.chain import draining
from governd.endpoints.limits import Admission
from governd.endpoints.methods import Method
from governd.errors import GoverndError
from governd.identity import Who
from governd.observability import trace
from governd.observability.metrics import Metrics

Task = asyncio.Task[object]

_STATUS_SECONDS = 1.0
"""For the status of calls that a drain had to end."""
_REFUSED = grpc.StatusCode.RESOURCE_EXHAUSTED.name
_QUIET_SECONDS = 0.05
_QUIET_ROUNDS = 10


class Use(NamedTuple):
    """What came from one caller through one listener.

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


class Account:
    """One caller on one listener: its limits, and what came from it.

    Attributes:
        caller: Who.
        held: The identities that governd holds for it; ``None`` for none.
        admission: Its limits, shared with its accounts on other listeners.
        in_flight: Calls and streams being served.
        admitted: Calls that were admitted.
        refused: Calls refused by a limit.
        latest: When the latest call came; ``None`` before the first.
    """

    __slots__ = ("admission", "admitted", "caller", "held", "in_flight", "latest", "refused")

    def __init__(self, caller: Who, admission: Admission, held: HeldIdentity | None = None) -> None:
        """Nothing came yet."""
        self.caller = caller
        self.held = held
        self.admission = admission
        self.in_flight = self.admitted = self.refused = 0
        self.latest: float | None = None

    def use(self, now: float) -> Use:
        """What came so far; ``now`` is on the gate's clock."""
        idle = None if self.latest is None else max(0.0, now - self.latest)
        return Use(self.in_flight, self.admitted - self.in_flight, self.refused, idle)


class Open(NamedTuple):
    """A call that is being served.

    Attributes:
        call: The call.
        method: What was called.
        account: Whose call it is.
        claim: What the caller's identity rests on, where that may cease to hold.
    """

    call: Call
    method: Method
    account: Account
    claim: object


Sentence = Callable[[Open], GoverndError | None]
"""Why a call must end early; ``None`` if it need not."""
Metadata = Iterable[tuple[str, str | bytes]]


class Gate:
    """Admits one listener's calls, and ends them."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        """Opens for everybody; ``clock`` gives monotonic seconds."""
        self._metrics = metrics
        self._clock = clock
        self._open: dict[Task, Open] = {}
        self._arrivals = 0
        self._shut: Callable[[], GoverndError] | None = None

    def enter(
        self, account: Account, method: Method, metadata: Metadata, claim: object = None
    ) -> None:
        """Lets the call of the current task in.

        Args:
            account: Whose call it is.
            method: What is called.
            metadata: Of the call.
            claim: What the caller's identity rests on, where that may cease to hold.

        Raises:
            GoverndError: The listener drains or is taken away.
            LimitError: A limit of the caller is used up.
        """
        self._arrivals += 1
        sent = trace.from_metadata(metadata)
        call = Call(account.caller, sent, account.admission, self._clock, held=account.held)
        account.latest = call.started
        calls.enter(call)
        entry = Open(call, method, account, claim)
        try:
            self._admit(entry)
        except GoverndError:
            _when_task_ends(functools.partial(self._count, entry))
            raise

    def turned_away(self, method: Method, code: grpc.StatusCode) -> None:
        """Counts a call that nobody who is known made."""
        self._arrivals += 1
        self._metrics.call_ended(method.label, code.name, 0.0)

    def _admit(self, entry: Open) -> None:
        if self._shut is not None:
            raise self._shut()
        account = entry.account
        account.admission.begin(stream=entry.method.stream, now=entry.call.started)
        account.admitted += 1
        account.in_flight += 1
        self._open[_when_task_ends(self._end)] = entry

    def _end(self, task: Task) -> None:
        entry = self._open.pop(task)
        entry.account.in_flight -= 1
        entry.account.admission.end(stream=entry.method.stream)
        self._count(entry, task)

    def _count(self, entry: Open, _task: Task) -> None:
        call = entry.call
        entry.account.refused += call.code == _REFUSED
        self._metrics.call_ended(entry.method.label, call.code, self._clock() - call.started)

    def end_early(self, sentence: Sentence) -> int:
        """Ends calls; the chain turns that into the status that the sentence gives.

        Args:
            sentence: Why a call must end; ``None`` if it need not.

        Returns:
            How many were ended.
        """
        ended = 0
        for task, entry in tuple(self._open.items()):
            why = sentence(entry)
            if why is not None:
                _end_call(task, entry.call, why)
                ended += 1
        return ended

    async def drain(self, grace: float) -> int:
        """Refuses new calls, ends streams, and lets calls that have begun finish.

        Args:
            grace: Seconds after which what is left is ended like a stream.

        Returns:
            How many calls had to be ended.
        """
        self._shut = draining
        self.end_early(lambda entry: draining() if entry.method.stream else None)
        await self._settled(grace)
        ended = self.end_early(lambda _entry: draining())
        await self._settled(_STATUS_SECONDS)
        return ended

    async def shut(self, why: Callable[[], GoverndError]) -> int:
        """Refuses new calls, and ends at once those that have begun.

        Args:
            why: Makes what callers are told.

        Returns:
            How many calls were ended.
        """
        self._shut = why
        ended = self.end_early(lambda _entry: why())
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

    async def _settled(self, seconds: float) -> None:
        if self._open:
            await asyncio.wait(tuple(self._open), timeout=seconds)


def _end_call(task: Task, call: Call, why: GoverndError) -> None:
    call.ending = why
    if call.writing:  # gRPC sends no status beside a message: the chain does, after it
        asyncio.get_running_loop().call_later(_STATUS_SECONDS, task.cancel)
    else:
        task.cancel()


def _when_task_ends(then: Callable[[Task], None]) -> Task:
    """Calls ``then`` at the end of the one task in which gRPC runs all of a call."""
    task = asyncio.current_task()
    if task is None:
        message = "a call is served outside of a task"
        raise RuntimeError(message)
    task.add_done_callback(then)
    return task
