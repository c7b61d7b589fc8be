"""IdentityService: tells a caller who it is."""

from collections.abc import Callable

from governd._proto.governd.v1 import identity_service_pb2, identity_service_pb2_grpc
from governd.application import call
from governd.identity import SpiffeId
from governd.services import convert
from governd.services.context import Context


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
        """Says who the channel says is calling."""
        caller = call.current().workload
        return identity_service_pb2.WhoAmIResponse(
            spiffe_id=str(caller.spiffe_id),
            attestation=convert.ATTESTATIONS[caller.attestation],
            facts=dict(caller.facts),
            tenant=self._tenant_of(caller.spiffe_id),
        )
