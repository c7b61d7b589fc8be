"""What the API documents is what the domain finds: same names, same numbers."""

import enum

import pytest

from governd._proto.governd.v1 import agent_service_pb2
from governd.kya.attestation_check import AttestationFault
from governd.kya.card_signature import SignatureStatus
from governd.kya.drift import DriftReason
from governd.kya.level import Level


@pytest.mark.parametrize(
    ("kind", "name", "prefix"),
    [
        (Level, "KyaLevel", "KYA_LEVEL_"),
        (SignatureStatus, "CardSignatureStatus", "CARD_SIGNATURE_STATUS_"),
        (DriftReason, "DriftReason", "DRIFT_REASON_"),
        (AttestationFault, "AttestationFault", "ATTESTATION_FAULT_"),
    ],
)
def test_an_enum_of_the_api_has_the_domains_names(
    kind: type[enum.Enum], name: str, prefix: str
) -> None:
    documented = agent_service_pb2.DESCRIPTOR.enum_types_by_name[name].values
    stated = {one.name.removeprefix(prefix): one.number for one in documented if one.number}
    assert stated == {one.name: one.value for one in kind if one.value}
