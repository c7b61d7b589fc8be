"""What AdminService says of upstreams, and of the tokens that are held for them."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sized
from typing import Protocol

from google.protobuf.duration_pb2 import Duration

from governd._proto.governd.v1 import admin_service_pb2 as pb
from governd.application.check_upstream import Step, UpstreamChecker
from governd.application.sync_policy import PolicyKeeper
from governd.application.token_cache import HeldToken
from governd.application.token_lines import digest_name
from governd.policy.delegated import user_id
from governd.policy.question import parse_name
from governd.policy.upstreams import Upstream

MAX_TOKENS = 1000
"""Of a list."""
_MAX_NAME_BYTES = 63


class HeldTokens(Iterable[HeldToken], Sized, Protocol):
    """Tokens that are held."""


class AdminUpstreams:
    """Answers an operator's questions about upstreams."""

    def __init__(
        self,
        policies: PolicyKeeper,
        checker: UpstreamChecker,
        held: HeldTokens,
        state_of: Callable[[str], str],
    ) -> None:
        """Takes its parts.

        Args:
            policies: Holds the policy in force, which names them.
            checker: The use case behind CheckUpstream.
            held: Tokens that are held.
            state_of: How an authorization server is, by name.
        """
        self._policies = policies
        self._checker = checker
        self._held = held
        self._state_of = state_of

    def list(
        self,
        request: pb.ListUpstreamsRequest,  # noqa: ARG002 - has no fields
    ) -> pb.ListUpstreamsResponse:
        """All of them, by name."""
        policy = self._policies.state.policy
        if policy is None:
            return pb.ListUpstreamsResponse()
        tokens = Counter(one.key.upstream for one in self._held)
        named = policy.manifest.upstreams_by_name
        servers = policy.manifest.authorization_servers_by_name
        return pb.ListUpstreamsResponse(
            upstreams=[
                self._status(one, servers[one.authorization_server].issuer, tokens[name])
                for name, one in sorted(named.items())
            ]
        )

    async def check(self, request: pb.CheckUpstreamRequest) -> pb.CheckUpstreamResponse:
        """Asks the authorization servers of one.

        Raises:
            RequestError: The name is malformed.
            UpstreamUnknownError: There is no such upstream.
        """
        name = parse_name(request.name, field="name", limit=_MAX_NAME_BYTES)
        steps = await self._checker.check(name)
        return pb.CheckUpstreamResponse(
            checks=[_check(step) for step in steps], ok=all(step.ok for step in steps)
        )

    def tokens(self, request: pb.ListTokensRequest) -> pb.ListTokensResponse:
        """The tokens that are held, without the tokens."""
        wanted = (one for one in self._held if request.upstream in {"", one.key.upstream})
        return pb.ListTokensResponse(
            tokens=[_token(one) for one in itertools.islice(wanted, MAX_TOKENS)],
            total=len(self._held),
        )

    def _status(self, upstream: Upstream, issuer: str, tokens: int) -> pb.UpstreamStatus:
        servers = (upstream.identity_provider, upstream.authorization_server)
        states = [self._state_of(one) for one in servers if one is not None]
        worst = [one for one in states if one.startswith("down")] or states[-1:]
        return pb.UpstreamStatus(
            name=upstream.name,
            resource=upstream.resource or "",
            audience=upstream.audience or "",
            authorization_server=upstream.authorization_server,
            issuer=issuer,
            grant=upstream.grant,
            client=upstream.client,
            actor=upstream.actor or "",
            scopes=upstream.scopes,
            tokens=tokens,
            state=worst[0],
        )


def _check(step: Step) -> pb.UpstreamCheck:
    took = Duration()
    took.FromMicroseconds(round(step.seconds * 1e6))
    return pb.UpstreamCheck(
        authorization_server=step.server,
        step=step.step,
        ok=step.ok,
        detail=step.detail,
        took=took,
    )


def _token(one: HeldToken) -> pb.HeldToken:
    key, held = one.key, one.held
    message = pb.HeldToken(
        upstream=key.upstream,
        caller=str(key.caller),
        user=user_id(held.user) if held.user else "",
        scopes=held.token.scopes,
        digest=digest_name(held.token.digest),
        uses=one.uses,
    )
    message.issued_at.FromMicroseconds(round(held.issued_at * 1e6))
    message.expires_at.FromSeconds(math.floor(held.ends))
    return message
