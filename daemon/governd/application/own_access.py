"""governd's own access tokens: what it shows as actor where a server knows only its own clients.

They go nowhere but back to the server that issued them, and to no agent. One of each server
is held, and asked for anew, in the background, before it ends.
"""

import random
from collections.abc import Callable

from governd.application.client_proof import ClientProofs
from governd.application.issuer_calls import IssuerCalls
from governd.application.token_flights import FlightLimits, Flights
from governd.policy.authorization_servers import AuthorizationServer
from governd.tokens import check, form
from governd.tokens.acting import Acting
from governd.tokens.check import AccessToken, Expected
from governd.tokens.clients import Client
from governd.tokens.digests import definition_of
from governd.tokens.form import Target
from governd.tokens.held import Held, hold

MIN_LIFETIME_SECONDS = 30.0
_MAX_LIFETIME_SECONDS = 3600.0
_EVERYTHING = Target(None, None, ())
_ACCOUNT = "governd"


class OwnAccess:
    """Tokens of governd's own, by server."""

    def __init__(
        self,
        calls: IssuerCalls,
        proofs: ClientProofs,
        limits: FlightLimits,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        spread: Callable[[], float] = random.random,
    ) -> None:
        """Holds nothing yet.

        Args:
            calls: Asks token endpoints.
            proofs: Says that it is governd who asks.
            limits: Of failures that are kept.
            clock: Monotonic seconds.
            wall_clock: Seconds since 1970.
            spread: Between 0 and 1, so that not all daemons ask at once.
        """
        self._calls = calls
        self._proofs = proofs
        self._wall_clock = wall_clock
        self._spread = spread
        self._flights: Flights[str, Held] = Flights(limits, clock=clock)
        self._held: dict[str, Held] = {}

    async def token(self, server: AuthorizationServer) -> AccessToken:
        """A token of governd's from a server, with client credentials (RFC 6749, section 4.4).

        Args:
            server: Who issues it, and who takes it.

        Raises:
            TokenRefusedError: There is none.
            IssuerUnavailableError: The server cannot be asked now.
            IdentityError: There is nothing to ask with.
        """
        key, now = definition_of(server.model_dump_json().encode()), self._wall_clock()
        held = self._held.get(key)
        if held is None or not held.counts(now):
            held = await self._flights.join(key, _ACCOUNT, lambda: self._ask(key, server))
        elif held.is_due(now):
            self._flights.ahead(key, _ACCOUNT, lambda: self._ask(key, server))
        return held.token

    def forget(self) -> None:
        """Holds nothing any more."""
        self._held.clear()

    async def close(self) -> None:
        """Ends what is under way."""
        await self._flights.close()
        self.forget()

    def _keep(self, key: str, held: Held) -> None:
        now = self._wall_clock()
        self._held = {name: one for name, one in self._held.items() if one.counts(now)}
        self._held[key] = held

    async def _ask(self, key: str, server: AuthorizationServer) -> Held:
        proof = await self._proofs.own(server)
        reply = await self._calls.ask(server, form.client_credentials(_EVERYTHING, proof))
        expected = Expected(
            issuer=server.issuer,
            audiences=None,
            scopes=None,
            subject=None,
            acting=Acting(None),
            client=Client(server.client_id),
            exchanged=False,
            opaque=False,
            min_lifetime=MIN_LIFETIME_SECONDS,
            max_lifetime=_MAX_LIFETIME_SECONDS,
            sent=(proof.assertion,),
        )
        now = self._wall_clock()
        token = check.accept(reply, expected, now)
        held = hold(token, None, rests_on=(), now=now, jitter=self._spread())
        self._keep(key, held)
        return held
