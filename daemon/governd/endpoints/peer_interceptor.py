"""Identity, drain and admission on a listener whose callers show certificates.

gRPC's interceptors do not see the connection; a handler's context does. So here every
handler begins with what ``interceptor.py`` does elsewhere, in the same order and before the
message is read.

A call that is open when its caller's certificate expires, or when the trust bundle no longer
verifies it, is ended with ``CALLER_UNVERIFIED``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

import grpc
import grpc.aio

from governd.application.call import Clock
from governd.endpoints.gate import Account, Gate, Open
from governd.endpoints.handlers import Context, Handler
from governd.endpoints.methods import Method, Methods
from governd.endpoints.peer import Claim, Peers, presented_on
from governd.errors import PeerError
from governd.observability.metrics import Metrics

Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"

_LOOK_AGAIN_SECONDS = 1.0
"""At the latest: somebody may set the wall clock."""
_PAST_SECONDS = 0.001
"""A certificate still counts at the very moment of its end."""


class PeerInterceptor(grpc.aio.ServerInterceptor):
    """Admits one listener's calls, each by the certificate of its connection.

    Attributes:
        gate: Where they are admitted.
    """

    def __init__(self, peers: Peers, *, methods: Methods, metrics: Metrics, clock: Clock) -> None:
        """Takes who may call and what is served.

        Args:
            peers: Who may call.
            methods: What is served here.
            metrics: Count calls.
            clock: Monotonic seconds.
        """
        self.gate = Gate(metrics, clock)
        self._peers = peers
        self._methods = methods.behind(self._enter)
        self._timer: asyncio.TimerHandle | None = None

    def accounts(self) -> Iterable[Account]:
        """Those who have called."""
        return self._peers.accounts()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Finds the handler of one call, which begins with ``_enter``."""
        del continuation  # asks the server's own table, which is empty
        return self._methods.find(handler_call_details.method).handler

    def recheck(self) -> None:
        """Ends the calls of those who are not verified any more.

        To be called when a trust bundle has changed. That certificates expire is noticed
        here.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.gate.end_early(self._sentence)

    def _enter(self, method: Method, context: Context) -> None:
        try:
            account, claim = self._peers.identify(presented_on(context))
        except PeerError:
            self.gate.turned_away(method, grpc.StatusCode.UNAUTHENTICATED)
            raise
        self.gate.enter(account, method, context.invocation_metadata() or (), claim)
        self._watch(self._peers.seconds_left(claim))

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
