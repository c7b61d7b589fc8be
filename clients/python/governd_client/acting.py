"""In whose name this workload acts now, and tokens for the calls that it makes then.

``current_delegation`` is that of the request which is being handled, where one of the server
middlewares took an acting-as token out of it. ``ActingAs`` makes a token for one request to
one audience: it extends the current delegation, or begins with evidence where there is none.

INVARIANT: where a delegation is current, nothing begins anew: what a server does for one user
never goes out in the name of another, whose evidence it has at hand.
"""

import contextvars
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypedDict, TypeVar

from governd_client.aio import AsyncClient
from governd_client.client import Client
from governd_client.delegation import ActingAsToken, BoundRequest, Delegation
from governd_client.delegation_requests import Details
from governd_client.errors import NoDelegationError
from governd_client.evidence import Evidence

ClientT = TypeVar("ClientT", Client, AsyncClient)
_CURRENT: Final[contextvars.ContextVar[Delegation | None]] = contextvars.ContextVar(
    "governd_delegation", default=None
)


def current_delegation() -> Delegation | None:
    """In whose name the current request is; ``None`` where it came without a token."""
    return _CURRENT.get()


def current_evidence() -> Evidence:
    """What shows governd in whose name the current request is.

    Raises:
        NoDelegationError: It came without a token.
    """
    delegation = current_delegation()
    if delegation is None:
        message = "the request came without an acting-as token"
        raise NoDelegationError(message)
    return delegation.evidence


@contextmanager
def acting(delegation: Delegation | None) -> Iterator[None]:
    """Makes a delegation the current one, for the block."""
    token = _CURRENT.set(delegation)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class _Terms(TypedDict):
    scopes: Collection[str]
    details: Details
    lifetime: int | None


class _Source(Generic[ClientT]):
    """What both sources have in common."""

    def __init__(
        self,
        client: ClientT,
        *,
        audience: str,
        scopes: Collection[str] = (),
        details: Details = (),
        evidence: Callable[[], Evidence] | None = None,
        lifetime: int | None = None,
    ) -> None:
        """Asks ``client`` for each token.

        Args:
            client: Asks governd, as this workload.
            audience: SPIFFE ID of who is called.
            scopes: What the audience is to be let do. None permit nothing.
            details: The same, finer.
            evidence: Tells in whose name to begin, where no delegation is current.
            lifetime: Seconds, 300 at most.
        """
        self._client: ClientT = client
        self._audience = audience
        self._terms: _Terms = {"scopes": scopes, "details": details, "lifetime": lifetime}
        self._evidence = evidence

    def _begin(self) -> Evidence:
        if self._evidence is None:
            message = "the request came without an acting-as token, and there is no evidence"
            raise NoDelegationError(message)
        return self._evidence()


class ActingAs(_Source[Client]):
    """Tokens for one audience, from a ``Client``."""

    def token(self, request: BoundRequest | None = None) -> ActingAsToken:
        """A token for one request; without one, it is tied to this workload only.

        Raises:
            NoDelegationError: Nobody is known in whose name to act.
            GoverndError: There is no token.
        """
        parent, ask = current_delegation(), self._client.delegation
        if parent is not None:
            return ask.extend(self._audience, parent, request=request, **self._terms)
        return ask.mint(self._audience, self._begin(), request=request, **self._terms)


class AsyncActingAs(_Source[AsyncClient]):
    """Tokens for one audience, from an ``AsyncClient``."""

    async def token(self, request: BoundRequest | None = None) -> ActingAsToken:
        """A token for one request; without one, it is tied to this workload only.

        Raises:
            NoDelegationError: Nobody is known in whose name to act.
            GoverndError: There is no token.
        """
        parent, ask = current_delegation(), self._client.delegation
        if parent is not None:
            return await ask.extend(self._audience, parent, request=request, **self._terms)
        return await ask.mint(self._audience, self._begin(), request=request, **self._terms)
