"""Puts together what verifies evidence and what revokes, for the composition root."""

import asyncio
import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from governd.adapters.evidence_report import EvidenceReport
from governd.adapters.guarded_http import Reach
from governd.adapters.issuer_keys import IssuerKeyClient
from governd.adapters.revocation_file import RevocationFile
from governd.application.evidence import EvidenceVerifier, TokenReceiver
from governd.application.issuer_keys import IssuerKeyKeeper
from governd.application.renewing import Times
from governd.application.revocations import RevokedHere, Revoker
from governd.application.sync_policy import PolicyKeeper
from governd.audit.ports import DecisionLog
from governd.config import Config, Issuers
from governd.observability.evidence_metrics import EvidenceMetrics
from governd.policy.trusted import Issuer
from governd.services.admin_revocations import AdminRevocations


class EvidenceParts:
    """What verifies evidence, and what revokes.

    Attributes:
        revoked: What is revoked on this node. It dresses the policy.
        keys: Of the issuers that policy names.
        revoker: Revokes.
        admin: What the operator is told of revocations.
    """

    def __init__(
        self, config: Config, registry: CollectorRegistry, log: FilteringBoundLogger
    ) -> None:
        """Holds nothing yet.

        Args:
            config: How issuers' keys are fetched, and where state is kept.
            registry: Of metrics.
            log: Told of issuers and revocations.
        """
        self._settings = config.issuers
        self._metrics = EvidenceMetrics(registry)
        self._report = EvidenceReport(self._metrics, log)
        files = RevocationFile(config.state_directory)
        self.revoked = RevokedHere(files, self._report, wall_clock=time.time)

    def join(self, policies: PolicyKeeper, log: DecisionLog) -> None:
        """Makes the rest, once there is what ``revoked`` dresses.

        Args:
            policies: Holds the policy in force.
            log: Where revocations are put on record.
        """
        self._policies = policies
        settings = self._settings
        self.keys = IssuerKeyKeeper(
            IssuerKeyClient(_reach(settings)),
            self._report,
            Times(settings.refresh_seconds, settings.max_staleness_seconds),
            issuers=self._issuers,
            clock=time.monotonic,
        )
        self.revoker = Revoker(
            policies, self.revoked, log, clock=time.monotonic, wall_clock=time.time
        )
        self.admin = AdminRevocations(self.revoker, self.revoked)
        self._metrics.publish(
            oldest_keys=self.keys.oldest_seconds, revoked=lambda: len(self.revoked.current())
        )

    def verifier(self, receiver: TokenReceiver) -> EvidenceVerifier:
        """The use case behind every door that takes evidence; not before ``join``."""
        return EvidenceVerifier(
            self._policies,
            self.keys,
            receiver,
            self._report,
            revocations=lambda: self.revoked.value,
        )

    async def tend(self) -> None:
        """Renews keys, and lets revocations end, for ever."""
        try:
            await asyncio.gather(self.keys.tend(), self.revoker.tend())
        finally:
            await self.keys.close()

    def _issuers(self) -> Sequence[Issuer]:
        policy = self._policies.state.policy
        return policy.manifest.issuer if policy else ()


def _reach(settings: Issuers) -> Reach:
    return Reach(
        settings.networks, settings.ca_file, settings.timeout_seconds, settings.unsafe_http
    )
