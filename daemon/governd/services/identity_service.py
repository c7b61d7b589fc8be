"""IdentityService: tells a caller who it is, and when it is."""

import contextlib
from collections.abc import AsyncIterator, Callable

from google.protobuf.timestamp_pb2 import Timestamp

from governd._proto.governd.v1 import identity_service_pb2, identity_service_pb2_grpc
from governd.application import call
from governd.application.call import Call
from governd.application.keep_identities import IdentityState, Phase
from governd.application.occupant import standing
from governd.errors import NoIdentityError
from governd.identity import Attestation, Caller, Newcomer, SpiffeId
from governd.services import convert
from governd.services.context import Context

_BY_CHANNEL = IdentityState(Phase.READY, "")
"""Of a caller for whom governd holds nothing: the channel alone proves who it is."""


class IdentityServicer(identity_service_pb2_grpc.IdentityServiceServicer):
    """governd.v1.IdentityService."""

    def __init__(self, tenant_of: Callable[[SpiffeId], str]) -> None:
        """Takes what knows the tenant of a SPIFFE ID."""
        self._tenant_of = tenant_of

    async def WhoAmI(  # noqa: N802
        self,
        request: identity_service_pb2.WhoAmIRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> identity_service_pb2.WhoAmIResponse:
        """Says who the channel says is calling, and how far its identity is."""
        this = call.current()
        state = _standing(this, this.held.state if this.held else _BY_CHANNEL)
        answer = identity_service_pb2.WhoAmIResponse(
            phase=convert.PHASES[state.phase], reason=state.reason, not_after=_not_after(state)
        )
        if isinstance(this.caller, Newcomer):
            answer.facts.update(this.caller.facts)
            return answer
        caller = this.workload
        answer.spiffe_id = str(caller.spiffe_id)
        answer.attestation = convert.ATTESTATIONS[caller.attestation]
        answer.facts.update(caller.facts)
        answer.tenant = self._tenant_of(caller.spiffe_id)
        return answer

    async def WaitReady(  # noqa: N802
        self,
        request: identity_service_pb2.WaitReadyRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[identity_service_pb2.WaitReadyResponse]:
        """Tells how far the caller's identity is, until there is one."""
        this = call.current()
        if this.held is None:
            yield _response(_BY_CHANNEL)
            return
        async with contextlib.aclosing(this.held.changes()) as states:
            async for held in states:
                state = _standing(this, held)
                yield _response(state)
                if state.phase is Phase.READY:
                    return
        message = "the workload is gone"
        raise NoIdentityError(message)


def _standing(this: Call, state: IdentityState) -> IdentityState:
    caller = this.caller
    by_template = isinstance(caller, Caller) and caller.attestation is Attestation.TEMPLATE
    return standing(state, by_template=by_template)


def _response(state: IdentityState) -> identity_service_pb2.WaitReadyResponse:
    return identity_service_pb2.WaitReadyResponse(
        phase=convert.PHASES[state.phase], reason=state.reason, not_after=_not_after(state)
    )


def _not_after(state: IdentityState) -> Timestamp | None:
    return convert.timestamp(state.svids[0].not_after) if state.spiffe_id else None
