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
from typing import NamedTuple, Protocol

from governd.application.agent_lines import attestation_line
from governd.application.agents import Agents
from governd.application.hold_identity import HeldIdentity
from governd.application.sync_policy import PolicyKeeper, PolicyState
from governd.audit.ports import DecisionLog
from governd.errors import IdentityError
from governd.identity import Caller, jose
from governd.identity.ports import Signer
from governd.identity.svid import X509Svid
from governd.identity.x5c import thumbprint
from governd.kya.attestation import Attestation, sign
from governd.kya.level import Level
from governd.kya.registered_agent import RegisteredAgent, attest
from governd.policy.decision import PolicyInfo
from governd.policy.entities import Uid

_ID_BYTES = 16


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
        self._signed: dict[str, tuple[_Basis, Attested]] = {}

    async def of(self, caller: Caller, held: HeldIdentity | None) -> Attested | None:
        """What governd attests of the calling agent now.

        Args:
            caller: Who, as the channel says.
            held: Its identities, where governd holds them: the attestation is bound to the
                first one then.

        Returns:
            ``None`` where there is nothing to attest, or nothing to sign with.

        Raises:
            DecisionLogError: It cannot be put on record.
        """
        now, state = self._agents.now(), self._policies.state
        basis = self._basis(caller, held, state, now)
        if basis is None:
            return None
        known = self._signed.get(str(caller))
        if known and known[0] == basis and now < _middle(known[1].attestation):
            return known[1]
        try:
            signed = _signed(basis, now)
        except IdentityError:
            return None
        line = attestation_line(caller, signed.attestation, state.info(self._clock()))
        await self._log.append_durably([line])
        self._observer.attested()
        self._signed[str(caller)] = (basis, signed)
        return signed

    def _basis(
        self, caller: Caller, held: HeldIdentity | None, state: PolicyState, now: datetime
    ) -> _Basis | None:
        agent, level = self._agents.held.get(caller.spiffe_id), self._agents.level(caller.spiffe_id)
        if agent is None or level.level is Level.NONE or _is_revoked(caller, state):
            return None
        try:
            signer = self._signer(now)
        except IdentityError:
            return None
        svids = svids_of(caller, held, now)
        certificate = thumbprint(svids[0].chain[0]) if svids else ""
        info: PolicyInfo = state.info(self._clock())
        return _Basis(agent, level.level, signer, certificate, info.digest)


def svids_of(caller: Caller, held: HeldIdentity | None, now: datetime) -> list[X509Svid]:
    """The X.509-SVIDs of a caller, where governd holds them, the default one first."""
    svids = held.at(now.timestamp()).svids if held else ()
    return [svid for svid in svids if svid.spiffe_id == caller.spiffe_id]


def certificates_of(caller: Caller, held: HeldIdentity | None, now: datetime) -> frozenset[str]:
    """``x5t#S256`` of those."""
    return frozenset(thumbprint(svid.chain[0]) for svid in svids_of(caller, held, now))


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
