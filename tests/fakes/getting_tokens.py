"""A governd that gets tokens for upstreams, and the authorization servers that it asks.

    node = await Getting().open()
    handed = await node.get("crm", node.login())
    assert node.corp.asked["token-exchange"] == 1

Policy, evidence, what is sent, what is answered and what is checked are the real ones: only
sockets are not, and time passes when a test says so. ``tests.fakes.upstreams`` has the policy.
"""

import asyncio
import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.check_upstream import CheckerParts, UpstreamChecker
from governd.application.client_proof import ClientProofs
from governd.application.evaluate import Evaluator
from governd.application.evidence import EvidenceVerifier, Shown
from governd.application.get_token import GetterParts, Handed, TokenGetter
from governd.application.issue_token import TokenIssuance
from governd.application.issuer_calls import CallLimits, IssuerCalls
from governd.application.issuer_pauses import IssuerPauses
from governd.application.keep_identities import HeldIdentity, IdentityKeeper
from governd.application.own_access import OwnAccess
from governd.application.server_metadata import MetadataKeeper
from governd.application.sync_policy import PolicyKeeper
from governd.application.token_cache import TokenCache
from governd.application.token_flights import FlightLimits, Flights
from governd.application.token_request import TokenRequests, Wanted
from governd.application.token_supply import LOOK_SECONDS, SupplyParts, TokenSupply
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.revocations import NOTHING
from governd.errors import GoverndError, IdentityError
from governd.identity import Attestation, Caller, SpiffeId
from governd.identity.secret import Secret
from governd.identity.svid import JwtSvid, Selector, Workload
from governd.policy.compiled import CompiledPolicy
from governd.policy.delegated import Delegation, EvidenceKind
from governd.policy.revoking import revoking
from governd.policy.trusted import Issuer
from governd.tokens.client_key import ClientKey
from governd.tokens.held import Held, TokenKey
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_wire import Unheard, Wire
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.identity_observer import RecordingObserver
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.time import FakeTime, settle
from tests.fakes.upstreams import (
    CORP,
    GOVERND,
    IDP,
    OWN,
    PERMIT,
    PLANNER,
    ROUTER,
    SERVERS,
    UPSTREAMS,
    acquaint,
    client_key,
    evidence_table,
)
from tests.fakes.workloads import Purse
from tests.policies import source_files


