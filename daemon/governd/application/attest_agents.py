"""Attests what is known of agents: to them alone, so that they can show it to others.

Promises:
    * Nothing is attested of an agent of level 0, nor of one that is revoked.
    * No attestation that is not on record: durably, before anybody has it.
    * One is handed out again until half of its time is over, or anything of it is another.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

import cachetools

from governd.application.agent_lines import attestation_line
from governd.application.agents import Agents
from governd.application.call import Call
from governd.application.sync_policy import PolicyKeeper, PolicyState
from governd.audit.ports import DecisionLog
from governd.errors import IdentityError
from governd.identity import Caller, SpiffeId, jose
from governd.identity.ports import Signer
from governd.identity.x509_rules import thumbprint
from governd.kya.attestation import Attestation, sign
from governd.kya.card_signature import Vouched
from governd.kya.level import Level
from governd.kya.registered_agent import RegisteredAgent, attest
from governd.policy.decision import PolicyInfo
from governd.policy.entities import Uid

MAX_KEPT = 8192
"""Attestations that are handed out again."""
_ID_BYTES = 16

_Key: TypeAlias = tuple[SpiffeId, str]
"""An agent, and its certificate."""


@dataclass(frozen=True, slots=True)
class Attested:
    """An attestation that was signed.

    Attributes:
        attestation: What is attested.
        token: The same, signed.
    """

    attestation: Attestation
    token: str


class AttestationObserver(Protocol):
    """Watches attestations, for metrics."""

    def attested(self) -> None:
        """One was signed and put on record."""


class _Basis(NamedTuple):
    """What an attestation rests on."""

    agent: RegisteredAgent
    level: Level
    vouched: Vouched
    signer: Signer
    certificate: str
    policy_digest: str


class AgentAttester:
    """Signs attestations of this node's agents."""

    def __init__(
        self,
        policies: PolicyKeeper,
        agents: Agents,
        signer: Callable[[datetime], Signer],
        log: DecisionLog,
        *,
        observer: AttestationObserver,
        clock: Callable[[], float],
    ) -> None:
        """Takes its parts.

        Args:
            policies: Holds the policy in force.
            agents: Those that registered.
            signer: Who signs at a time; raises ``IdentityError`` where nobody can.
            log: Where attestations are put on record.
            observer: Told of each.
            clock: Monotonic seconds.
        """
        self._policies = policies
        self._agents = agents
        self._signer = signer
        self._log = log
        self._observer = observer
        self._clock = clock
        # An agent has a certificate for each of its replicas, and they rotate.
        self._signed: cachetools.LRUCache[_Key, tuple[_Basis, Attested]]
        self._signed = cachetools.LRUCache(MAX_KEPT)

    async def of(self, this: Call) -> Attested | None:
        """What governd attests of the calling agent now.

        Args:
            this: In which it is asked. The attestation is bound to the first of the caller's
                certificates, where one is known.

        Returns:
            ``None`` where there is nothing to attest, or nothing to sign with.

        Raises:
            DecisionLogError: It cannot be put on record.
        """
        now, state = self._agents.now(), self._policies.state
        basis = self._basis(this, state, now)
        if basis is None:
            return None
        key = (basis.agent.spiffe_id, basis.certificate)
        known = self._signed.get(key)
        if known and known[0] == basis and now < _middle(known[1].attestation):
            return known[1]
        try:
            signed = _signed(basis, now)
        except IdentityError:
            return None
        line = attestation_line(this.workload, signed.attestation, state.info(self._clock()))
        await self._log.append_durably([line])
        self._observer.attested()
        self._signed[key] = (basis, signed)
        return signed

    def _basis(self, this: Call, state: PolicyState, now: datetime) -> _Basis | None:
        caller = this.workload
        agent, level = self._agents.held.get(caller.spiffe_id), self._agents.level(caller.spiffe_id)
        if agent is None or level.level is Level.NONE or _is_revoked(caller, state):
            return None
        try:
            signer = self._signer(now)
        except IdentityError:
            return None
        certificates = certificates_of(this, now)
        info: PolicyInfo = state.info(self._clock())
        return _Basis(
            agent,
            level.level,
            agent.vouched.at(now),
            signer,
            certificates[0] if certificates else "",
            info.digest,
        )


def certificates_of(this: Call, now: datetime) -> tuple[str, ...]:
    """``x5t#S256`` of the X.509-SVIDs that are known to be the caller's.

    That with which the channel proves who calls, or those that governd holds for the caller,
    the default one first.
    """
    if this.certificate:
        return (this.certificate,)
    held = this.held.at(now.timestamp()).svids if this.held else ()
    return tuple(
        thumbprint(svid.chain[0]) for svid in held if svid.spiffe_id == this.workload.spiffe_id
    )


def _signed(basis: _Basis, now: datetime) -> Attested:
    found = attest(
        basis.agent,
        basis.signer,
        now,
        token_id=jose.encode(secrets.token_bytes(_ID_BYTES)),
        certificate=basis.certificate,
        policy_digest=basis.policy_digest,
    )
    return Attested(found, sign(found, basis.signer))


def _is_revoked(caller: Caller, state: PolicyState) -> bool:
    policy = state.policy
    return policy is None or policy.graph.is_revoked(Uid("Agent", str(caller.spiffe_id)))


def _middle(attestation: Attestation) -> datetime:
    return attestation.issued_at + (attestation.expires - attestation.issued_at) / 2
