"""Who governd takes this workload for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from governd_client._proto.governd.v1 import identity_service_pb2
from governd_client.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, as the channel says.

    Attributes:
        spiffe_id: Its SPIFFE ID, ``""`` while it has none.
        attestation: How that was established, for example ``STATIC``.
        facts: What else the attestation told.
        tenant: The tenant whose policies apply too, ``""`` for none.
        readiness: Whether the identity is there yet, and to when.
    """

    spiffe_id: str
    attestation: str
    facts: Mapping[str, str]
    tenant: str
    readiness: Readiness

    @classmethod
    def from_proto(cls, answer: identity_service_pb2.WhoAmIResponse) -> Self:
        """Reads the answer of ``WhoAmI``.

        Raises:
            MalformedAnswerError: It has a time that is none.
        """
        known = identity_service_pb2.Attestation.DESCRIPTOR.values_by_number
        name = known[answer.attestation].name if answer.attestation in known else "UNRECOGNISED"
        return cls(
            spiffe_id=answer.spiffe_id,
            attestation=name.removeprefix("ATTESTATION_"),
            facts=MappingProxyType(dict(answer.facts)),
            tenant=answer.tenant,
            readiness=Readiness.from_proto(answer),
        )
