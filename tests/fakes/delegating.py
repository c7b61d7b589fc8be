"""A governd that mints, extends and verifies acting-as tokens, at noon.

    node = Delegating()
    await node.open()
    issued = await node.mint(PLANNER, ROUTER, scopes=("a",))
    found = await node.verify(ROUTER, issued, peer=PLANNER)

Signatures, policy and the rules for tokens are the real ones. Time passes when a test says so.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from governd.application.agents import NOBODY, KnownLevel
from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.delegate import Delegator, DelegatorParts, Issued
from governd.application.evaluate import Evaluator
from governd.application.evidence import EvidenceVerifier, Shown
from governd.application.mint_basis import Bases
from governd.application.mint_question import Wanted
from governd.application.receive_tokens import TokenReception
from governd.application.sync_policy import PolicyKeeper
from governd.application.verify_tokens import TokenVerifier
from governd.delegation.acting_as import Attested
from governd.delegation.attenuation import Order
from governd.delegation.binding import BindingLevel, RequestBinding
from governd.delegation.evidence_faults import EvidenceFault
from governd.delegation.expectations import Arrival
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.rejection import Rejected
from governd.delegation.revocations import NOTHING
from governd.delegation.verification import Verified
from governd.errors import GoverndError, IdentityError
from governd.identity import Attestation, Caller, SpiffeId
from governd.identity.ports import Signer
from governd.identity.secret import Secret
from governd.identity.verification import Bundles
from governd.policy.delegated import EvidenceKind
from governd.policy.trusted import Issuer
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.forge import PLANNER, SIGNERS, Forge, workload
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.time import FakeTime
from tests.fakes.token_issuer import TokenIssuer
from tests.fakes.workloads import Purse
from tests.policies import source_files

IDP = "https://idp.example"
CLIENT = "planner-app"
MAY_MINT = '@id("mint") permit (principal, action == Action::"delegation/mint", resource);\n'
SIGNED_HERE = f'[[delegation.signer]]\nspiffe_id = "{SIGNERS}"\n'


def issuer_table(issuer: TokenIssuer) -> str:
    """An ``[[issuer]]`` of the manifest, with its key."""
    key = "".join(f"{name} = {json.dumps(value)}\n" for name, value in issuer.jwk().items())
    return (
        f'[[issuer]]\nname = "idp"\nissuer = "{IDP}"\naudiences = ["{CLIENT}"]\n'
        f'kinds = ["id_token", "access_token"]\n[[issuer.key]]\n{key}'
    )


class Delegating:
    """One node.

    Attributes:
        time: Passes when a test says so.
        forge: The identity that signs.
        idp: Knows the users.
        log: Of decisions and tokens.
        policies: Holds the policy.
        reception: Where tokens come in.
        evidence: Verifies what is shown.
        evaluator: Decides.
        delegator: Mints and extends.
        verifier: Verifies.
        revocations: What counts no longer.
        attested: How well whoever asks is attested.
        levels: How well agents are known; those that are not here did not register.
        signer: Who signs; ``None`` for nobody.
        told: What observers heard.
    """

    def __init__(
        self, policy: str = MAY_MINT, rules: str = SIGNED_HERE, *, forge: Forge | None = None
    ) -> None:
        """Takes policies, and the ``[delegation]`` of the manifest."""
        self.time, self.forge, self.idp = FakeTime(), forge or Forge(), TokenIssuer()
        self.signer: Signer | None = self.forge.signer
        self.log = FakeDecisionLog()
        self.revocations = NOTHING
        self.attested: Attested | None = None
        self.levels: dict[SpiffeId, KnownLevel] = {}
        self.told: list[Any] = []
        self._keys: dict[tuple[object, ...], IssuerKeySet] = {}
        files = source_files(policy, manifest=rules + issuer_table(self.idp))
        self.policies = PolicyKeeper(
            FakePolicySource(files),
            FakePolicyCompiler(),
            clock=self.time.clock,
            on_load=lambda _: None,
        )
        self.reception = TokenReception(
            self.policies, revocations=lambda: self.revocations, level_of=self._level
        )
        self.evidence = EvidenceVerifier(
            self.policies, self, self.reception, _Unheard(), revocations=lambda: self.revocations
        )
        self.evaluator = Evaluator(
            self.policies,
            self.log,
            self,
            clock=self.time.clock,
            wall_clock=self.time.wall_clock,
            max_lease_seconds=60,
            unsafe_answer_without_log=True,
            level_of=self._level,
        )
        times: Any = {"clock": self.time.clock, "wall_clock": self.time.wall_clock}
        bases = Bases(self.evidence, self.reception)
        parts = DelegatorParts(
            self.evaluator, self.policies, bases, self, self.log, self._attested, self
        )
        self.delegator = Delegator(parts, **times)
        self.verifier = TokenVerifier(self.reception, self.log, self, **times)

    async def open(self, bundles: Bundles | None = None) -> "Delegating":
        """Loads the policy; trusts the signer's authority, unless told whom."""
        await self.policies.check()
        authority = self.forge.authority
        await self.trust({authority.trust_domain: authority.bundle} if bundles is None else bundles)
        return self

    async def trust(self, bundles: Bundles) -> None:
        """The trust bundles are others."""

        async def once() -> AsyncIterator[Bundles]:
            yield bundles

        await self.reception.follow(once())

    async def mint(
        self, caller: str, audience: str, token: str | None = None, **wanted: Any
    ) -> Issued:
        """A token; ``wanted`` as ``asked`` has it, and the ``kind`` of the evidence."""
        kind = wanted.pop("kind", EvidenceKind.ID_TOKEN)
        shown = Shown(kind, Secret((token or self.id_token()).encode()))
        return await self.delegator.mint(self.call(caller), asked(audience, **wanted), shown)

    async def extend(
        self, caller: str, parent: Issued | str, audience: str, **wanted: Any
    ) -> Issued:
        """A token that goes on from ``parent``."""
        found = asked(audience, **wanted)
        return await self.delegator.extend(self.call(caller), found, text_of(parent))

    async def verify(
        self, caller: str, token: Issued | str, peer: str | None = PLANNER, **parts: Any
    ) -> Verified | Rejected:
        """What becomes of a token; ``parts`` are ``request``, ``certificate``, ``least``."""
        least = parts.pop("least", BindingLevel.UNSAFE_NONE)
        arrival = Arrival(workload(peer) if peer else None, **parts)
        return await self.verifier.verify(self.call(caller), text_of(token), arrival, least)

    def id_token(self, **changes: object) -> str:
        """An ID token of Alice's for the planner's client; ``changes`` are of its claims."""
        now = int(self.time.wall)
        claims = {"iss": IDP, "sub": "alice", "aud": CLIENT, "iat": now, "exp": now + 600}
        return self.idp.token(**{**claims, **changes})

    def call(self, caller: str = PLANNER) -> Call:
        """A call of a workload's."""
        known = Caller(workload(caller), Attestation.STATIC)
        return Call(known, None, Purse(), self.time.clock)

    @property
    def records(self) -> list[dict[str, Any]]:
        """What is on record."""
        return [json.loads(line) for line in self.log.lines]

    def current(self, now: datetime) -> Signer:
        """Who signs; implements ``RotatingIdentity``."""
        assert now == datetime.fromtimestamp(self.time.wall, UTC)
        if self.signer is None:
            message = "nobody signs"
            raise IdentityError(message)
        return self.signer

    async def keys(self, issuer: Issuer, key_id: str) -> IssuerKeySet:
        """The issuer's keys, as policy states them; implements ``IssuerKeys``."""
        stated = tuple(issuer.key)
        if stated not in self._keys:
            self._keys[stated] = IssuerKeySet(key.members() for key in stated)
        return self._keys[stated]

    async def _attested(self, this: Call) -> Attested | None:
        return self.attested

    def _level(self, spiffe_id: SpiffeId) -> KnownLevel:
        return self.levels.get(spiffe_id, NOBODY)

    def decided(self, answer: Answer) -> None:
        """Implements ``DecisionObserver``."""

    def issued(self, kind: str, seconds: float) -> None:
        """Implements ``IssueObserver``."""
        self.told.append((kind, "issued"))

    def not_issued(self, kind: str, error: GoverndError) -> None:
        """Likewise."""
        self.told.append((kind, type(error).__name__))

    def verified(self, found: Verified | Rejected, seconds: float) -> None:
        """Implements ``VerifyObserver``."""
        self.told.append(found.reason.name if isinstance(found, Rejected) else "verified")


class _Unheard:
    """Implements ``EvidenceObserver``."""

    def verified(self, kind: EvidenceKind) -> None:
        """Takes note of nothing."""

    def refused(self, kind: EvidenceKind, fault: EvidenceFault | None) -> None:
        """Likewise."""


def asked(
    audience: str,
    *,
    scopes: Sequence[str] = (),
    details: Any = (),
    request: RequestBinding | None = None,
    **order: Any,
) -> Wanted:
    """What is asked for; ``order`` as ``Order`` has it."""
    found = Order(**{"lifetime_seconds": 300, "request": request, **order})
    return Wanted(workload(audience), tuple(scopes), tuple(details), found)


def text_of(token: Issued | str) -> Secret:
    """A token's text."""
    return Secret(token.encode()) if isinstance(token, str) else token.delegation.text
