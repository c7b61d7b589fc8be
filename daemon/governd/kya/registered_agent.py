"""An agent as governd knows it: its card, who vouches for it, and what it is held to.

A value. Presenting a card again makes a new one, approving too, and so does another trust;
what changed meanwhile is found anew each time (``drift``) and never kept. How much is known is
asked with a time (``RegisteredAgent.level``), since keys, certificates and attestations end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from governd.errors import ApprovalError
from governd.identity import SpiffeId
from governd.identity.ports import Signer
from governd.kya.attestation import MAX_LIFETIME, MAX_SKILLS_CHARS, Attestation
from governd.kya.attestation_check import RejectedAttestation, VerifiedAttestation
from governd.kya.binding import BindingRule, bind
from governd.kya.card import AgentCard
from governd.kya.card_signature import Trust, Vouched, check_signatures
from governd.kya.drift import Finding, Pin, drift_of
from governd.kya.kept_agent import KeptAgent
from governd.kya.level import Known, Level, level_ends, level_of

Checked = VerifiedAttestation | RejectedAttestation


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """What an agent presented of itself, and what was found.

    Attributes:
        kept: What it presented, and the card that it is held to.
        signatures: What is known of each of the card's signatures, the best first.
        known: What was verified of the card.
        attestation: What became of the attestation that came with it; ``None`` for none.
        drift: How the card differs from the one that it is held to, the gravest first.
    """

    kept: KeptAgent
    signatures: tuple[Vouched, ...]
    known: Known
    attestation: Checked | None
    drift: tuple[Finding, ...] = ()

    @property
    def spiffe_id(self) -> SpiffeId:
        """Who, as the channel says."""
        return self.kept.spiffe_id

    @property
    def card(self) -> AgentCard:
        """What it presented last."""
        return self.kept.card

    @property
    def pin(self) -> Pin:
        """The card that it is held to."""
        return self.kept.pin

    def level(self, now: datetime) -> Level:
        """How much is known of it at that time."""
        return level_of(self.known, now)

    @property
    def skills(self) -> tuple[str, ...]:
        """Ids by its card, sorted; none where they have more than ``MAX_SKILLS_CHARS`` together."""
        skills = self.card.skills
        return skills if sum(map(len, skills)) <= MAX_SKILLS_CHARS else ()

    @property
    def vouched(self) -> Vouched:
        """The best of its card's signatures."""
        return self.signatures[0]


def assess(
    kept: KeptAgent,
    trust: Trust,
    rules: Sequence[BindingRule],
    attestation: Checked | None = None,
) -> RegisteredAgent:
    """An agent as it is known to whoever trusts this.

    A provider's key that is not trusted any more lowers the level. It is no drift: the card
    is the one that it was.

    Args:
        kept: What it presented.
        trust: Who it is, and what signatures are checked against.
        rules: Which cards are whose.
        attestation: What was found of the attestation that it presented.
    """
    signatures = check_signatures(kept.card, trust)
    kept = kept.vouched_for(by_provider=signatures[0].by_provider)
    drift = tuple(drift_of(kept.pin, kept.card, by_provider=kept.by_provider))
    known = Known(
        bind(kept.card, signatures, trust.caller, rules),
        signatures[0],
        _attested_until(attestation, trust.caller, kept.card),
        quarantined=bool(drift),
    )
    return RegisteredAgent(kept, signatures, known, attestation, drift)


def approve(agent: RegisteredAgent, digest: str) -> RegisteredAgent:
    """The same agent, held to the card that it presented last.

    Args:
        agent: As it is registered.
        digest: Of the card that was looked at.

    Raises:
        ApprovalError: It presented another card since.
    """
    if digest != agent.card.digest:
        message = f"card: expected {digest}, but {agent.card.digest} is registered"
        raise ApprovalError(message, field="digest")
    kept = replace(agent.kept, pin=Pin(agent.card, agent.vouched.by_provider))
    return replace(agent, kept=kept, drift=(), known=replace(agent.known, quarantined=False))


def attest(
    agent: RegisteredAgent,
    signer: Signer,
    now: datetime,
    *,
    token_id: str,
    certificate: str = "",
    policy_digest: str = "",
) -> Attestation:
    """What governd can attest of an agent.

    Args:
        agent: As it is registered.
        signer: Who will sign it.
        now: In UTC.
        token_id: 128 random bits, as text.
        certificate: ``x5t#S256`` of the agent's X.509-SVID; ``""`` where none is known.
        policy_digest: Of the policy bundle in force; ``""`` for none.
    """
    issued_at = now.replace(microsecond=0)
    card, vouched = agent.card, agent.vouched.at(now)
    by_key = vouched.counts(now)
    return Attestation(
        issuer=signer.spiffe_id,
        subject=agent.spiffe_id,
        issued_at=issued_at,
        expires=_expires(agent, vouched, signer, issued_at),
        token_id=token_id,
        certificate=certificate,
        card_digest=card.digest,
        card_version=card.version,
        dialect=card.dialect.value,
        signature=vouched.status,
        key_id=vouched.key_id if by_key else "",
        thumbprint=vouched.thumbprint if by_key else "",
        name=card.name,
        provider=card.provider,
        skills=agent.skills,
        level=agent.level(now),
        policy_digest=policy_digest,
    )


def _expires(
    agent: RegisteredAgent, vouched: Vouched, signer: Signer, issued_at: datetime
) -> datetime:
    ends = (
        issued_at + MAX_LIFETIME,
        signer.not_after,
        level_ends(agent.known, issued_at),
        vouched.not_after,
    )
    # Never after any of them: claims are in whole seconds.
    return min(one for one in ends if one is not None).replace(microsecond=0)


def _attested_until(checked: Checked | None, caller: SpiffeId, card: AgentCard) -> datetime | None:
    if not isinstance(checked, VerifiedAttestation) or checked.level is not Level.ATTESTED:
        return None
    found = checked.attestation
    fits = (found.subject, found.card_digest) == (caller, card.digest)
    return found.expires if fits else None
