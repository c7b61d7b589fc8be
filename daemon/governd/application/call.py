"""The call at hand, as servicers see it.

The endpoint that takes a call puts a ``Call`` into a context variable before a servicer
runs. That is the only place where a servicer learns who calls: no field of a message
names the caller.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from governd.application.hold_identity import HeldIdentity
from governd.errors import GoverndError, NoIdentityError
from governd.identity import Caller, Newcomer, Who
from governd.observability.log_keys import Key
from governd.observability.trace import TraceContext


class Rate(Protocol):
    """A caller's rate."""

    def charge(self, count: int, now: float) -> None:
        """Takes ``count`` from the rate.

        Raises:
            RateLimitedError: The rate is used up; nothing was taken.
        """


Clock = Callable[[], float]
"""Monotonic seconds."""

_current: ContextVar["Call"] = ContextVar("governd_call")


class Call:
    """One call, from its headers to its end.

    Attributes:
        caller: Who calls. A newcomer becomes a caller within the call, and the other way
            round, where the method is for both (``endpoints.occupant_interceptor``).
        held: The identities that governd holds for who calls; ``None`` where the channel
            alone proves who that is.
        certificate: ``x5t#S256`` of the X.509-SVID with which the channel proves it; ``""``
            where it shows none.
        trace: The trace context that the caller sent.
        started: When its headers came, on the interceptor's clock.
        code: Name of the gRPC status code it ends with. Until something else is known,
            that is ``CANCELLED``: a call whose task ends early was cancelled.
        ending: Why governd, not the caller, is ending it; ``None`` while it is not.
        writing: Whether a message of its stream is on its way.
    """

    __slots__ = (
        "_clock",
        "_rate",
        "caller",
        "certificate",
        "code",
        "ending",
        "held",
        "started",
        "trace",
        "writing",
    )

    def __init__(
        self,
        caller: Who,
        trace: TraceContext | None,
        rate: Rate,
        clock: Clock,
        *,
        held: HeldIdentity | None = None,
    ) -> None:
        """Starts now."""
        self.caller = caller
        self.held = held
        self.certificate = ""
        self.trace = trace
        self.code = "CANCELLED"
        self.ending: GoverndError | None = None
        self.writing = False
        self._rate = rate
        self._clock = clock
        self.started = clock()

    @property
    def workload(self) -> Caller:
        """The caller where only a workload with an identity can be one.

        Raises:
            NoIdentityError: A workload calls that has none.
            RuntimeError: The operator calls: the service stands on the wrong listener.
        """
        if isinstance(self.caller, Caller):
            return self.caller
        if isinstance(self.caller, Newcomer):
            message = "the workload has no identity yet"
            raise NoIdentityError(message)
        message = "a service for workloads was called on the admin socket"
        raise RuntimeError(message)

    def charge(self, count: int) -> None:
        """Charges ``count`` further calls to the caller's rate, e.g. a batch's questions.

        Raises:
            RateLimitedError: The rate is used up; nothing was charged.
        """
        if count > 0:
            self._rate.charge(count, self._clock())

    def log_context(self) -> Mapping[str, str]:
        """What every log line within this call says."""
        context = {str(Key.CALLER): str(self.caller)}
        if self.trace is not None:
            context[Key.TRACE_ID] = self.trace.trace_id
            context[Key.SPAN_ID] = self.trace.parent_span_id
        return context


def current() -> Call:
    """The call at hand.

    Raises:
        LookupError: No call is being served here.
    """
    return _current.get()


def at_hand() -> Call | None:
    """The call at hand, if there is one."""
    return _current.get(None)


def enter(call: Call) -> None:
    """Makes ``call`` the one at hand for the rest of this task."""
    _current.set(call)


@contextmanager
def serving(call: Call) -> Iterator[Call]:
    """Makes ``call`` the one at hand within a ``with`` block, as in tests of servicers."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


def log_context() -> Mapping[str, str]:
    """What a log line says of the call at hand; empty outside of one."""
    call = at_hand()
    return call.log_context() if call is not None else {}
