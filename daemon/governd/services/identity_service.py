"""IdentityService: tells a caller who it is, and when it is."""

import contextlib
from collections.abc import AsyncIterator, Callable

from google.protobuf.timestamp_pb2 import Timestamp

from governd._proto.governd.v1 import identity_service_pb2, identity_service_pb2_grpc
from governd.application import call
from governd.application.identities import Identities
from governd.application.keep_identities import IdentityState, Phase
from governd.errors import NoIdentityError
from governd.identity import SpiffeId
from governd.services import convert
from governd.services.context import Context

_BY_CHANNEL = IdentityState(Phase.READY, "")
"""Of a caller for whom governd holds nothing: the channel alone proves who it is."""


class IdentityServicer(identity_service_pb2_grpc.IdentityServiceServicer):
    """governd.v1.IdentityService."""

    def __init__(self, tenant_of: Callable[[SpiffeId], str], identities: Identities) -> None:
        """Takes what knows the tenant of a SPIFFE ID and what is held for a caller."""
        self._tenant_of = tenant_of
        self._identities = identities

    async def WhoAmI(  # noqa: N802
        self,
        request: identity_service_pb2.WhoAmIRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> identity_service_pb2.WhoAmIResponse:
        """Says who the channel says is calling, and how far its identity is."""
        this = call.current()
        caller, held = this.workload, self._identities.of(this)
        state = held.state if held else _BY_CHANNEL
        return identity_service_pb2.WhoAmIResponse(
            spiffe_id=str(caller.spiffe_id),
            attestation=convert.ATTESTATIONS[caller.attestation],
            facts=dict(caller.facts),
            tenant=self._tenant_of(caller.spiffe_id),
            phase=convert.PHASES[state.phase],
            reason=state.reason,
            not_after=_not_after(state),
        )

    async def WaitReady(  # noqa: N802
        self,
        request: identity_service_pb2.WaitReadyRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[identity_service_pb2.WaitReadyResponse]:
        """Tells how far the caller's identity is, until there is one."""
        held = self._identities.of(call.current())
        if held is None:
            yield _response(_BY_CHANNEL)
            return
        async with contextlib.aclosing(held.changes()) as states:
            async for state in states:
                yield _response(state)
                if state.phase is Phase.READY:
                    return
        message = "the workload is gone"
        raise NoIdentityError(message)


def _response(state: IdentityState) -> identity_service_pb2.WaitReadyResponse:
    return identity_service_pb2.WaitReadyResponse(
        phase=convert.PHASES[state.phase], reason=state.reason, not_after=_not_after(state)
    )


def _not_after(state: IdentityState) -> Timestamp | None:
    return convert.timestamp(state.svids[0].not_after) if state.svids else None
