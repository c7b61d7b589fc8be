"""Evidence in questions is verified for whom it is shown, or refused; it is never left out."""

import pytest

from governd._proto.governd.v1 import types_pb2
from governd.application.evidence import Shown
from governd.errors import RequestError
from governd.identity import Attestation, Caller, SpiffeId
from governd.policy.delegated import Delegation, EvidenceKind
from governd.services import evidence
from governd.services.evidence import MAX_BYTES, EvidenceReader
from tests.policies import READER, WRITER, acting

CALLER = Caller(SpiffeId.parse(WRITER), Attestation.STATIC)
OTHER = SpiffeId.parse(READER)


class Verifier:
    """Takes whatever is shown."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []

    async def verify(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        assert (caller, now) == (CALLER, 7.0)
        self.shown.append(shown)
        found = acting().delegation
        assert found is not None
        return found


async def read(subject: SpiffeId = CALLER.spiffe_id, **token: str) -> Shown:
    verifier = Verifier()
    reader = EvidenceReader(verifier, wall_clock=lambda: 7.0)
    message = types_pb2.Evidence(**token)
    found = await reader.circumstances(message, subject, CALLER, field="context.evidence")
    assert found == acting()
    return verifier.shown[0]


@pytest.mark.parametrize("kind", EvidenceKind)
async def test_a_token_is_shown_as_what_it_is_sent_as(kind: EvidenceKind) -> None:
    member = {"acting_as": "acting_as_token"}.get(kind.value, kind.value)
    shown = await read(CALLER.spiffe_id, **{member: "a.b.c"})
    assert (shown.kind, shown.token.reveal()) == (kind, b"a.b.c")
    assert shown.arrival.peer is None


async def test_a_token_of_a_call_that_was_received_has_its_sender_as_peer() -> None:
    shown = await read(OTHER, acting_as_token="a.b.c")
    assert shown.arrival.peer == OTHER


@pytest.mark.parametrize("member", ["id_token", "access_token"])
async def test_attack_a_user_s_own_token_shown_of_another_agent(member: str) -> None:
    with pytest.raises(RequestError, match="another subject") as raised:
        await read(OTHER, **{member: "a.b.c"})
    assert raised.value.field == "context.evidence"


@pytest.mark.parametrize("text", ["", "ä", "a" * (MAX_BYTES + 1)])
async def test_what_cannot_be_a_token_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(RequestError) as raised:
        await read(id_token=text)
    assert raised.value.field == "context.evidence.id_token"
    assert not text or text not in str(raised.value)


def test_evidence_without_a_token_is_refused() -> None:
    with pytest.raises(RequestError, match="exactly one"):
        evidence.shown(types_pb2.Evidence(), field="evidence")
