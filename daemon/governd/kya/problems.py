"""What keeps an agent from a higher level, in words."""

from collections.abc import Iterator
from datetime import datetime

from governd.kya.attestation_check import RejectedAttestation
from governd.kya.card_signature import SignatureStatus
from governd.kya.level import Level
from governd.kya.registered_agent import RegisteredAgent

_UNBOUND = "is not bound to the agent: no rule covers it, nor did its own X.509-SVID sign it"


def problems_of(agent: RegisteredAgent, now: datetime) -> Iterator[str]:
    """What an operator would have to look at, the gravest first; nothing at the top level.

    Args:
        agent: As it is registered.
        now: In UTC.
    """
    if agent.level(now) is Level.ATTESTED:
        return
    for _, words in agent.drift:
        yield f"card: {words}"
    if not agent.known.binding.counts(now):
        yield f"card: {_UNBOUND}"
    for one in agent.signatures:
        if one.status is SignatureStatus.UNSIGNED:
            yield "signatures: the card has none"
        elif detail := one.at(now).detail:
            yield f"signatures: {detail}"
    if isinstance(agent.attestation, RejectedAttestation):
        yield f"attestation: {agent.attestation.detail}"
