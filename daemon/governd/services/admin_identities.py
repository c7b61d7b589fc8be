"""What AdminService says of identities: never a key."""

from governd._proto.governd.v1 import admin_service_pb2
from governd.application.identity_list import IdentityList, WorkloadIdentity, next_rotation
from governd.identity.svid import X509Svid
from governd.services import convert


class AdminIdentities:
    """Answers an operator's questions about identities."""

    def __init__(self, identities: IdentityList) -> None:
        """Takes the use case."""
        self._identities = identities

    def list(
        self,
        request: admin_service_pb2.ListIdentitiesRequest,  # noqa: ARG002 - has no fields
    ) -> admin_service_pb2.ListIdentitiesResponse:
        """Every workload, by name."""
        return admin_service_pb2.ListIdentitiesResponse(
            identities=[_status(one) for one in self._identities.all()]
        )

    def get(
        self, request: admin_service_pb2.GetIdentityRequest
    ) -> admin_service_pb2.GetIdentityResponse:
        """One workload.

        Raises:
            RequestError: There is none of that name.
        """
        found = self._identities.one(request.workload)
        return admin_service_pb2.GetIdentityResponse(identity=_status(found))


def _status(one: WorkloadIdentity) -> admin_service_pb2.IdentityStatus:
    return admin_service_pb2.IdentityStatus(
        workload=one.workload.name,
        spiffe_id=str(one.spiffe_id or ""),
        phase=convert.PHASES[one.state.phase],
        reason=one.state.reason,
        attestation=convert.ATTESTATIONS[one.attestation],
        source=one.source,
        svids=[_svid(svid) for svid in one.state.svids],
        federates_with=sorted(one.state.federates_with),
        selectors=[str(selector) for selector in one.workload.selectors],
        facts=dict(one.workload.facts),
    )


def _svid(svid: X509Svid) -> admin_service_pb2.SvidStatus:
    return admin_service_pb2.SvidStatus(
        spiffe_id=str(svid.spiffe_id),
        hint=svid.hint,
        not_before=convert.timestamp(svid.not_before),
        not_after=convert.timestamp(svid.not_after),
        next_rotation=convert.timestamp(next_rotation(svid)),
    )
