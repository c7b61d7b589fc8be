"""Registrations, approvals and attestations of agents as lines of the decision log."""

from collections.abc import Mapping
from datetime import datetime

from governd.application.registration_lines import policy_of
from governd.audit.record import report_record
from governd.identity import OPERATOR, Caller
from governd.kya.attestation import Attestation
from governd.kya.attestation_check import RejectedAttestation
from governd.kya.registered_agent import RegisteredAgent
from governd.policy.decision import PolicyInfo

_OPERATOR_ATTESTATION = "admin_socket"


def agent_line(caller: Caller, agent: RegisteredAgent, now: datetime, policy: PolicyInfo) -> bytes:
    """The record of a registration, without its line end.

    Args:
        caller: Who registered.
        agent: As it is known for it.
        now: In UTC.
        policy: In force.
    """
    rejected, vouched = agent.attestation, agent.vouched.at(now)
    said = {
        **_known(agent, now),
        "signature": vouched.status.name,
        "key_id": vouched.key_id if vouched.counts(now) else None,
        "drift": [reason.name for reason, _ in agent.drift],
        "attested": bool(agent.kept.attestation),
        "attestation_fault": (
            rejected.fault.name if isinstance(rejected, RejectedAttestation) else None
        ),
        "policy": policy_of(policy),
    }
    return _line("agent_registration", caller, now, said)


def agent_approval_line(agent: RegisteredAgent, now: datetime, policy: PolicyInfo) -> bytes:
    """The record of an approval, without its line end.

    Args:
        agent: As it stood.
        now: In UTC.
        policy: In force.
    """
    said = {
        "spiffe_id": str(agent.spiffe_id),
        "card_digest": agent.card.digest,
        "previous_digest": agent.pin.card.digest,
        "drift": [reason.name for reason, _ in agent.drift],
        "policy": policy_of(policy),
    }
    return _operators_line("agent_approval", now, said)


def agent_forgotten_line(agent: RegisteredAgent, now: datetime, policy: PolicyInfo) -> bytes:
    """The record that an agent is forgotten, without its line end.

    Args:
        agent: As it stood.
        now: In UTC.
        policy: In force.
    """
    said = {
        "spiffe_id": str(agent.spiffe_id),
        **_known(agent, now),
        "drift": [reason.name for reason, _ in agent.drift],
        "policy": policy_of(policy),
    }
    return _operators_line("agent_forgotten", now, said)


def attestation_line(caller: Caller, found: Attestation, policy: PolicyInfo) -> bytes:
    """The record of an attestation that governd signs, without its line end: never the token.

    Args:
        caller: The agent, which it is handed to.
        found: What is attested.
        policy: In force.
    """
    said = {
        "token_id": found.token_id,
        "issuer": str(found.issuer),
        "expires": found.expires.isoformat(),
        "card_digest": found.card_digest,
        "level": int(found.level),
        "policy": policy_of(policy),
    }
    return _line("kya_attestation", caller, found.issued_at, said)


def _line(kind: str, caller: Caller, now: datetime, said: Mapping[str, object]) -> bytes:
    return report_record(
        kind,
        time=now.timestamp(),
        caller=str(caller.spiffe_id),
        attestation=caller.attestation.value,
        said=said,
    )


def _operators_line(kind: str, now: datetime, said: Mapping[str, object]) -> bytes:
    return report_record(
        kind,
        time=now.timestamp(),
        caller=str(OPERATOR),
        attestation=_OPERATOR_ATTESTATION,
        said=said,
    )


def _known(agent: RegisteredAgent, now: datetime) -> dict[str, object]:
    card = agent.card
    return {
        "card_digest": card.digest,
        "pinned_digest": agent.pin.card.digest,
        "name": card.name,
        "provider": card.provider,
        "version": card.version,
        "level": int(agent.level(now)),
    }
