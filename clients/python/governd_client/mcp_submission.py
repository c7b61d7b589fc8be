"""Submits what an MCP server offers to governd, and tells the operator what came of it.

What governd refuses is left out, and the rest submitted again: once for each definition that
it names, and once for each bound. Both are remembered, so that the next time costs one call.
"""

import logging
from collections.abc import Iterable
from typing import Final

from governd_client.aio import AsyncClient
from governd_client.definitions import Definition, Kind, RegistrationResult
from governd_client.errors import DefinitionInvalidError, RegistrationTooLargeError
from governd_client.mcp_offer import Bounds, Offer, Requires, place_of

ATTEMPTS: Final = 8
"""In a row. What they found out is not lost: the next ones go on from there."""
TIMEOUT_SECONDS: Final = 5.0
_MAX_TOLD: Final = 8
_MAX_CHARS: Final = 128

_LOGGER: Final = logging.getLogger(__name__)


class Submission:
    """Submits the offers of one MCP server."""

    def __init__(self, client: AsyncClient, server: str, bounds: Bounds) -> None:
        """Submits nothing yet.

        Args:
            client: Asks governd, as the identity of the MCP server.
            server: The name under which the policy declares it, or empty.
            bounds: How much is submitted at most.
        """
        self._client = client
        self._server = server
        self._bounds = bounds
        self._refused: dict[Definition, str] = {}

    def fitting(self, offer: Offer) -> Offer:
        """An offer without what governd refused before. What is not there is forgotten."""
        there = {*offer.definitions}.union(*(each.definitions for each in offer.left_out.values()))
        self._refused = {each: why for each, why in self._refused.items() if each in there}
        return self._fitting(offer)

    async def submit(self, offer: Offer) -> tuple[RegistrationResult, Offer]:
        """Registers as much of an offer as governd takes; returns that, too.

        Raises:
            GoverndError: Nothing was registered, or it is not known whether it was.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._register(offer), offer
            except (DefinitionInvalidError, RegistrationTooLargeError) as error:
                self._learn(offer, error)
                less = self._fitting(offer)
                if less == offer:
                    raise  # it does not say what is wrong
                offer = less
        return await self._register(offer), offer

    async def _register(self, offer: Offer) -> RegistrationResult:
        return await self._client.register_tools(
            offer.definitions, server=self._server, timeout=TIMEOUT_SECONDS
        )

    def _fitting(self, offer: Offer) -> Offer:
        return offer.without(self._refused).within(self._bounds)

    def _learn(
        self, offer: Offer, error: DefinitionInvalidError | RegistrationTooLargeError
    ) -> None:
        if isinstance(error, RegistrationTooLargeError):
            self._bounds = self._bounds.told(error)
        elif (place := place_of(error)) is not None and place < len(offer.definitions):
            self._refused[offer.definitions[place]] = str(error)


def tell_result(result: RegistrationResult, known: RegistrationResult | None) -> None:
    """Tells the operator what is quarantined, where that is news."""
    if known is not None and result.quarantined == known.quarantined:
        return
    for each in result.quarantined:
        _LOGGER.warning(
            "quarantined: %s %r of %s: %s", each.kind.name, each.name, result.server, each.detail
        )
    more = result.quarantined_count - len(result.quarantined)
    if more:
        _LOGGER.warning("quarantined: %d more of %s", more, result.server)


def tell_offer(offer: Offer, known: Offer, requires: Requires) -> None:
    """Tells the operator what of an offer is left out, where that is news."""
    for name in requires.keys() - offer.tools:
        _LOGGER.warning("requires: the server lists no tool %r", name)
    news = [key for key in offer.left_out if key not in known.left_out]
    if news:
        some = "; ".join(_in_words(offer, news[:_MAX_TOLD]))
        _LOGGER.warning("left out, hidden and refused: %d, such as %s", len(news), some)
    for kind in offer.full - known.full:
        _LOGGER.warning("there is more of %s than is registered: it is left out", kind.name)


def _in_words(offer: Offer, keys: Iterable[tuple[Kind, str]]) -> Iterable[str]:
    for kind, name in keys:
        reason = offer.left_out[kind, name].reason
        # Both come from a server that may be another's.
        yield f"{kind.name} {name[:_MAX_CHARS]!a} ({reason[:_MAX_CHARS]!a})"
