"""Agents in words and under stable keys."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from governd._proto.governd.v1 import admin_service_pb2, agent_service_pb2
from governd.cli import output
from governd.cli.identity_text import left
from governd.cli.tool_visible import visible

Status = admin_service_pb2.AgentStatus

_LEVELS = ("nothing that counts", "its own card", "signed by its provider", "attested")
_STYLES = (output.WARN, "", output.GOOD, output.GOOD)


def signature(agent: agent_service_pb2.Agent) -> str:
    """What became of the card's signatures, a word."""
    name = agent_service_pb2.CardSignatureStatus.Name(agent.signature)
    return name.removeprefix("CARD_SIGNATURE_STATUS_")


def drift(agent: agent_service_pb2.Agent) -> list[str]:
    """How the card differs from the one that the agent is held to, in words each."""
    names = (agent_service_pb2.DriftReason.Name(one) for one in agent.drift)
    return [name.removeprefix("DRIFT_REASON_") for name in names]


def level(agent: agent_service_pb2.Agent) -> Text:
    """How much is known, as a number and in words; loud where it is quarantined."""
    if agent.drift:
        reasons = ", ".join(one.lower().replace("_", " ") for one in drift(agent))
        return Text.assemble(("0  quarantined: ", output.BAD), (reasons, output.WARN))
    return output.text(f"{agent.level}  {_LEVELS[agent.level]}", _STYLES[agent.level])


def to_json(status: Status) -> dict[str, object]:
    """An agent under stable keys, which the help of ``agent list`` names."""
    one = status.agent
    ends, fault = one.HasField("level_ends"), one.attestation_fault
    return {
        "spiffe_id": one.spiffe_id,
        "level": int(one.level),
        "level_ends": one.level_ends.ToJsonString() if ends else None,
        "quarantined": bool(one.drift),
        "drift": drift(one),
        "card_digest": one.card_digest,
        "pinned_digest": status.pinned_digest,
        "name": one.name,
        "provider": one.provider,
        "version": one.version,
        "protocol_version": one.protocol_version,
        "skills": list(one.skills),
        "signature": signature(one),
        "key_id": one.key_id,
        "attestation_fault": (
            agent_service_pb2.AttestationFault.Name(fault).removeprefix("ATTESTATION_FAULT_")
            if fault
            else None
        ),
        "problems": list(one.problems),
    }


def facts(status: Status, now: datetime | None = None) -> Iterator[tuple[str, RenderableType]]:
    """What is known, row by row."""
    one, now = status.agent, now or datetime.now(UTC)
    yield "agent", output.text(one.spiffe_id, output.STRONG)
    yield "level", level(one)
    if one.HasField("level_ends"):
        yield "until", left(one.level_ends, now)
    yield "card", f"{visible(one.name)} {visible(one.version)}, A2A {one.protocol_version}"
    yield "provider", visible(one.provider) or "-"
    yield "skills", visible(", ".join(one.skills)) or "-"
    yield "signature", f"{signature(one).lower().replace('_', ' ')} {visible(one.key_id)}".rstrip()
    yield "digest", one.card_digest
    yield "held to", status.pinned_digest
    for problem in one.problems:
        yield "problem", output.text(visible(problem), output.WARN)
