"""Puts together what is about delegation, for the composition root."""

import functools
import time

from prometheus_client import CollectorRegistry

from governd._proto.governd.v1 import delegation_service_pb2_grpc
from governd.adapters.delegation_report import DelegationReport
from governd.adapters.identity_parts import IdentityParts
from governd.application.attest_agents import AgentAttester
from governd.application.call import Call
from governd.application.delegate import Delegator, DelegatorParts
from governd.application.evaluate import Evaluator
from governd.application.known_agents import LevelOf
from governd.application.mint_basis import Bases
from governd.application.receive_tokens import TokenReception
from governd.application.sync_policy import PolicyKeeper
from governd.application.verify_tokens import TokenVerifier
from governd.audit.ports import DecisionLog
from governd.delegation.acting_as import Attested
from governd.delegation.opening import digest_of
from governd.endpoints.methods import Register
from governd.observability import logs
from governd.observability.delegation_metrics import DelegationMetrics
from governd.services.delegation_service import DelegationServicer
from governd.services.evidence import EvidenceReader
from governd.services.evidence_parts import EvidenceParts


class DelegationParts:
    """What is about delegation.

    Attributes:
        verifier: Verifies evidence of every kind.
        reader: Says in whose name questions are asked.
    """

    def __init__(
        self,
        policies: PolicyKeeper,
        records: DecisionLog,
        identities: IdentityParts,
        evidence: EvidenceParts,
        registry: CollectorRegistry,
        *,
        level_of: LevelOf,
    ) -> None:
        """Trusts nobody yet.

        Args:
            policies: Holds the policy in force.
            records: Where tokens are put on record.
            identities: Know the trust bundles, and who signs.
            evidence: Verifies users' tokens, and revokes.
            registry: Of metrics.
            level_of: How well agents are known.
        """
        self._policies = policies
        self._records = records
        self._identities = identities
        self._report = DelegationReport(DelegationMetrics(registry), logs.get("delegation"))
        revoked = evidence.revoked
        self._reception = TokenReception(
            policies, revocations=lambda: revoked.value, level_of=level_of
        )
        self.verifier = evidence.verifier(self._reception)
        self.reader = EvidenceReader(self.verifier, wall_clock=time.time)

    def register(self, evaluator: Evaluator, attester: AgentAttester) -> Register:
        """DelegationService, for every workload listener.

        Args:
            evaluator: Decides.
            attester: Attests agents.
        """
        parts = DelegatorParts(
            evaluator,
            self._policies,
            Bases(self.verifier, self._reception),
            self._identities.own.signing,
            self._records,
            functools.partial(_attested, attester),
            self._report,
        )
        delegator = Delegator(parts, clock=time.monotonic, wall_clock=time.time)
        verifier = TokenVerifier(
            self._reception,
            self._records,
            self._report,
            clock=time.monotonic,
            wall_clock=time.time,
        )
        return functools.partial(
            delegation_service_pb2_grpc.add_DelegationServiceServicer_to_server,
            DelegationServicer(delegator, verifier),
        )

    async def follow(self) -> None:
        """Trusts what is to be trusted, for as long as that is told."""
        await self._reception.follow(self._identities.bundles())


async def _attested(attester: AgentAttester, this: Call) -> Attested | None:
    found = await attester.of(this)
    if found is None:
        return None
    said = found.attestation
    return Attested(int(said.level), said.token_id, digest_of(found.token))
