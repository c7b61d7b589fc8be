"""Agents and what governd knows of them, as messages."""

import itertools
from datetime import datetime

from governd._proto.governd.v1 import admin_service_pb2, agent_service_pb2
from governd.kya.attestation_check import RejectedAttestation
from governd.kya.level import level_ends
from governd.kya.problems import problems_of
from governd.kya.registered_agent import RegisteredAgent
from governd.services import convert

MAX_PROBLEMS = 32
MAX_PROBLEM_CHARS = 1024


def agent(value: RegisteredAgent, now: datetime) -> agent_service_pb2.Agent:
    """What is known of an agent.

    Args:
        value: As it is registered.
        now: In UTC.
    """
    card, vouched = value.card, value.vouched.at(now)
    message = agent_service_pb2.Agent(
        spiffe_id=str(value.spiffe_id),
        level=agent_service_pb2.KyaLevel.ValueType(value.level(now)),
        card_digest=card.digest,
        name=card.name,
        provider=card.provider,
        version=card.version,
        protocol_version=card.dialect.value,
        skills=card.skills,
        signature=agent_service_pb2.CardSignatureStatus.ValueType(vouched.status.value),
        key_id=vouched.key_id if vouched.counts(now) else "",
        drift=[agent_service_pb2.DriftReason.ValueType(one.value) for one, _ in value.drift],
        problems=_problems(value, now),
    )
    ends = level_ends(value.known, now)
    if ends is not None:
        message.level_ends.CopyFrom(convert.timestamp(ends))
    if isinstance(value.attestation, RejectedAttestation):
        fault = value.attestation.fault.value
        message.attestation_fault = agent_service_pb2.AttestationFault.ValueType(fault)
    return message


def status(value: RegisteredAgent, now: datetime) -> admin_service_pb2.AgentStatus:
    """The same for the operator, with what the agent is held to."""
    return admin_service_pb2.AgentStatus(
        agent=agent(value, now), pinned_digest=value.pin.card.digest
    )


def details(value: RegisteredAgent, now: datetime) -> admin_service_pb2.GetAgentStatusResponse:
    """The same with the texts of both cards."""
    return admin_service_pb2.GetAgentStatusResponse(
        status=status(value, now),
        card_json=value.card.payload,
        pinned_json=value.pin.card.payload,
    )


def _problems(value: RegisteredAgent, now: datetime) -> list[str]:
    found = itertools.islice(problems_of(value, now), MAX_PROBLEMS)
    return [words[:MAX_PROBLEM_CHARS] for words in found]
