"""Identity on a listener that has one caller, whoever reaches its socket.

That is always the same one (``Always``), or whoever its workload is at the moment by what is
issued to it (``application.occupant``). As long as nothing is, nobody is known, and every call
is refused before its message is read: with ``IDENTITY_NOT_ISSUED`` where nothing is issued,
with ``IDENTITY_UNAVAILABLE`` where that cannot be known now. But for ``OPEN``: what a workload
needs to wait for its identity, and to fetch it.

Invariants:
    * Calls of ``OPEN`` belong to whoever the workload is while they last. Every other call
      belongs to who called, and ends with ``CALLER_UNVERIFIED`` as soon as the workload is
      somebody else or nobody.
    * A new certificate for the same SPIFFE ID ends nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from governd.application.call import Clock
from governd.application.hold_identity import HeldIdentity
from governd.endpoints.gate import Account, Gate, Open
from governd.endpoints.handlers import Context
from governd.endpoints.interceptor import Interceptor
from governd.endpoints.limits import Admissions
from governd.endpoints.methods import Method, Methods
from governd.errors import GoverndError, NoIdentityError, PeerError
from governd.identity import Caller, Kubelet, Newcomer, Operator, Who
from governd.observability.metrics import Metrics
from governd.observability.names import OTHER

OPEN = frozenset(
    {
        "/governd.v1.IdentityService/WhoAmI",
        "/governd.v1.IdentityService/WaitReady",
        "/grpc.health.v1.Health/Check",
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


class Behind(Protocol):
    """Who is behind a listener."""

    @property
    def who(self) -> Who:
        """Who it is now; the same object as before for as long as it is the same."""

    @property
    def held(self) -> HeldIdentity | None:
        """The identities that governd holds for it; ``None`` for none."""

    def on_change(self, heed: Callable[[], object]) -> None:
        """Has ``heed`` called, at once, whenever it may be somebody else."""


@dataclass(frozen=True, slots=True)
class Always:
    """One and the same caller.

    Attributes:
        who: Who.
        held: The identities that governd holds for it; ``None`` for none.
    """

    who: Caller | Operator | Kubelet
    held: HeldIdentity | None = None

    def on_change(self, heed: Callable[[], object]) -> None:
        """Nothing: it is never somebody else."""


class OccupantInterceptor(Interceptor):
    """Admits one listener's calls, all of them of whoever is behind it."""

    def __init__(
        self,
        behind: Behind,
        *,
        methods: Methods,
        admissions: Admissions,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Takes what is shared (methods, admissions, metrics, clock) and who is behind it.

        Args:
            behind: Who calls here.
            methods: What is served here.
            admissions: Every caller's limits.
            metrics: Count calls.
            clock: Monotonic seconds.
        """
        super().__init__(methods, Gate(metrics, clock))
        self._behind = behind
        self._admissions = admissions
        self._clock = clock
        self._account = self._open_account()
        behind.on_change(self._recheck)

    def accounts(self) -> Iterable[Account]:
        """That of whoever is behind it now."""
        return (self._current(),)

    def enter(self, method: Method, context: Context) -> None:
        """Lets a call in, unless nobody is known and the method is not for those."""
        account = self._current()
        self.gate.enter(account, method, context.invocation_metadata() or ())
        if isinstance(account.caller, Newcomer) and method.label not in OPEN:
            raise _unknown(account)

    def _current(self) -> Account:
        if self._behind.who is not self._account.caller:
            self._account = self._open_account()
        return self._account

    def _open_account(self) -> Account:
        who = self._behind.who
        admission = self._admissions.of(str(who), self._clock())
        return Account(who, admission, self._behind.held)

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


def _unknown(account: Account) -> GoverndError:
    """Why a newcomer has no identity."""
    problem = account.held.state.problem if account.held else None
    error = problem or NoIdentityError("nobody is known here")
    error.retry_after = RETRY_SECONDS
    return error
