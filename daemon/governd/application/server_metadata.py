"""What authorization servers say of themselves: as new as may be, and no older than a day.

Follows RFC 8414 (``tokens.metadata``). The policy source names the issuer; where its token
endpoint is the issuer says itself, unless the policy source states that, too.

Promises:
    * However many wait for a server's metadata, it is asked once; no server waits for another.
    * Metadata is renewed ahead, in the background. While it cannot be had the last one stays
      good for a day, and no longer.
    * A server that does not describe itself is asked again every 10 s at most. All places where
      it may do so have one time together.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Never

from governd.application.issuer_ports import (
    IssuerAwayError,
    MetadataObserver,
    NoAnswerError,
    TokenEndpoint,
)
from governd.application.renewing import Passing, Renewed, RenewedSet, Times
from governd.errors import IssuerUnavailableError, TokenRefusedError
from governd.policy.authorization_servers import AuthorizationServer
from governd.tokens import metadata
from governd.tokens.faults import TokenFault
from governd.tokens.metadata import ServerMetadata

TIMES = Times(refresh=3600.0, max_staleness=86_400.0)
_TRY_LATER = 429
_SERVER_ERROR = 500


class _Where(NamedTuple):
    """Whose metadata."""

    name: str
    issuer: str


class MetadataKeeper:
    """Holds the metadata of the authorization servers that policy names."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        observer: MetadataObserver,
        *,
        servers: Callable[[], Sequence[AuthorizationServer]],
        seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spread: Callable[[], float] = random.random,
        times: Times = TIMES,
    ) -> None:
        """Holds nothing yet.

        Args:
            endpoint: Fetches it.
            observer: Told of each attempt.
            servers: Those that the policy in force names.
            seconds: For all places where metadata may be.
            clock: Monotonic seconds.
            sleep: Waits.
            spread: Between 0 and 1, so that not all daemons ask at once.
            times: How old metadata may be.
        """
        self._endpoint = endpoint
        self._observer = observer
        self._servers = servers
        self._seconds = seconds
        self._clock = clock
        self._held: RenewedSet[_Where, ServerMetadata] = RenewedSet(
            self._fetch, self._tell, times, named=self._named, passing=Passing(clock, sleep, spread)
        )

    async def token_endpoint(self, server: AuthorizationServer) -> str:
        """Where a server gives tokens; where policy states that, nobody is asked.

        Raises:
            IssuerUnavailableError: The server cannot be asked now.
            TokenRefusedError: What it says of itself does not hold.
        """
        return server.token_endpoint or (await self.metadata(server)).token_endpoint

    async def metadata(self, server: AuthorizationServer) -> ServerMetadata:
        """What a server says of itself.

        Raises:
            IssuerUnavailableError: It cannot be asked now.
            TokenRefusedError: What it says does not hold, or it says nothing.
        """
        held = self._held.of(_Where(server.name, server.issuer))
        if not held.counts:
            await held.ask()
        if not held.counts or held.value is None:
            _refuse(server, held)
        return held.value

    async def tend(self) -> Never:
        """Renews metadata before anybody waits for it, for ever."""
        await self._held.tend()

    async def close(self) -> None:
        """Ends all attempts."""
        await self._held.close()

    def _named(self) -> list[_Where]:
        silent = (one for one in self._servers() if one.token_endpoint is None)
        return [_Where(one.name, one.issuer) for one in silent]

    async def _fetch(self, where: _Where) -> ServerMetadata:
        """The first of the places that has it (RFC 8414, section 3.1)."""
        problem: TokenRefusedError | None = None
        end = self._clock() + self._seconds
        for uri in metadata.locations(where.issuer):
            left = end - self._clock()
            if left <= 0:
                raise problem or _too_late()
            try:
                document = await self._endpoint.get(uri, seconds=left)
                return metadata.read(document, where.issuer)
            except NoAnswerError as error:
                if error.status == _TRY_LATER or error.status >= _SERVER_ERROR:
                    raise
            except TokenRefusedError as error:
                problem = problem or error
        raise problem or _nowhere()

    def _tell(self, where: _Where, error: str) -> None:
        if error:
            self._observer.not_described(where.name, error)
        else:
            self._observer.described(where.name)


def _too_late() -> IssuerAwayError:
    message = "metadata: the time is over before all of its places were asked"
    return IssuerAwayError(message)


def _nowhere() -> TokenRefusedError:
    message = "metadata: is in none of its places: state token_endpoint in the policy"
    return TokenRefusedError(message, metadata={"rule": TokenFault.METADATA.value})


def _refuse(server: AuthorizationServer, held: Renewed[ServerMetadata]) -> Never:
    """Raises why there is none; each time a new error, or its traceback would grow."""
    facts = {"authorization_server": server.name}
    if isinstance(held.problem, TokenRefusedError):
        raise TokenRefusedError(str(held.problem), metadata=held.problem.metadata | facts)
    message = f"authorization server {server.name}: its metadata cannot be had"
    raise IssuerUnavailableError(message, retry_after=held.again_after, metadata=facts)
