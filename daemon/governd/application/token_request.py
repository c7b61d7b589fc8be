"""What a call asks for: its words held against the policy source, its evidence verified.

Promises:
    * An upstream that is reached for a user is not reached without evidence of one, and one
      that the agent reaches for itself not with it.
    * Evidence counts to its end, without any skew: what rests on it would outlive it.
    * An upstream is reached for users of the issuers that it is for, whatever the evidence is.
      governd vouches itself for users of one issuer only (``policy.upstreams``): no server
      could tell two people apart whom two issuers call by one name.
    * What is remembered of a request is no secret.
"""

from collections.abc import Callable
from typing import NamedTuple, NoReturn, Protocol

from governd.application.evidence import Shown
from governd.application.token_question import question, terms
from governd.delegation.evidence_faults import EvidenceError, EvidenceFault
from governd.delegation.issuer_claims import SKEW_SECONDS
from governd.errors import RequestError
from governd.identity import Caller, SpiffeId
from governd.policy.allowed import Terms
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.delegated import Delegation
from governd.policy.manifest import Manifest
from governd.policy.question import Question
from governd.policy.recent import Recent
from governd.policy.upstream_lookup import scopes_for, upstream_for, upstream_named
from governd.policy.upstreams import Upstream
from governd.tokens.digests import definition_of, digest_of
from governd.tokens.held import TokenKey

MAX_CHARS = 4 << 20
"""Of what is remembered."""
_OVERHEAD_CHARS = 2048


class Wanted(NamedTuple):
    """What is asked for, in the words of the request: an upstream by name, or by its target.

    Attributes:
        upstream: Its name; ``""`` where the target says which.
        resource: Where the token is to be good; ``""`` for any.
        audience: The same by the authorization server's name for it; likewise.
        scopes: What it is to permit; none for all that the upstream has.
        renew: Whether the upstream refused the token that came before.
        scope_field: Where the request has the scopes.
    """

    upstream: str = ""
    resource: str = ""
    audience: str = ""
    scopes: tuple[str, ...] = ()
    renew: bool = False
    scope_field: str = "scopes"

    def found_in(self, manifest: Manifest) -> Upstream:
        """The upstream that is meant.

        Raises:
            RequestError: Nothing says which.
            UpstreamUnknownError: There is none, or more than one.
        """
        if self.upstream:
            return upstream_named(manifest, self.upstream)
        return upstream_for(manifest, self.resource, self.audience)


class Definition(NamedTuple):
    """All that the policy source says of an upstream.

    Attributes:
        server: Who issues its tokens.
        provider: Who says for that one who the user is; ``None`` where nobody else does.
        digest: Of all of it.
    """

    server: AuthorizationServer
    provider: AuthorizationServer | None
    digest: str


class Asked(NamedTuple):
    """What is asked for, and for whom.

    Attributes:
        upstream: What for.
        definition: How it is got.
        delegation: What the evidence proves; ``None`` without any.
        question: What policy is asked.
        terms: What a permit is to be for.
        key: By which such a token is held.
    """

    upstream: Upstream
    definition: Definition
    delegation: Delegation | None
    question: Question
    terms: Terms
    key: TokenKey

    @property
    def evidence_ends(self) -> tuple[float, ...]:
        """When the evidence ends, in seconds since 1970; nothing without any."""
        return (_ends(self.delegation),) if self.delegation else ()


class Verifies(Protocol):
    """What verifies evidence (``application.evidence.EvidenceVerifier``)."""

    async def verify(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        """What evidence proves for whoever shows it."""


class _Meant(NamedTuple):
    """By what a request is remembered; evidence by the very value that it was verified to."""

    caller: SpiffeId
    upstream: str
    scopes: tuple[str, ...]
    delegation: int


class TokenRequests:
    """Finds out what is asked for."""

    def __init__(self, evidence: Verifies, *, wall_clock: Callable[[], float]) -> None:
        """Takes what verifies evidence, and seconds since 1970."""
        self._evidence = evidence
        self._wall_clock = wall_clock
        self._manifest: Manifest | None = None
        self._definitions: dict[str, Definition] = {}
        self._asked: Recent[_Meant, Asked] = Recent(MAX_CHARS)

    async def read(
        self, wanted: Wanted, upstream: Upstream, shown: Shown | None, of: tuple[Caller, Manifest]
    ) -> Asked:
        """What is asked for.

        Args:
            wanted: In the words of the request.
            upstream: Which one is meant, of the manifest.
            shown: What shows the user; ``None`` for nothing.
            of: Who asks, and the manifest of the policy in force.

        Raises:
            RequestError: There is evidence that there should not be, or none, or another
                kind; or scopes are malformed.
            EvidenceError: It does not hold.
            EvidenceUnavailableError: That cannot be told now.
        """
        caller, manifest = of
        delegation = await self._delegation(upstream, shown, caller)
        meant = _Meant(caller.spiffe_id, upstream.name, wanted.scopes, id(delegation))
        found = self._asked.get(meant)
        if found is not None and found.upstream is upstream and found.delegation is delegation:
            return found
        scopes = scopes_for(upstream, wanted.scopes, field=wanted.scope_field)
        definition = self.definition(upstream, manifest)
        evidence = digest_of(shown.token) if shown else ""
        found = Asked(
            upstream,
            definition,
            delegation,
            question(upstream, scopes, caller.spiffe_id, delegation),
            terms(upstream, scopes, delegation),
            TokenKey(caller.spiffe_id, evidence, upstream.name, scopes, definition.digest),
        )
        self._asked.keep(meant, found, _OVERHEAD_CHARS + found.question.circumstances.chars)
        return found

    def definition(self, upstream: Upstream, manifest: Manifest) -> Definition:
        """All that a manifest says of one of its upstreams."""
        if self._manifest is not manifest:
            self._manifest, self._definitions = manifest, {}
        found = self._definitions.get(upstream.name)
        if found is None:
            found = self._definitions[upstream.name] = _definition(upstream, manifest)
        return found

    async def _delegation(
        self, upstream: Upstream, shown: Shown | None, caller: Caller
    ) -> Delegation | None:
        if not upstream.for_user:
            if shown is not None:
                _refuse(f"{upstream.name} is reached by the agent for itself")
            return None
        if shown is None:
            _refuse(f"required: {upstream.name} is reached for a user")
        if shown.kind not in upstream.evidence:
            taken = " or ".join(sorted(one.value for one in upstream.evidence))
            _refuse(f"{upstream.name} takes {taken}")
        now = self._wall_clock()
        found = await self._evidence.verify(shown, caller, now)
        if _ends(found) <= now:
            expired()
        if not upstream.is_for_users_of(found.user.issuer):
            message = f"is of another issuer than {upstream.name} is for the users of"
            raise EvidenceError(EvidenceFault.ISSUER, message)
        return found


def expired() -> NoReturn:
    """Refuses evidence that has ended.

    Raises:
        EvidenceError: Always.
    """
    message = "has ended; what rests on it would have, too"
    raise EvidenceError(EvidenceFault.EXPIRED, message)


def _ends(delegation: Delegation) -> float:
    return delegation.expires - SKEW_SECONDS


def _definition(upstream: Upstream, manifest: Manifest) -> Definition:
    servers = manifest.authorization_servers_by_name
    server = servers[upstream.authorization_server]
    provider = servers[upstream.identity_provider] if upstream.identity_provider else None
    told = [one.model_dump_json().encode() for one in (upstream, server, provider) if one]
    return Definition(server, provider, definition_of(*told))


def _refuse(problem: str) -> NoReturn:
    message = f"evidence: {problem}"
    raise RequestError(message, field="evidence")
