"""A token is taken once, is evidence only after that, and only where it came in."""

import json
from typing import Any

import pytest

from governd.application.agents import KnownLevel
from governd.application.delegate import Issued
from governd.application.evidence import Shown
from governd.delegation.acting_as import SKEW_SECONDS, Attested
from governd.delegation.binding import BindingLevel, body_digest, request_binding
from governd.delegation.evidence_faults import EvidenceError, EvidenceUnavailableError
from governd.delegation.expectations import Arrival
from governd.delegation.rejection import Rejected
from governd.delegation.revocations import Revocations
from governd.delegation.verification import Verified
from governd.errors import DecisionLogError
from governd.identity import Attestation, Caller
from governd.kya.level import Level
from governd.policy.delegated import Delegation, EvidenceKind
from tests.delegations import DETAIL
from tests.fakes.authority import Authority
from tests.fakes.delegating import SIGNED_HERE, Delegating, text_of
from tests.fakes.forge import PLANNER, ROUTER, TOOLS, Forge, digest, with_twin_signature, workload
from tests.fakes.token_issuer import encode

REQUEST = request_binding("POST", "https://router.example/a2a", body_digest(b"{}"))


@pytest.fixture
async def node() -> Delegating:
    return await Delegating().open()


async def minted(node: Delegating, **wanted: Any) -> Issued:
    return await node.mint(PLANNER, ROUTER, **{"scopes": ("a",), "request": REQUEST, **wanted})


async def evidence(
    node: Delegating, token: Issued | str, caller: str = ROUTER, peer: str | None = None
) -> Delegation:
    """What a token proves for whoever shows it."""
    arrival = Arrival(workload(peer) if peer else None)
    shown = Shown(EvidenceKind.ACTING_AS, text_of(token), arrival)
    who = Caller(workload(caller), Attestation.STATIC)
    return await node.evidence.verify(shown, who, node.time.wall)


def reason(found: Verified | Rejected) -> str:
    assert isinstance(found, Rejected), found
    return found.reason.name


@pytest.mark.req("gi-3", part=True)
async def test_a_token_is_taken_once(node: Delegating) -> None:
    issued = await minted(node)
    assert isinstance(await node.verify(ROUTER, issued, request=REQUEST), Verified)
    assert reason(await node.verify(ROUTER, issued, request=REQUEST)) == "REPLAYED"
    assert node.told[-2:] == ["verified", "REPLAYED"]


@pytest.mark.req("gi-3", part=True)
async def test_what_becomes_of_a_token_is_on_record_without_it(node: Delegating) -> None:
    issued = await minted(node, details=[DETAIL])
    await node.verify(ROUTER, issued, request=REQUEST)
    await node.verify(TOOLS, issued, request=REQUEST)
    taken, rejected = node.records[-2:]
    assert taken["digest"] == rejected["digest"] == issued.delegation.digest
    assert (taken["caller"], taken["rejected"], taken["binding"]) == (ROUTER, None, 3)
    assert taken["user"]["subject"] == "alice"
    assert (rejected["caller"], rejected["rejected"]) == (TOOLS, "AUDIENCE")
    assert issued.delegation.text.reveal().decode() not in json.dumps(node.records)


async def test_what_cannot_be_put_on_record_is_not_told(node: Delegating) -> None:
    issued = await minted(node)
    node.log.full = True
    with pytest.raises(DecisionLogError):
        await node.verify(ROUTER, issued, request=REQUEST)
    node.log.full = False
    assert reason(await node.verify(ROUTER, issued, request=REQUEST)) == "REPLAYED"
    with pytest.raises(EvidenceError, match="Verify"):
        await evidence(node, issued, peer=PLANNER)
    with pytest.raises(EvidenceError, match="Verify"):
        await node.extend(ROUTER, issued, TOOLS)


@pytest.mark.req("gi-3", part=True)
async def test_no_receiver_takes_less_than_policy_demands() -> None:
    node = await Delegating(rules=f"[delegation]\nmin_binding = 3\n{SIGNED_HERE}").open()
    loose = request_binding("POST", "https://router.example/a2a")
    issued = await minted(node, request=loose)
    for least in BindingLevel:
        found = await node.verify(ROUTER, issued, request=loose, least=least)
        assert reason(found) == "BINDING_TOO_WEAK"


async def test_a_receiver_may_demand_more_than_policy(node: Delegating) -> None:
    loose = request_binding("POST", "https://router.example/a2a")
    issued = await minted(node, request=loose)
    found = await node.verify(ROUTER, issued, request=loose, least=BindingLevel.BODY)
    assert reason(found) == "BINDING_TOO_WEAK"
    assert isinstance(await node.verify(ROUTER, issued, request=loose), Verified)


@pytest.mark.req("gi-3", part=True)
async def test_attack_a_signer_whom_policy_does_not_name() -> None:
    node = await Delegating(rules="").open()
    assert reason(await node.verify(ROUTER, await minted(node))) == "ISSUER_NOT_ALLOWED"


async def test_attack_a_signer_of_another_domain_that_names_our_agents() -> None:
    partner = Authority("partner.example")
    forge = Forge("spiffe://partner.example/governd/signer/node-1", authority=partner)
    rule = SIGNED_HERE.replace("example.org", "partner.example")
    for allowed, wanted in (('also_for = ["example.org"]\n', True), ("", False)):
        node = await Delegating(rules=rule + allowed, forge=forge).open()
        found = await node.verify(ROUTER, await minted(node), request=REQUEST)
        assert isinstance(found, Verified) is wanted


