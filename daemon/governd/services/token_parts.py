"""Puts together what is about tokens for upstreams, for the composition root."""

import asyncio
import functools
import random
import secrets
import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from governd._proto.governd.v1 import token_service_pb2_grpc
from governd.adapters.client_keys import ClientKeyFiles
from governd.adapters.guarded_http import Reach
from governd.adapters.identity_parts import IdentityParts
from governd.adapters.token_endpoint import HttpsTokenEndpoint
from governd.adapters.token_report import TokenReport
from governd.application.check_upstream import CheckerParts, UpstreamChecker
from governd.application.client_proof import ClientProofs
from governd.application.evaluate import Evaluator
from governd.application.evidence import EvidenceVerifier
from governd.application.get_token import GetterParts, TokenGetter
from governd.application.issue_token import TokenIssuance
from governd.application.issuer_calls import CallLimits, IssuerCalls
from governd.application.issuer_pauses import IssuerPauses
from governd.application.issuer_ports import CallObserver, CallOutcome
from governd.application.operate import Component
from governd.application.own_access import OwnAccess
from governd.application.server_metadata import MetadataKeeper
from governd.application.sync_policy import PolicyKeeper
from governd.application.token_cache import TokenCache
from governd.application.token_flights import FlightLimits, Flights
from governd.application.token_request import TokenRequests
from governd.application.token_supply import SupplyParts, TokenSupply
from governd.audit.ports import DecisionLog
from governd.config import Config
from governd.endpoints.methods import Register
from governd.observability import logs
from governd.observability.token_metrics import TokenMetrics
from governd.policy.authorization_servers import AuthorizationServer
from governd.services.admin_upstreams import AdminUpstreams
from governd.services.token_service import TokenServicer
from governd.tokens.held import Held, TokenKey

_ID_BYTES = 16


class _Unheard:
    """What comes of a check is told to the operator who asked for it, and to nobody else."""

    def asked(self, name: str, outcome: CallOutcome, seconds: float) -> None:
        """Tells nobody."""

    def paused(self, name: str) -> None:
        """Likewise."""

    def resumed(self, name: str) -> None:
        """Likewise."""


class TokenParts:
    """What is about tokens for upstreams.

    Attributes:
        supply: Tokens that are held.
        admin: What the operator is told of upstreams and of tokens.
    """

    def __init__(
        self,
        config: Config,
        policies: PolicyKeeper,
        records: DecisionLog,
        identities: IdentityParts,
        evidence: EvidenceVerifier,
        *,
        registry: CollectorRegistry,
    ) -> None:
        """Asks nobody yet.

        Args:
            config: How authorization servers are asked.
            policies: Holds the policy in force.
            records: Where tokens are put on record.
            identities: Know who governd is.
            evidence: Verifies users' tokens.
            registry: Of metrics.
        """
        self._settings, self._policies = config.tokens, policies
        self._report = TokenReport(
            TokenMetrics(registry),
            logs.get("tokens"),
            named=lambda: {one.name for one in self._servers()},
        )
        self._keys = ClientKeyFiles(config.tokens.client_key)
        self._requests = TokenRequests(evidence, wall_clock=time.time)
        endpoint = HttpsTokenEndpoint(_reach(config), wall_clock=time.time)
        self._metadata = MetadataKeeper(
            endpoint,
            self._report,
            servers=self._servers,
            seconds=config.issuers.timeout_seconds,
            clock=time.monotonic,
        )
        self._calls = self._make_calls(endpoint, self._report, config.tokens.retries)
        self._proofs = ClientProofs(identities, self._keys, wall_clock=time.time, new_id=_new_id)
        limits = FlightLimits(
            config.tokens.cache_entries,
            config.tokens.negative_seconds,
            config.limits.calls_in_flight,
            config.tokens.new_per_second,
            config.tokens.new_burst,
        )
        self._own = OwnAccess(
            self._calls, self._proofs, limits, clock=time.monotonic, wall_clock=time.time
        )
        self.supply = self._make_supply(records, limits)
        checks = self._make_calls(endpoint, _Unheard(), 0)
        parts = CheckerParts(policies, self._metadata, checks, self._proofs, self._keys)
        checker = UpstreamChecker(parts, clock=time.monotonic)
        self.admin = AdminUpstreams(policies, checker, self.supply, self._report.state)

    def load(self) -> None:
        """Reads the keys of the configuration.

        Raises:
            ConfigError: One may not be used.
        """
        self._keys.load()

    def register(self, evaluator: Evaluator) -> Register:
        """TokenService, for every workload listener.

        Args:
            evaluator: Decides.
        """
        parts = GetterParts(self._policies, self._requests, evaluator, self.supply, self._report)
        getter = TokenGetter(parts, clock=time.monotonic)
        return functools.partial(
            token_service_pb2_grpc.add_TokenServiceServicer_to_server,
            TokenServicer(getter, wall_clock=time.time),
        )

    def state(self) -> Component:
        """How authorization servers are, for status; whatever that is, governd works."""
        states = {one.name: self._report.state(one.name) for one in self._servers()}
        down = [f"{name} is {state}" for name, state in states.items() if state.startswith("down")]
        count = f"{len(self.supply)} tokens are held; {len(states)} authorization servers"
        return Component("tokens", ready=True, detail="; ".join([count, *down]))

    async def tend(self) -> None:
        """Renews what servers say of themselves, and lets tokens end, for ever."""
        try:
            await asyncio.gather(self._metadata.tend(), self.supply.tend())
        finally:
            await self.supply.close()
            await self._own.close()
            await self._metadata.close()

    def _make_calls(
        self, endpoint: HttpsTokenEndpoint, observer: CallObserver, retries: int
    ) -> IssuerCalls:
        settings, clock = self._settings, time.monotonic
        failures, seconds = settings.breaker_failures, settings.breaker_seconds
        return IssuerCalls(
            endpoint,
            self._metadata,
            IssuerPauses(failures, seconds, observer, clock),
            observer,
            CallLimits(settings.timeout_seconds, retries),
            clock=clock,
            sleep=asyncio.sleep,
            spread=random.random,
        )

    def _make_supply(self, records: DecisionLog, limits: FlightLimits) -> TokenSupply:
        issuance = TokenIssuance(
            self._calls,
            self._proofs,
            self._keys,
            self._own,
            wall_clock=time.time,
            new_id=_new_id,
        )
        flights: Flights[TokenKey, Held] = Flights(limits, clock=time.monotonic)
        cache = TokenCache(self._settings.cache_entries)
        parts = SupplyParts(
            self._policies, self._requests, issuance, cache, flights, records, self._report
        )
        return TokenSupply(parts, wall_clock=time.time)

    def _servers(self) -> Sequence[AuthorizationServer]:
        policy = self._policies.state.policy
        return policy.manifest.authorization_server if policy else ()


def _reach(config: Config) -> Reach:
    issuers = config.issuers
    seconds = config.tokens.timeout_seconds
    return Reach(issuers.networks, issuers.ca_file, seconds, issuers.unsafe_http)


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)
