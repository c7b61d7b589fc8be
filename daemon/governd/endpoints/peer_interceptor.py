"""Identity, drain and admission on a listener whose callers show certificates.

A call that is open when its caller's certificate expires, or when the trust bundle no longer
verifies it, is ended with ``CALLER_UNVERIFIED``.
"""

import asyncio
from collections.abc import Iterable

import grpc

from governd.application import call as calls
from governd.application.call import Clock
from governd.endpoints.gate import Account, Gate, Open
from governd.endpoints.handlers import Context
from governd.endpoints.interceptor import Interceptor
from governd.endpoints.methods import Method, Methods
from governd.endpoints.peer import Claim, Peers, presented_on
from governd.errors import PeerError
from governd.observability.metrics import Metrics

_LOOK_AGAIN_SECONDS = 1.0
"""At the latest: somebody may set the wall clock."""
_PAST_SECONDS = 0.001
"""A certificate still counts at the very moment of its end."""


class PeerInterceptor(Interceptor):
    """Admits one listener's calls, each by the certificate of its connection."""

    def __init__(self, peers: Peers, *, methods: Methods, metrics: Metrics, clock: Clock) -> None:
        """Takes who may call and what is served.

        Args:
            peers: Who may call.
            methods: What is served here.
            metrics: Count calls.
            clock: Monotonic seconds.
        """
        super().__init__(methods, Gate(metrics, clock))
        self._peers = peers
        self._timer: asyncio.TimerHandle | None = None

    def accounts(self) -> Iterable[Account]:
        """Those who have called."""
        return self._peers.accounts()

    def enter(self, method: Method, context: Context) -> None:
        """Lets a call in, if its certificate says who calls, and that one may."""
        try:
            account, claim = self._peers.identify(presented_on(context))
        except PeerError:
            self.gate.turned_away(method, grpc.StatusCode.UNAUTHENTICATED)
            raise
        self.gate.enter(account, method, context.invocation_metadata() or (), claim)
        calls.current().certificate = claim.peer.certificate
        self._watch(self._peers.seconds_left(claim))

    def recheck(self) -> None:
        """Ends the calls of those who are not verified any more.

        To be called when a trust bundle has changed. That certificates expire is noticed
        here.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.gate.end_early(self._sentence)

    def _sentence(self, entry: Open) -> PeerError | None:
        claim = entry.claim
        if entry.call.ending is not None or not isinstance(claim, Claim):
            return None
        try:
            left = self._peers.seconds_left(claim)
        except PeerError as error:
            return error
        self._watch(left)
        return None

    def _watch(self, seconds_left: float) -> None:
        """Sees to it that somebody looks when a claim ends."""
        if self._timer is not None and seconds_left > _LOOK_AGAIN_SECONDS:
            return  # that comes first
        loop = asyncio.get_running_loop()
        when = loop.time() + min(seconds_left, _LOOK_AGAIN_SECONDS) + _PAST_SECONDS
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self.recheck)
