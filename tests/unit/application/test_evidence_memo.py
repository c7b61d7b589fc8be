"""Evidence that was verified holds again only while all that it rested on is the same."""

import pytest

from governd.application.evidence import EvidenceVerifier, Shown
from governd.application.evidence_memo import EvidenceMemo, Grounds, Verified, shows
from governd.application.sync_policy import PolicyKeeper
from governd.delegation import issuer_tokens
from governd.delegation.evidence_faults import EvidenceError, EvidenceUnavailableError
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.revocations import NOTHING, Revocations
from governd.identity import Attestation, Caller, SpiffeId
from governd.identity.secret import Secret
from governd.policy.delegated import Delegation, EvidenceKind
from governd.policy.trusted import Issuer
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.user_issuer import AUDIENCE, ISSUER, NOW, UserIssuer
from tests.policies import READER, WRITER, source_files

pytestmark = pytest.mark.req("gi-3", part=True)

IDP = UserIssuer()
CALLER, OTHER = (Caller(SpiffeId.parse(one), Attestation.STATIC) for one in (WRITER, READER))
TABLE = (
    f'[[issuer]]\nname = "corp"\nissuer = "{ISSUER}"\naudiences = ["{{}}"]\n'
    'kinds = ["id_token", "access_token"]\njwks_uri = "https://idp.example/keys"\n'
)


class Node:
    """A verifier; counts how often a signature is verified."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source = FakePolicySource(source_files(manifest=TABLE.format(AUDIENCE)))
        self.policies = PolicyKeeper(
            self.source, FakePolicyCompiler(), clock=lambda: 0.0, on_load=lambda _: None
        )
        self.key_set = IssuerKeySet.read(IDP.key_set())
        self.away = False
        self.asked: list[Issuer] = []
        self.revoked = NOTHING
        self.verified_anew = 0
        self.told = 0
        self.now = NOW
        self.verifier = EvidenceVerifier(
            self.policies, self, self, self, revocations=lambda: self.revoked
        )
        verify = issuer_tokens.verify

        def counted(*parts: object) -> Delegation:
            self.verified_anew += 1
            return verify(*parts)  # type: ignore[arg-type]  # as it was called

        monkeypatch.setattr(issuer_tokens, "verify", counted)

    async def open(self) -> "Node":
        await self.policies.reload()
        return self

    async def keys(self, issuer: Issuer, key_id: str) -> IssuerKeySet:
        self.asked.append(issuer)
        if self.away:
            message = "its keys cannot be had"
            raise EvidenceUnavailableError(message)
        return self.key_set

    async def receive(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        raise AssertionError

    def verified(self, kind: EvidenceKind) -> None:
        self.told += 1

    def refused(self, kind: EvidenceKind, fault: object) -> None:
        """Takes note of nothing."""

    async def shown(
        self,
        token: str,
        caller: Caller = CALLER,
        kind: EvidenceKind = EvidenceKind.ACCESS_TOKEN,
    ) -> Delegation:
        one = Shown(kind, Secret(token.encode()))
        return await self.verifier.verify(one, caller, self.now)


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    return await Node(monkeypatch).open()


async def test_a_signature_is_verified_once(node: Node) -> None:
    token = IDP.access_token()
    first, second = await node.shown(token), await node.shown(token)
    assert first is second
    assert (node.verified_anew, node.told) == (1, 2)


async def test_attack_another_who_shows_it_is_another_actor(node: Node) -> None:
    token = IDP.access_token()
    mine, other = await node.shown(token), await node.shown(token, OTHER)
    assert (mine.actors, other.actors) == ((CALLER.spiffe_id,), (OTHER.spiffe_id,))
    assert node.verified_anew == 2


async def test_attack_a_token_for_one_workload_that_held_is_shown_by_another(node: Node) -> None:
    node.source.put("manifest.toml", source_files(manifest=TABLE.format(WRITER))["manifest.toml"])
    await node.policies.reload()
    token = IDP.access_token(aud=WRITER)
    await node.shown(token)
    with pytest.raises(EvidenceError):
        await node.shown(token, OTHER)


async def test_attack_a_token_that_held_is_shown_as_another_kind(node: Node) -> None:
    token = IDP.access_token()
    await node.shown(token)
    with pytest.raises(EvidenceError):
        await node.shown(token, kind=EvidenceKind.ID_TOKEN)


async def test_what_does_not_hold_is_not_remembered(node: Node) -> None:
    token = IDP.access_token(aud="shop")
    for _ in range(3):
        with pytest.raises(EvidenceError):
            await node.shown(token)
    assert node.verified_anew == 3


async def test_attack_one_letter_is_another(node: Node) -> None:
    token = IDP.access_token()
    await node.shown(token)
    forged = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    with pytest.raises(EvidenceError):
        await node.shown(forged)


async def test_what_is_revoked_since_then_holds_no_more(node: Node) -> None:
    token = IDP.access_token()
    await node.shown(token)
    node.revoked = Revocations(tokens=frozenset({"token-1"}))
    with pytest.raises(EvidenceError):
        await node.shown(token)


async def test_keys_that_were_fetched_since_then_have_to_verify_it(node: Node) -> None:
    token = IDP.access_token()
    await node.shown(token)
    node.key_set = IssuerKeySet.read(IDP.key_set())
    await node.shown(token)
    assert node.verified_anew == 2
    node.key_set = IssuerKeySet.read(UserIssuer(key_id="next").key_set())
    with pytest.raises(EvidenceError):
        await node.shown(token)


async def test_where_keys_cannot_be_had_nothing_is_remembered(node: Node) -> None:
    token = IDP.access_token()
    await node.shown(token)
    node.away = True
    with pytest.raises(EvidenceUnavailableError):
        await node.shown(token)


async def test_a_policy_that_was_loaded_since_then_has_to_take_it(node: Node) -> None:
    token = IDP.access_token()
    await node.shown(token)
    await node.policies.redress()
    await node.shown(token)
    assert node.verified_anew == 1, "what stands beside the source says nothing of issuers"
    files = source_files(manifest=TABLE.format("shop"))
    node.source.put("manifest.toml", files["manifest.toml"])
    await node.policies.reload()
    with pytest.raises(EvidenceError):
        await node.shown(token)
    assert node.asked[-1].audiences == ("shop",), "the issuer of before is not asked about"


async def test_what_has_ended_holds_no_more(node: Node) -> None:
    token = IDP.access_token()
    delegation = await node.shown(token)
    node.now = delegation.expires
    with pytest.raises(EvidenceError):
        await node.shown(token)


async def test_no_token_is_kept(node: Node) -> None:
    token = IDP.access_token()
    await node.shown(token)
    held = node.verifier._memo._held._young
    assert len(held) == 1
    assert not any(part in repr(held) for part in token.split("."))


async def test_what_is_remembered_is_bounded(node: Node) -> None:
    await node.policies.reload()
    proven, policy = await node.shown(IDP.access_token()), node.policies.state.policy
    assert policy is not None
    found = Verified(IDP.stated(), "key-1", Grounds(policy.manifest, node.key_set, NOTHING), proven)
    memo = EvidenceMemo(max_chars=8192)
    keys = [shows(Secret(b"%d" % one), EvidenceKind.ID_TOKEN, CALLER) for one in range(100)]
    for key in keys:
        memo.keep(key, found)
    kept = [key for key in keys if memo.find(key)]
    assert 0 < len(kept) < len(keys) / 2
    assert kept[-1] == keys[-1]
