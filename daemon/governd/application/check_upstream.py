"""Checks whether tokens for an upstream can be had, without giving one to anybody.

Step by step, for each authorization server that has to be asked: that it says what it is, that
there is something to show it, that it knows who shows that, and that it takes the grant. The
last two come of one request with a token in it that is none: a server that knows the client
and the grant refuses just that (RFC 8693, section 2.2.2; RFC 7523, section 3.1). With client
credentials there is nothing that could be none: what comes is thrown away.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from governd.application.client_proof import ClientProofs
from governd.application.issuer_calls import IssuerCalls
from governd.application.issuer_ports import ClientKeys
from governd.application.server_metadata import MetadataKeeper
from governd.application.sync_policy import PolicyKeeper
from governd.errors import (
    GoverndError,
    IssuerUnavailableError,
    TokenRefusedError,
    UpstreamUnknownError,
)
from governd.identity.secret import Secret
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.manifest import Manifest
from governd.policy.upstream_lookup import upstream_named
from governd.policy.upstreams import Upstream
from governd.tokens import form, words
from governd.tokens.faults import TokenFault
from governd.tokens.form import ClientProof, Form, Target
from governd.tokens.words import TypedToken

METADATA, KEYS, CLIENT, GRANT = "metadata", "keys", "client", "grant"
SECONDS = 30.0
"""For all of a check."""
_NONE = Secret(b"none")
"""What is shown in place of a token."""
_OF_THE_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
_OF_THE_TOKEN = frozenset({"invalid_grant", "invalid_request", "invalid_token"})
"""What a server says of a token that is none, when all else is as it has to be."""


class Step(NamedTuple):
    """One step of a check.

    Attributes:
        server: The authorization server that was asked, by name.
        step: What was checked.
        detail: What was found, in words.
        seconds: How long it took.
        ok: Whether it is as it has to be.
    """

    server: str
    step: str
    detail: str
    seconds: float
    ok: bool = True


@dataclass(frozen=True, slots=True)
class CheckerParts:
    """What an ``UpstreamChecker`` works with.

    Attributes:
        policies: Holds the policy in force.
        metadata: Knows what servers say of themselves.
        calls: Asks token endpoints; apart from those of agents, which a check must not have
            left alone.
        proofs: Says who asks.
        keys: Sign assertions of users.
    """

    policies: PolicyKeeper
    metadata: MetadataKeeper
    calls: IssuerCalls
    proofs: ClientProofs
    keys: ClientKeys


class UpstreamChecker:
    """The use case behind CheckUpstream."""

    def __init__(self, parts: CheckerParts, *, clock: Callable[[], float]) -> None:
        """Takes its parts, and monotonic seconds."""
        self._parts = parts
        self._clock = clock

    async def check(self, name: str) -> list[Step]:
        """What comes of it, step by step, up to the first that failed.

        Raises:
            UpstreamUnknownError: The policy names no such upstream.
        """
        policy = self._parts.policies.state.policy
        if policy is None:
            message = "upstream: no policy is in force"
            raise UpstreamUnknownError(message, field="upstream")
        upstream = upstream_named(policy.manifest, name)
        steps: list[Step] = []
        with contextlib.suppress(_FailedError):
            async with _in_time(upstream, steps):
                for leg in _legs(upstream, policy.manifest):
                    await self._leg(upstream, leg, steps)
        return steps

    async def _leg(self, upstream: Upstream, leg: "_Leg", steps: list[Step]) -> None:
        server = leg.server
        with self._step(steps, server, METADATA) as found:
            found.detail = f"tokens come from {await self._parts.metadata.token_endpoint(server)}"
        if upstream.client == "agent":
            steps.append(Step(server.name, CLIENT, "not asked: the client is the agent", 0))
            return
        with self._step(steps, server, KEYS) as found:
            proof = await self._parts.proofs.own(server)
            if upstream.grant == "jwt-bearer":
                await self._parts.keys.key(server.client_key or "")
            found.detail = _shown(server)
        start = self._clock()
        judged = await self._ask(upstream, server, leg.ask(proof))
        took = self._clock() - start
        for step, wrong in judged:
            steps.append(Step(server.name, step, wrong or "accepted", took, ok=not wrong))
            took = 0.0
        if not steps[-1].ok:
            raise _FailedError

    async def _ask(
        self, upstream: Upstream, server: AuthorizationServer, asked: Form
    ) -> list[tuple[str, str]]:
        """Client and grant, and what is wrong with each; ``""`` for nothing."""
        try:
            await self._parts.calls.ask(server, asked)
        except (TokenRefusedError, IssuerUnavailableError) as error:
            return _judged(error)
        if upstream.grant == "client-credentials":
            return [(CLIENT, ""), (GRANT, "")]
        return [(CLIENT, ""), (GRANT, "gives a token for one that is none")]

    @contextlib.contextmanager
    def _step(
        self, steps: list[Step], server: AuthorizationServer, name: str
    ) -> Iterator["_Found"]:
        start, found = self._clock(), _Found()
        try:
            yield found
        except GoverndError as error:
            steps.append(Step(server.name, name, str(error), self._clock() - start, ok=False))
            raise _FailedError from error
        steps.append(Step(server.name, name, found.detail, self._clock() - start))


class _FailedError(Exception):
    """The last step is not as it has to be."""


@dataclass(slots=True)
class _Found:
    """What a step found."""

    detail: str = ""


class _Leg(NamedTuple):
    """One server that has to be asked, and with what."""

    server: AuthorizationServer
    ask: Callable[[ClientProof], Form]


def _legs(upstream: Upstream, manifest: Manifest) -> Iterator[_Leg]:
    servers = manifest.authorization_servers_by_name
    server = servers[upstream.authorization_server]
    target = Target(upstream.sent_resource, upstream.sent_audience, upstream.scopes)
    if upstream.grant == "client-credentials":
        yield _Leg(server, lambda proof: form.client_credentials(target, proof))
    elif upstream.grant == "token-exchange":
        kind = words.ACCESS_TOKEN if upstream.for_user else words.JWT
        subject = TypedToken(_NONE, kind)
        yield _Leg(server, lambda proof: form.token_exchange(target, subject, None, proof))
    else:
        if upstream.identity_provider is not None:
            first = Target(upstream.sent_resource, server.issuer, upstream.scopes)
            subject = TypedToken(_NONE, words.ID_TOKEN)
            yield _Leg(
                servers[upstream.identity_provider],
                lambda proof: form.id_jag_request(first, subject, None, proof),
            )
        yield _Leg(server, lambda proof: form.jwt_bearer(_NONE, target, proof))


def _shown(server: AuthorizationServer) -> str:
    if server.client_authentication == "jwt-spiffe":
        return "governd shows its own JWT-SVID"
    return f"governd signs with the key {server.client_key}"


def _judged(error: GoverndError) -> list[tuple[str, str]]:
    """What follows from an error for client and grant."""
    said = error.metadata.get("error", "")
    if error.metadata.get("rule") != TokenFault.REFUSED.value or said in _OF_THE_CLIENT or not said:
        return [(CLIENT, str(error))]
    if said in _OF_THE_TOKEN:
        return [(CLIENT, ""), (GRANT, "")]
    return [(CLIENT, ""), (GRANT, str(error))]


@contextlib.asynccontextmanager
async def _in_time(upstream: Upstream, steps: list[Step]) -> AsyncIterator[None]:
    """Ends a check that takes too long, and says at which server."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        legs = (upstream.identity_provider, upstream.authorization_server)
        servers = [one for one in legs if one is not None]
        over = {one.server for one in steps if one.step == GRANT}
        server = next(one for one in servers if one not in over)
        detail = f"does not answer within {SECONDS:g} s"
        steps.append(Step(server, CLIENT, detail, SECONDS, ok=False))