class Getting:
    """One node, two agents on it, and two authorization servers.

    Attributes:
        time: Passes when a test says so.
        corp: Issues the tokens.
        idp: Knows the users.
        wire: To them.
        log: Of decisions and tokens.
        source: Of the policy.
        policies: Holds it.
        identities: Issues SVIDs.
        cache: Tokens that are held.
        supply: Where tokens come from.
        getter: Hands them out.
        checker: Checks upstreams.
        received: What acting-as tokens delegate, by their text.
        told: What observers heard.
        held: How many tokens are held, as they heard last.
    """

    def __init__(
        self, policy: str = PERMIT, manifest: str = SERVERS + UPSTREAMS, **limits: Any
    ) -> None:
        """Takes policies, and what the manifest says beside its issuers of evidence."""
        self.time, self.log = FakeTime(), FakeDecisionLog()
        self.corp, self.idp = AuthorizationServer(CORP), AuthorizationServer(IDP)
        self.wire = Wire(self.corp, self.idp)
        self.told: list[str] = []
        self.held = 0
        self.received: dict[str, Delegation] = {}
        self.revoked: frozenset[str] = frozenset()
        self.identities = FakeIdentitySource(self.time.wall_clock)
        for server in (self.corp, self.idp):
            server.clock = self.time.wall_clock
        acquaint(self.corp, self.idp, self.identities._tokens.key_set())
        files = source_files(policy, manifest=manifest + evidence_table(self.idp))
        self.source = FakePolicySource(files)
        self.policies = PolicyKeeper(
            self.source,
            FakePolicyCompiler(),
            clock=self.time.clock,
            on_load=lambda _: None,
            dress=self._dress,
        )
        self._keeper = IdentityKeeper(
            self.identities,
            clock=self.time.clock,
            wall_clock=self.time.wall_clock,
            observer=RecordingObserver(),
            sleep=self.time.sleep,
        )
        self._held: dict[str, HeldIdentity] = {}
        self._keys: tuple[Issuer, IssuerKeySet] | None = None
        self._assemble(FlightLimits(**limits))

    def _assemble(self, limits: FlightLimits) -> None:
        unheard = Unheard()
        times: Any = {"clock": self.time.clock, "wall_clock": self.time.wall_clock}
        evidence = EvidenceVerifier(self.policies, self, self, unheard, revocations=lambda: NOTHING)
        requests = TokenRequests(evidence, wall_clock=self.time.wall_clock)
        self.metadata = MetadataKeeper(
            self.wire,
            unheard,
            servers=list,
            seconds=5.0,
            clock=self.time.clock,
            sleep=self.time.sleep,
        )
        calls = IssuerCalls(
            self.wire,
            self.metadata,
            IssuerPauses(100, 10.0, unheard, self.time.clock),
            unheard,
            CallLimits(10.0, 0),
            clock=self.time.clock,
            sleep=self.time.sleep,
            spread=lambda: 0.0,
        )
        ids = (f"id-{number}" for number in itertools.count())
        named: Any = {"wall_clock": self.time.wall_clock, "new_id": lambda: next(ids)}
        proofs = ClientProofs(self, self, **named)
        self.own_access = OwnAccess(calls, proofs, limits, **times, spread=lambda: 0.0)
        issuance = TokenIssuance(calls, proofs, self, self.own_access, **named)
        self.cache = TokenCache(100)
        flights: Flights[TokenKey, Held] = Flights(limits, clock=self.time.clock)
        parts = SupplyParts(self.policies, requests, issuance, self.cache, flights, self.log, self)
        self.supply = TokenSupply(
            parts,
            wall_clock=self.time.wall_clock,
            sleep=self.time.sleep,
            spread=lambda: 0.0,
        )
        evaluator = Evaluator(
            self.policies,
            self.log,
            self,
            **times,
            max_lease_seconds=60,
            unsafe_answer_without_log=False,
        )
        self.getter = TokenGetter(
            GetterParts(self.policies, requests, evaluator, self.supply, self),
            clock=self.time.clock,
        )
        self.checker = UpstreamChecker(
            CheckerParts(self.policies, self.metadata, calls, proofs, self), clock=self.time.clock
        )

    async def open(self) -> "Getting":
        """Loads the policy; both agents have identities for an hour."""
        await self.policies.check()
        self._keeper.start()
        for agent in (PLANNER, ROUTER):
            path = agent.removeprefix("spiffe://example.org")
            selector = f"test:{path}"
            self.identities.register(path, selector, lifetime=timedelta(hours=1))
            self._held[agent] = self._keeper.open(Workload(path, (Selector.parse(selector),)))
        await settle()
        return self

    async def close(self) -> None:
        """Ends everything."""
        await self.supply.close()
        await self.own_access.close()
        await self.metadata.close()
        await self._keeper.close()

    async def get(
        self,
        upstream: str,
        shown: Shown | None = None,
        *scopes: str,
        agent: str = PLANNER,
        renew: bool = False,
    ) -> Handed:
        """A token for an upstream, by name."""
        wanted = Wanted(upstream, scopes=scopes, renew=renew)
        return await self.getter.get(self.call(agent), wanted, shown)

    def login(self, user: str = "alice", **changes: object) -> Shown:
        """A user's ID token; ``changes`` are of its claims."""
        more = {"exp": int(self.time.wall) + 3600, **changes}
        token = self.idp.id_token(user, GOVERND, **more)
        return Shown(EvidenceKind.ID_TOKEN, Secret(token.encode()))

    def shown_to(self, *audiences: str) -> Shown:
        """Alice's access token, for whoever is named."""
        about = {"sub": "alice", "aud": list(audiences), "client_id": "chat", "jti": "at-1"}
        token = self.idp.sign({"typ": "at+jwt"}, about)
        return Shown(EvidenceKind.ACCESS_TOKEN, Secret(token.encode()))

    def call(self, agent: str = PLANNER) -> Call:
        """A call of an agent's."""
        caller = Caller(SpiffeId.parse(agent), Attestation.SPIRE)
        return Call(caller, None, Purse(), self.time.clock, held=self._held.get(agent))

    async def rewrite(self, **manifest: str) -> None:
        """Replaces texts in the manifest, and loads it."""
        text = self.source.files["manifest.toml"].decode()
        for old, new in manifest.items():
            text = text.replace(old, new)
        self.source.put("manifest.toml", text.encode())
        await self.policies.check()

    async def revoke(self, *names: str) -> None:
        """Puts SPIFFE IDs, and users, on the node's deny-list."""
        self.revoked = frozenset(names)
        await self.policies.redress()

    async def look(self) -> None:
        """Lets what is not to be kept be looked for once."""
        tending = asyncio.ensure_future(self.supply.tend())
        await self.time.advance(LOOK_SECONDS)
        tending.cancel()

    @property
    def records(self) -> list[dict[str, Any]]:
        """What is on record."""
        return [json.loads(line) for line in self.log.lines]

    @property
    def asked(self) -> Counter[str]:
        """What the servers were asked, metadata aside."""
        asked = self.corp.asked + self.idp.asked
        asked.pop("metadata", None)
        return asked

    # What the parts are put together from.

    async def jwt_svid(self, audience: str) -> JwtSvid:
        """Implements ``OwnTokens``."""
        now = datetime.fromtimestamp(self.time.wall, UTC)
        return self.identities._tokens.issue(OWN, [audience], now)

    async def key(self, name: str) -> ClientKey:
        """Implements ``ClientKeys``."""
        if name != "corp":
            message = "no key of that name"
            raise IdentityError(message)
        return client_key()

    async def keys(self, issuer: Issuer, key_id: str) -> IssuerKeySet:
        """Implements ``IssuerKeys``."""
        if self._keys is None or self._keys[0] is not issuer:
            self._keys = (issuer, IssuerKeySet(key.members() for key in issuer.key))
        return self._keys[1]

    async def receive(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        """Implements ``TokenReceiver``."""
        return self.received[shown.token.reveal().decode()]

    async def _dress(self, policy: CompiledPolicy) -> CompiledPolicy:
        return revoking(policy, self.revoked)

    # What observers hear.

    def decided(self, answer: Answer) -> None:
        """Implements ``DecisionObserver``."""

    def handed(self, upstream: str, seconds: float, *, held: bool) -> None:
        """Implements ``HandObserver``."""
        self.told.append(f"{upstream} {'held' if held else 'new'}")

    def not_handed(self, upstream: str, error: GoverndError) -> None:
        """Likewise."""
        self.told.append(f"{upstream} {type(error).__name__}")

    def issued(self, upstream: str) -> None:
        """Implements ``IssueObserver``."""
        self.told.append(f"{upstream} issued")

    def not_issued(self, upstream: str, error: GoverndError) -> None:
        """Likewise."""
        self.told.append(f"{upstream} not issued: {type(error).__name__}")

    def holds(self, tokens: int) -> None:
        """Likewise."""
        self.held = tokens
