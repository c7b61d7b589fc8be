"""Fetches documents with issuers' keys, from where they may be (``guarded_http``)."""

from governd.adapters.guarded_http import GuardedClient, Reach, Wanted
from governd.delegation.issuer_key_set import MAX_DOCUMENT_BYTES

_TYPES = "application/jwk-set+json, application/json"


class IssuerKeyClient:
    """Fetches documents; implements ``KeySource``."""

    def __init__(self, reach: Reach) -> None:
        """Takes from where; opens nothing."""
        self._client = GuardedClient(reach)
        self._seconds = reach.seconds

    async def fetch(self, uri: str) -> bytes:
        """The document at an address.

        Raises:
            IssuerAwayError: It cannot be had, or may not be fetched from there.
        """
        wanted = Wanted(uri, _TYPES, MAX_DOCUMENT_BYTES, self._seconds)
        return (await self._client.send(wanted)).body
