"""Services that are reserved for governd: no agent gets a token for them.

They are in the group ``reserved``, which the base policy forbids as audiences of JWT-SVIDs:
every governd, and the issuers that the manifest names, with what is below them and with the
audiences by which their tokens are governd's. A policy source may put further services into
the group.
"""

from collections.abc import Iterable

from governd.policy.canonical import service_of
from governd.policy.trusted import Issuer

RESERVED_GROUP = "reserved"
_SPIFFE = "spiffe://"
_GOVERND = "governd"


class Reserved:
    """The services that nobody need list."""

    def __init__(self, issuers: Iterable[Issuer] = ()) -> None:
        """Takes the issuers whose tokens prove who a user is."""
        issuers = tuple(issuers)
        self._issuers = tuple(one.issuer.rstrip("/") for one in issuers)
        self._audiences = frozenset(
            service_of(name, field="audiences") for one in issuers for name in one.audiences
        )

    def __contains__(self, service: str) -> bool:
        """Whether a service is reserved.

        Args:
            service: The id of an external service, in its one spelling.
        """
        return _is_governd(service) or service in self._audiences or self._is_issuer(service)

    def _is_issuer(self, service: str) -> bool:
        """Whether it is an issuer's address, or lies below, as its token endpoint may."""
        return any(
            service == one or service.startswith((f"{one}/", f"{one}?")) for one in self._issuers
        )


def _is_governd(service: str) -> bool:
    """Whether it is a governd, of whichever trust domain: its SPIFFE ID as an audience."""
    if not service.startswith(_SPIFFE):
        return False
    _domain, _, path = service.removeprefix(_SPIFFE).partition("/")
    return path.partition("/")[0] == _GOVERND
