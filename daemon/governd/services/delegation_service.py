"""DelegationService: acting-as tokens are minted, extended and verified."""

from governd._proto.governd.v1 import delegation_service_pb2 as pb
from governd._proto.governd.v1 import delegation_service_pb2_grpc
from governd.application import call
from governd.application.delegate import Delegator
from governd.application.verify_tokens import TokenVerifier
from governd.services import delegation_messages as messages
from governd.services import evidence
from governd.services.context import Context


class DelegationServicer(delegation_service_pb2_grpc.DelegationServiceServicer):
    """governd.v1.DelegationService."""

    def __init__(self, delegator: Delegator, verifier: TokenVerifier) -> None:
        """Takes the use cases."""
        self._delegator = delegator
        self._verifier = verifier

    async def Mint(  # noqa: N802
        self,
        request: pb.MintRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.MintResponse:
        """Mints the first token of a chain."""
        wanted = messages.wanted(request)
        shown = evidence.shown(request.evidence, field="evidence")
        issued = await self._delegator.mint(call.current(), wanted, shown)
        return pb.MintResponse(delegation=messages.issued(issued), decision_id=issued.decision_id)

    async def Extend(  # noqa: N802
        self,
        request: pb.ExtendRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ExtendResponse:
        """Extends a token that the caller received."""
        wanted = messages.wanted(request)
        parent = evidence.secret(request.parent_token, field="parent_token")
        issued = await self._delegator.extend(call.current(), wanted, parent)
        return pb.ExtendResponse(delegation=messages.issued(issued), decision_id=issued.decision_id)

    async def Verify(  # noqa: N802
        self,
        request: pb.VerifyRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.VerifyResponse:
        """Says whether the caller may take a token that came with a request."""
        arrival, least = messages.arrival(request), messages.least_binding(request)
        token = evidence.secret(request.token, field="token")
        found = await self._verifier.verify(call.current(), token, arrival, least)
        return messages.verified(found)