async def test_nothing_is_said_before_a_trust_bundle_has_come() -> None:
    node = await Delegating().open({})
    with pytest.raises(EvidenceUnavailableError):
        await node.verify(ROUTER, Forge().token())


@pytest.mark.req("gi-3", part=True)
async def test_a_token_that_was_taken_is_evidence_until_its_end(node: Delegating) -> None:
    issued = await minted(node, details=[DETAIL])
    await node.verify(ROUTER, issued, request=REQUEST)
    for _ in range(3):
        found = await evidence(node, issued, peer=PLANNER)
        assert found.actors == (workload(PLANNER),)
        assert (found.binding, found.scopes) == (3, frozenset({"a"}))
        assert found.details[0].tools == frozenset(DETAIL.tools)
        assert found.expires == issued.delegation.token.expires_at + SKEW_SECONDS
    await node.time.advance(120 + SKEW_SECONDS)
    with pytest.raises(EvidenceError, match="in the past"):
        await evidence(node, issued, peer=PLANNER)


@pytest.mark.req("gi-3", part=True)
async def test_who_received_a_token_acts_on_for_its_user(node: Delegating) -> None:
    issued = await minted(node)
    await node.verify(ROUTER, issued, request=REQUEST)
    found = await evidence(node, issued)
    assert found.actors == (workload(ROUTER), workload(PLANNER))
    assert (found.user.subject, found.depth) == ("alice", 2)


@pytest.mark.req("gi-6", part=True)
async def test_who_acts_on_is_as_well_known_as_here_whatever_the_token_says(
    node: Delegating,
) -> None:
    node.attested = Attested(2, encode(bytes(16)), digest(b"attestation"))
    issued = await minted(node)
    await node.verify(ROUTER, issued, request=REQUEST)
    assert (await evidence(node, issued, peer=PLANNER)).kya_level == 2
    assert (await evidence(node, issued)).kya_level == 0, "nobody knows the router"
    for level in (Level.BOUND, Level.ATTESTED):
        node.levels[workload(ROUTER)] = KnownLevel(level)
        assert (await evidence(node, issued)).kya_level == min(2, int(level))


@pytest.mark.req("gi-3", part=True)
async def test_a_token_tells_with_what_its_chain_began(node: Delegating) -> None:
    issued = await minted(node)
    await node.verify(ROUTER, issued, request=REQUEST)
    found = await evidence(node, issued)
    assert found.evidence == {EvidenceKind.ACTING_AS, EvidenceKind.ID_TOKEN}


@pytest.mark.req("gi-3", part=True)
async def test_attack_a_token_that_nobody_took_is_no_evidence(node: Delegating) -> None:
    with pytest.raises(EvidenceError, match="Verify"):
        await evidence(node, await minted(node))


async def test_attack_a_token_that_was_rejected_is_no_evidence(node: Delegating) -> None:
    issued = await minted(node)
    await node.verify(ROUTER, issued, peer=TOOLS, request=REQUEST)
    with pytest.raises(EvidenceError, match="Verify"):
        await evidence(node, issued)


@pytest.mark.req("gi-3", part=True)
async def test_attack_another_signature_of_a_token_is_another_token(node: Delegating) -> None:
    issued = await minted(node)
    twin = with_twin_signature(issued.delegation.text.reveal().decode())
    assert isinstance(await node.verify(ROUTER, twin, request=REQUEST), Verified)
    assert reason(await node.verify(ROUTER, issued, request=REQUEST)) == "REPLAYED"
    child = await node.extend(ROUTER, twin, TOOLS)
    assert child.delegation.token.parent == issued.delegation.digest
    digests = {one["digest"] for one in node.records if one["kind"] in {"mint", "verify"}}
    assert digests == {issued.delegation.digest}, "one token, one name"


async def test_attack_evidence_of_a_call_that_somebody_else_sent(node: Delegating) -> None:
    issued = await minted(node)
    await node.verify(ROUTER, issued, request=REQUEST)
    with pytest.raises(EvidenceError, match="current actor"):
        await evidence(node, issued, peer=TOOLS)
    with pytest.raises(EvidenceError) as raised:
        await evidence(node, issued, TOOLS)
    assert raised.value.metadata == {"rule": "acting_as", "rejection": "AUDIENCE"}


async def test_attack_a_loop_is_no_evidence(node: Delegating) -> None:
    await node.verify(ROUTER, parent := await minted(node), request=REQUEST)
    back = await node.extend(ROUTER, parent, PLANNER, request=REQUEST)
    await node.verify(PLANNER, back, peer=ROUTER, request=REQUEST)
    found = await evidence(node, back, PLANNER, peer=ROUTER)
    assert found.actors[0] == workload(ROUTER)
    with pytest.raises(EvidenceError, match="among its actors"):
        await evidence(node, back, PLANNER)


@pytest.mark.req("gi-3", part=True)
async def test_what_is_revoked_ends_at_once(node: Delegating) -> None:
    issued, other = await minted(node), await minted(node)
    await node.verify(ROUTER, issued, request=REQUEST)
    tokens = frozenset({one.delegation.token.token_id for one in (issued, other)})
    node.revocations = Revocations(tokens=tokens)
    assert reason(await node.verify(ROUTER, other, request=REQUEST)) == "REVOKED"
    with pytest.raises(EvidenceError) as raised:
        await evidence(node, issued)
    assert raised.value.metadata["rejection"] == "REVOKED"
