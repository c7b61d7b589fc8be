"""Identity on a listener that has one caller, whoever reaches its socket.

The caller belongs to the listener (design: who is calling comes from the channel, never
from the message), so there is one interceptor for each, and all of its work is done before
the message is read. Where callers show certificates, ``peer_interceptor.py`` does it; where
the one caller is who its workload is at the moment, ``attested_interceptor.py``.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

import grpc
import grpc.aio

from governd.application.call import Clock
from governd.application.hold_identity import HeldIdentity
from governd.endpoints.gate import Account, Gate
from governd.endpoints.handlers import Handler
from governd.endpoints.limits import Admission
from governd.endpoints.methods import Methods
from governd.errors import GoverndError
from governd.identity import Caller, Operator
from governd.observability.metrics import Metrics

Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Admits one listener's calls, all of them of one caller.

    Attributes:
        gate: Where they are admitted.
    """

    def __init__(
        self,
        caller: Caller | Operator,
        *,
        methods: Methods,
        admission: Admission,
        metrics: Metrics,
        clock: Clock,
        held: HeldIdentity | None = None,
    ) -> None:
        """Takes what is shared (methods, metrics, clock) and what is the caller's.

        Args:
            caller: Who calls here.
            methods: What is served here.
            admission: The caller's limits.
            metrics: Count calls.
            clock: Monotonic seconds.
            held: The identities that governd holds for the caller; ``None`` for none.
        """
        self.gate = Gate(metrics, clock)
        self._account = Account(caller, admission, held)
        self._methods = methods

    def accounts(self) -> Iterable[Account]:
        """The one caller's."""
        return (self._account,)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Finds the handler of one call: its method's, or one that refuses."""
        del continuation  # asks the server's own table, which is empty
        method = self._methods.find(handler_call_details.method)
        try:
            self.gate.enter(self._account, method, handler_call_details.invocation_metadata)
        except GoverndError as error:
            return self._methods.chain.refusal(error)
        return method.handler
