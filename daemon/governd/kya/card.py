"""What an agent says of itself: its A2A agent card, as a value.

Follows A2A v1.0, section 4.4 (https://a2a-protocol.org/latest/specification/), and v0.3 for
cards of older agents; ``card_reader`` makes one of the bytes that came. Nothing of it is
verified: whether anybody vouches for it is found by ``card_signature``, whether the caller
is the agent that it describes by ``binding``.
"""

import enum
from dataclasses import dataclass, field
from typing import NamedTuple


class Dialect(enum.Enum):
    """The version of A2A by whose rules a card is written."""

    V1_0 = "1.0"
    V0_3 = "0.3"


class Interface(NamedTuple):
    """Where an agent says that it can be reached.

    Attributes:
        url: Absolute URL, or ``host:port`` for gRPC.
        binding: ``JSONRPC``, ``GRPC``, ``HTTP+JSON``, or another.
        tenant: Which agent behind that URL; ``""`` for the only one.
    """

    url: str
    binding: str
    tenant: str = ""


class CardSignature(NamedTuple):
    """One detached JWS; its unprotected header is nobody's word, and not kept.

    Attributes:
        protected: The protected header, base64url.
        signature: Base64url.
    """

    protected: str
    signature: str


@dataclass(frozen=True, slots=True)
class CardLimits:
    """Bounds of one card.

    Attributes:
        max_bytes: Of its JSON text.
        max_depth: Levels of nesting, the card itself being the first.
        max_interfaces: Where it can be reached.
        max_skills: What it says that it can do.
        max_signatures: Each costs a verification.
    """

    max_bytes: int = 65_536
    max_depth: int = 32
    max_interfaces: int = 32
    max_skills: int = 256
    max_signatures: int = 8


@dataclass(frozen=True, slots=True)
class AgentCard:
    """An agent's word on itself. Nothing of it is verified.

    Attributes:
        dialect: By whose rules it is written.
        name: For people.
        version: The agent's own, any text.
        provider: The organization that it says it is of; ``""`` for none.
        interfaces: The preferred one first.
        skills: The ids, sorted.
        signatures: As they came.
        payload: What is signed: the canonical form of everything else.
        digest: ``sha-256:<hex>`` of that.
        raw: The bytes that came.
    """

    dialect: Dialect
    name: str
    version: str
    provider: str
    interfaces: tuple[Interface, ...]
    skills: tuple[str, ...]
    signatures: tuple[CardSignature, ...]
    payload: bytes = field(repr=False)
    digest: str
    raw: bytes = field(repr=False, compare=False)
