"""What governd shows an authorization server of who asks, and of who acts.

By policy that is governd's own JWT-SVID (draft-ietf-oauth-spiffe-client-auth), an assertion
that governd signs (RFC 7523, section 2.2), or the calling agent's own JWT-SVID.

Promises:
    * Whatever is shown has one audience, the issuer identifier of the server that it is shown
      to (draft-ietf-oauth-rfc7523bis): no server can use it at another.
    * Of agents only the one that calls is ever shown, by what governd holds for its channel.
    * An assertion is made for one request. A JWT-SVID is shown more than once: its issuer
      keeps it, so a server must not ask for a new ``jti`` each time.
"""

from collections.abc import Callable

from governd.application.call import Call
from governd.application.issuer_ports import ClientKeys, OwnTokens
from governd.errors import NoIdentityError
from governd.identity.secret import Secret
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.upstreams import Upstream
from governd.tokens import words
from governd.tokens.assertion import client_assertion
from governd.tokens.form import ClientProof
from governd.tokens.words import TypedToken


class ClientProofs:
    """Shows it, in the way that policy states."""

    def __init__(
        self,
        own: OwnTokens,
        keys: ClientKeys,
        *,
        wall_clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        """Shows nothing yet.

        Args:
            own: The identity that governd serves with.
            keys: With which governd signs assertions.
            wall_clock: Seconds since 1970.
            new_id: 128 random bits or more, as a text.
        """
        self._own = own
        self._keys = keys
        self._wall_clock = wall_clock
        self._new_id = new_id

    async def of(self, server: AuthorizationServer, upstream: Upstream, call: Call) -> ClientProof:
        """Who asks a server for a token for an upstream: for one request.

        Args:
            server: Which is asked.
            upstream: Says whether governd asks, or the agent.
            call: The agent's.

        Raises:
            IdentityError: There is nothing to show now; the message says why.
        """
        if upstream.client == "agent":
            # ``client_id`` is what governd is called there; an agent is its SPIFFE ID.
            svid = await self._agent_svid(call, server.issuer)
            return ClientProof(None, words.ASSERTED_BY_SPIFFE, svid)
        return await self.own(server)

    async def own(self, server: AuthorizationServer) -> ClientProof:
        """What governd shows a server as its client, for one request.

        Raises:
            IdentityError: There is nothing to show now; the message says why.
        """
        if server.client_authentication == "jwt-spiffe":
            svid = await self._own.jwt_svid(server.issuer)
            return ClientProof(server.client_id, words.ASSERTED_BY_SPIFFE, svid.token)
        client_id = server.client_id or ""  # the policy source has both, or is refused
        key = await self._keys.key(server.client_key or "")
        assertion = client_assertion(
            key, client_id, server.issuer, now=self._wall_clock(), token_id=self._new_id()
        )
        return ClientProof(client_id, words.ASSERTED_BY_JWT, assertion)

    async def agent_token(self, call: Call, audience: str) -> TypedToken:
        """The calling agent, as the subject or the actor of an exchange.

        Args:
            call: The agent's.
            audience: The issuer identifier of the server that is asked.

        Raises:
            IdentityError: There is nothing to show now; the message says why.
        """
        return TypedToken(await self._agent_svid(call, audience), words.JWT)

    async def _agent_svid(self, call: Call, audience: str) -> Secret:
        if call.held is None:
            message = "governd holds no identity of the caller: its channel alone proves who it is"
            raise NoIdentityError(message)
        # Several entries may issue one ID; whichever it is, it is the caller.
        svids = await call.held.jwt_svids([audience], call.workload.spiffe_id)
        return svids[0].token
