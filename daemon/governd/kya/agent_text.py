"""An agent as the content of a file, and back.

Two lines of JSON: the agent, and the digest of that line. Of a card its bytes are kept as they
came, and read anew as strictly as then. Nothing is believed: what is not exactly as governd
would write it is refused, because an agent that lost its pin could present any card.
"""

from typing import Annotated, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governd.errors import GoverndError
from governd.identity import SpiffeId
from governd.kya.attestation import MAX_BYTES
from governd.kya.card import CardLimits
from governd.kya.card_reader import read_card
from governd.kya.drift import Pin
from governd.kya.kept_agent import KeptAgent
from governd.sealed import first_problem, sealed, unsealed

MAX_CERTIFICATES = 64
"""That are kept of one agent."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1]
    spiffe_id: str
    card: str
    by_provider: bool
    pinned: str | None
    pinned_by_provider: bool
    attestation: Annotated[str, Field(max_length=MAX_BYTES)]
    certificates: Annotated[
        list[Annotated[str, Field(pattern="^[A-Za-z0-9_-]{43}$")]],
        Field(max_length=MAX_CERTIFICATES),
    ]


def write_agent(agent: KeptAgent) -> bytes:
    """An agent as a file's content."""
    card, pinned = agent.card.raw.decode(), agent.pin.card.raw.decode()
    file = _File(
        format=1,
        spiffe_id=str(agent.spiffe_id),
        card=card,
        by_provider=agent.by_provider,
        pinned=None if pinned == card else pinned,
        pinned_by_provider=agent.pin.by_provider,
        attestation=agent.attestation,
        certificates=sorted(agent.certificates),
    )
    return sealed(file.model_dump_json().encode() + b"\n")


def read_agent(content: bytes) -> KeptAgent:
    """Reads back what ``write_agent`` wrote.

    Raises:
        ValueError: The content is anything else; it says what is wrong.
    """
    line = unsealed(content)
    if line is None:
        _refuse("is damaged, not whole, or was edited")
    try:
        agent = _agent(_File.model_validate_json(line))
    except ValidationError as error:
        _refuse(f"says what no agent says: {first_problem(error)}", error)
    except GoverndError as error:
        _refuse(f"says what no agent says: {error}", error)
    if write_agent(agent) != content:
        _refuse("is not as governd writes it")
    return agent


def _agent(file: _File) -> KeptAgent:
    card = read_card(file.card.encode(), limits=CardLimits())
    pinned = card
    if file.pinned is not None:
        pinned = read_card(file.pinned.encode(), limits=CardLimits())
    return KeptAgent(
        SpiffeId.parse(file.spiffe_id),
        card,
        file.by_provider,
        Pin(pinned, file.pinned_by_provider),
        file.attestation,
        frozenset(file.certificates),
    )


def _refuse(problem: str, cause: Exception | None = None) -> NoReturn:
    message = f"an agent {problem}"
    raise ValueError(message) from cause
