"""Identity on a listener that belongs to one workload, whoever that is at the moment.

Whoever reaches the socket is its workload, and what is issued to the workload says who that
is (``application.occupant``). As long as nothing says so, nobody is known, and every call is
refused before its message is read: with ``IDENTITY_NOT_ISSUED`` where nothing is issued, with
``IDENTITY_UNAVAILABLE`` where that cannot be known now. But for ``OPEN``: what a workload
needs to wait for its identity, and to fetch it.

Invariants:
    * Calls of ``OPEN`` belong to whoever the workload is while they last. Every other call
      belongs to who called, and ends with ``CALLER_UNVERIFIED`` as soon as the workload is
      somebody else or nobody.
    * A new certificate for the same SPIFFE ID ends nothing.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

import grpc
import grpc.aio

from governd.application.call import Clock
from governd.application.occupant import Occupant
from governd.endpoints.gate import Account, Gate, Open
from governd.endpoints.handlers import Handler
from governd.endpoints.limits import Admissions
from governd.endpoints.methods import Method, Methods
from governd.errors import GoverndError, NoIdentityError, PeerError
from governd.identity import Newcomer
from governd.observability.metrics import Metrics
from governd.observability.names import OTHER

Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"

OPEN = frozenset(
    {
        "/governd.v1.IdentityService/WhoAmI",
        "/governd.v1.IdentityService/WaitReady",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/List",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/SpiffeWorkloadAPI/FetchX509SVID",
        "/SpiffeWorkloadAPI/FetchX509Bundles",
        "/SpiffeWorkloadAPI/FetchJWTSVID",
        "/SpiffeWorkloadAPI/FetchJWTBundles",
        "/SpiffeWorkloadAPI/ValidateJWTSVID",
        OTHER,  # what is not served at all: everybody is told so
    }
)
"""The methods for those who have no identity, too. Each looks at what is held by itself."""
RETRY_SECONDS = 1.0
"""About when it is worth asking again: an agent hears of a new entry within some seconds."""


class AttestedInterceptor(grpc.aio.ServerInterceptor):
    """Admits one listener's calls, all of them of one workload.

    Attributes:
        gate: Where they are admitted.
    """

    def __init__(
        self,
        occupant: Occupant,
        *,
        methods: Methods,
        admissions: Admissions,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Takes what is shared (methods, admissions, metrics, clock) and who is behind it.

        Args:
            occupant: Who calls here.
            methods: What is served here.
            admissions: Every caller's limits.
            metrics: Count calls.
            clock: Monotonic seconds.
        """
        self.gate = Gate(metrics, clock)
        self._occupant = occupant
        self._methods = methods
        self._admissions = admissions
        self._clock = clock
        self._account = self._open_account()
        occupant.on_change(self._recheck)

    def accounts(self) -> Iterable[Account]:
        """That of whoever the workload is now."""
        return (self._current(),)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Finds the handler of one call: its method's, or one that refuses."""
        del continuation  # asks the server's own table, which is empty
        method = self._methods.find(handler_call_details.method)
        account = self._current()
        try:
            self.gate.enter(account, method, handler_call_details.invocation_metadata)
            self._check_known(account, method)
        except GoverndError as error:
            return self._methods.chain.refusal(error)
        return method.handler

    def _current(self) -> Account:
        if self._occupant.who is not self._account.caller:
            self._account = self._open_account()
        return self._account

    def _open_account(self) -> Account:
        who = self._occupant.who
        admission = self._admissions.of(str(who), self._clock())
        return Account(who, admission, self._occupant.held)

    def _check_known(self, account: Account, method: Method) -> None:
        if isinstance(account.caller, Newcomer) and method.label not in OPEN:
            error = self._occupant.held.state.problem or NoIdentityError("nobody is known here")
            error.retry_after = RETRY_SECONDS
            raise error

    def _recheck(self) -> None:
        """Ends the calls of who is not behind the door any more."""
        self._current()
        self.gate.end_early(self._sentence)

    def _sentence(self, entry: Open) -> PeerError | None:
        current, called = self._account.caller, entry.account.caller
        if entry.method.label in OPEN:
            entry.call.caller = current
            return None
        refused = isinstance(called, Newcomer) or entry.call.ending is not None
        if refused or current is called:
            return None
        return PeerError(f"the workload behind this socket is {called} no longer")
