"""What governd knows of an agent by its card (KYA, "know your agent"). Pure."""

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self, TypeAlias

from governd_client._proto.governd.v1 import agent_service_pb2
from governd_client.errors import MalformedAnswerError
from governd_client.readiness import time_of

Answer: TypeAlias = agent_service_pb2.RegisterAgentResponse | agent_service_pb2.GetAgentResponse
_SIGNATURE: Final = agent_service_pb2.CardSignatureStatus
_DRIFT: Final = agent_service_pb2.DriftReason
_FAULT: Final = agent_service_pb2.AttestationFault


class KyaLevel(enum.IntEnum):
    """How much is known of an agent; higher is more."""

    UNKNOWN = agent_service_pb2.KYA_LEVEL_UNSPECIFIED
    """Nothing that counts."""

    BOUND = agent_service_pb2.KYA_LEVEL_BOUND
    """The card is the agent's own."""

    SIGNED = agent_service_pb2.KYA_LEVEL_SIGNED
    """And its provider's key signed it."""

    ATTESTED = agent_service_pb2.KYA_LEVEL_ATTESTED
    """And a trusted attester attests this very card for this agent."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, as it is registered.

    Attributes:
        spiffe_id: Who it is, as the channel says.
        level: How much is known now.
        level_ends: When the level falls by itself, in UTC; ``None`` for never.
        card_digest: ``sha-256:<hex>`` of its card in canonical form, without signatures.
        name: By its card.
        provider: By its card, ``""`` for none.
        version: By its card; the agent's own.
        protocol_version: By its card; that of A2A.
        skills: By its card: the ids, sorted.
        signature: What became of the card's signatures, for example ``VERIFIED``.
        key_id: The ``kid`` of the one that was verified, ``""`` for none.
        drift: How the card differs from the pinned one, for example ``SKILLS_CHANGED``. Not
            empty: the agent is quarantined.
        attestation_fault: Why the attestation does not count, ``""`` where it does or none
            came.
        problems: All that keeps the agent from a higher level, for people.
        attestation: Of this workload itself: a KYA attestation to show to others, for an hour
            at most. Ask again once half of its time is over. ``""`` for none.
    """

    spiffe_id: str
    level: KyaLevel
    level_ends: datetime | None
    card_digest: str
    name: str
    provider: str
    version: str
    protocol_version: str
    skills: tuple[str, ...]
    signature: str
    key_id: str
    drift: tuple[str, ...]
    attestation_fault: str
    problems: tuple[str, ...]
    attestation: str = field(repr=False)

    @classmethod
    def from_proto(cls, answer: Answer) -> Self:
        """Reads an answer of ``RegisterAgent`` or ``GetAgent``.

        Raises:
            MalformedAnswerError: It names no agent, or an end that is none.
        """
        agent = answer.agent
        if not agent.spiffe_id:
            message = "the answer names no agent"
            raise MalformedAnswerError(message)
        return cls(
            spiffe_id=agent.spiffe_id,
            level=_level(agent.level),
            level_ends=(
                time_of(agent.level_ends, "level_ends") if agent.HasField("level_ends") else None
            ),
            card_digest=agent.card_digest,
            name=agent.name,
            provider=agent.provider,
            version=agent.version,
            protocol_version=agent.protocol_version,
            skills=tuple(agent.skills),
            signature=_word(_SIGNATURE, agent.signature, "CARD_SIGNATURE_STATUS_"),
            key_id=agent.key_id,
            drift=tuple(_word(_DRIFT, each, "DRIFT_REASON_") for each in agent.drift),
            attestation_fault=_word(_FAULT, agent.attestation_fault, "ATTESTATION_FAULT_"),
            problems=tuple(agent.problems),
            attestation=answer.attestation,
        )


def _level(number: int) -> KyaLevel:
    """A level that this client does not know counts for nothing."""
    return KyaLevel(number) if number in set(KyaLevel) else KyaLevel.UNKNOWN


def _word(kind: Any, number: int, prefix: str) -> str:  # noqa: ANN401 - the type of an enum
    known = kind.DESCRIPTOR.values_by_number.get(number)
    if known is None:
        return "UNRECOGNISED"
    return str(known.name.removeprefix(prefix)) if number else ""
