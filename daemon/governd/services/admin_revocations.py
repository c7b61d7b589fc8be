"""What AdminService says of revocations."""

from datetime import UTC, datetime

from governd._proto.governd.v1 import admin_service_pb2
from governd.application.revocations import RevokedHere, Revoker
from governd.delegation.revocation_list import DEFAULT_SECONDS, Kind, Revocation, Target
from governd.errors import RequestError
from governd.services import convert

_KINDS = {
    "user": Kind.USER,
    "spiffe_id": Kind.WORKLOAD,
    "transaction": Kind.TRANSACTION,
    "token_id": Kind.TOKEN,
}
"""By the names of ``Revoked``'s members."""
_MEMBERS = {kind: member for member, kind in _KINDS.items()}


class AdminRevocations:
    """Revokes at an operator's word, and says what is revoked."""

    def __init__(self, revoker: Revoker, here: RevokedHere) -> None:
        """Takes the use case, and what is revoked."""
        self._revoker = revoker
        self._here = here

    async def revoke(
        self, request: admin_service_pb2.RevokeRequest
    ) -> admin_service_pb2.RevokeResponse:
        """Revokes something.

        Raises:
            RequestError: A field is missing or malformed, or there are too many.
            DecisionLogError: It is in force, and not on record.
            RevocationsError: It is in force, and not on disk.
        """
        one, info = await self._revoker.revoke(
            _target(request.revoked), seconds=_seconds(request), reason=request.reason
        )
        return admin_service_pb2.RevokeResponse(
            revocation=_revocation(one), policy=convert.policy_info(info)
        )

    def list(
        self,
        request: admin_service_pb2.ListRevocationsRequest,  # noqa: ARG002 - has no fields
    ) -> admin_service_pb2.ListRevocationsResponse:
        """All that is revoked, the latest first."""
        return admin_service_pb2.ListRevocationsResponse(
            revocations=[_revocation(one) for one in self._here.current()]
        )


def _target(message: admin_service_pb2.Revoked) -> Target:
    member = message.WhichOneof("what")
    if member is None:
        text = "revoked: required, exactly one of its members"
        raise RequestError(text, field="revoked")
    target = Target(_KINDS[member], getattr(message, member))
    target.check(field=f"revoked.{member}")
    return target


def _seconds(request: admin_service_pb2.RevokeRequest) -> float:
    if not request.HasField("lifetime"):
        return DEFAULT_SECONDS
    return request.lifetime.seconds + request.lifetime.nanos / 1e9


def _revocation(one: Revocation) -> admin_service_pb2.Revocation:
    message = admin_service_pb2.Revocation(
        since=convert.timestamp(datetime.fromtimestamp(one.since, UTC)),
        until=convert.timestamp(datetime.fromtimestamp(one.until, UTC)),
        reason=one.reason,
    )
    setattr(message.revoked, _MEMBERS[one.target.kind], one.target.name)
    return message
