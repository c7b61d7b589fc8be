"""Evidence is verified by its kind, for who shows it, and what does not hold is an error."""

import pytest

from governd.application.evidence import EvidenceVerifier, Shown
from governd.application.issuer_keys import IssuerKeyKeeper
from governd.application.renewing import Times
from governd.application.sync_policy import PolicyKeeper
from governd.delegation.evidence_faults import (
    EvidenceError,
    EvidenceFault,
    EvidenceUnavailableError,
)
from governd.delegation.revocations import NOTHING, Revocations
from governd.identity import Attestation, Caller, SpiffeId
from governd.identity.secret import Secret
from governd.identity.user import User
from governd.policy.delegated import Delegation, EvidenceKind
from tests.fakes.issuer_keys import FakeKeySource
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.user_issuer import AUDIENCE, ISSUER, NOW, USER, UserIssuer
from tests.policies import READER, WRITER, source_files

pytestmark = pytest.mark.req("gi-3", part=True)

IDP = UserIssuer()
CALLER = Caller(SpiffeId.parse(WRITER), Attestation.STATIC)
TABLE = (
    f'[[issuer]]\nname = "corp"\nissuer = "{ISSUER}"\naudiences = ["{AUDIENCE}"]\n'
    'kinds = ["id_token", "access_token"]\njwks_uri = "https://idp.example/keys"\n'
)
RECEIVED = Delegation(
    User(ISSUER, USER),
    (CALLER.spiffe_id, SpiffeId.parse(READER)),
    frozenset({EvidenceKind.ACTING_AS}),
    NOW + 60,
)


class Evidence:
    """A verifier over fakes, and what was told of it."""

    def __init__(self, keeper: PolicyKeeper) -> None:
        self.told: list[str] = []
        self.source = FakeKeySource(IDP.key_set())
        self.revoked = NOTHING
        keys = IssuerKeyKeeper(
            self.source,
            self,
            Times(300, 3600),
            issuers=lambda: (),
            clock=lambda: 0.0,
        )
        self.verifier = EvidenceVerifier(keeper, keys, self, self, revocations=lambda: self.revoked)

    async def receive(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        """Is a receiver of acting-as tokens."""
        if shown.token.reveal() != b"good":
            raise EvidenceError(EvidenceFault.ACTING_AS, "is rejected")
        assert (caller, now) == (CALLER, NOW)
        return RECEIVED

    def fetched(self, name: str) -> None:
        """Is told elsewhere."""

    def failed(self, name: str, error: str) -> None:
        """Is told elsewhere."""

    def verified(self, kind: EvidenceKind) -> None:
        self.told.append(f"{kind.value} verified")

    def refused(self, kind: EvidenceKind, fault: EvidenceFault | None) -> None:
        self.told.append(f"{kind.value} {fault.value if fault else 'unavailable'}")

    async def verify(self, token: str, kind: EvidenceKind) -> Delegation:
        return await self.verifier.verify(Shown(kind, Secret(token.encode())), CALLER, NOW)


async def evidence(*, loaded: bool = True) -> Evidence:
    source = FakePolicySource(source_files(manifest=TABLE))
    keeper = PolicyKeeper(source, FakePolicyCompiler(), clock=lambda: 0.0, on_load=lambda _: None)
    if loaded:
        await keeper.reload()
    return Evidence(keeper)


async def test_an_id_token_and_an_access_token_make_the_caller_the_actor() -> None:
    one = await evidence()
    found = await one.verify(IDP.id_token(), EvidenceKind.ID_TOKEN)
    assert (found.user, found.actors) == (User(ISSUER, USER), (CALLER.spiffe_id,))
    found = await one.verify(IDP.access_token(), EvidenceKind.ACCESS_TOKEN)
    assert found.scopes == {"mail:read", "mail:send"}
    assert one.told == ["id_token verified", "access_token verified"]


async def test_an_acting_as_token_is_for_its_receiver() -> None:
    one = await evidence()
    assert await one.verify("good", EvidenceKind.ACTING_AS) is RECEIVED
    with pytest.raises(EvidenceError):
        await one.verify("bad", EvidenceKind.ACTING_AS)
    assert one.told == ["acting_as verified", "acting_as acting_as"]
    assert one.source.asked == []


async def test_evidence_that_does_not_hold_is_an_error_and_counted() -> None:
    one = await evidence()
    with pytest.raises(EvidenceError):
        await one.verify(IDP.id_token(aud="shop"), EvidenceKind.ID_TOKEN)
    assert one.told == ["id_token audience"]


async def test_attack_a_token_of_a_stranger_has_nobody_asked() -> None:
    one = await evidence()
    with pytest.raises(EvidenceError):
        await one.verify(IDP.id_token(iss="https://evil.example"), EvidenceKind.ID_TOKEN)
    assert one.source.asked == []


async def test_without_an_issuers_keys_nothing_can_be_told() -> None:
    one = await evidence()
    one.source.error = "away"
    with pytest.raises(EvidenceUnavailableError):
        await one.verify(IDP.id_token(), EvidenceKind.ID_TOKEN)
    assert one.told == ["id_token unavailable"]


async def test_before_the_first_policy_nobodys_word_counts() -> None:
    one = await evidence(loaded=False)
    for kind in EvidenceKind:
        with pytest.raises(EvidenceUnavailableError):
            await one.verify("good", kind)


async def test_a_token_that_was_revoked_proves_nothing_from_then_on() -> None:
    one = await evidence()
    await one.verify(IDP.access_token(), EvidenceKind.ACCESS_TOKEN)
    one.revoked = Revocations(tokens=frozenset({"token-1"}))
    with pytest.raises(EvidenceError):
        await one.verify(IDP.access_token(), EvidenceKind.ACCESS_TOKEN)
    assert one.told[-1] == "access_token revoked"


def test_what_is_shown_is_never_printed() -> None:
    assert "good" not in repr(Shown(EvidenceKind.ID_TOKEN, Secret(b"good")))
