"""Services that are reserved for governd: no agent gets a token for them.

They are in the group ``reserved``, which the base policy forbids as audiences of JWT-SVIDs:
every governd, and the issuers and authorization servers that the manifest names, with what is
below them and with the audiences by which their tokens are governd's. A policy source may put
further services into the group.
"""

from collections.abc import Iterable

from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.canonical import service_of
from governd.policy.trusted import Issuer

RESERVED_GROUP = "reserved"
_SPIFFE = "spiffe://"
_GOVERND = "governd"


class Reserved:
    """The services that nobody need list."""

    def __init__(
        self, issuers: Iterable[Issuer] = (), servers: Iterable[AuthorizationServer] = ()
    ) -> None:
        """Takes the issuers whose tokens prove who a user is, and the authorization servers.

        A JWT-SVID for one of these is the agent's word to it as a client (``jwt-spiffe``).
        """
        issuers, servers = tuple(issuers), tuple(servers)
        endpoints = (one.token_endpoint for one in servers if one.token_endpoint is not None)
        named = (*(one.issuer for one in issuers), *(one.issuer for one in servers))
        self._addresses = tuple({one.rstrip("/") for one in (*named, *endpoints)})
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
            service == one or service.startswith((f"{one}/", f"{one}?")) for one in self._addresses
        )


def _is_governd(service: str) -> bool:
    """Whether it is a governd, of whichever trust domain: its SPIFFE ID as an audience."""
    if not service.startswith(_SPIFFE):
        return False
    _domain, _, path = service.removeprefix(_SPIFFE).partition("/")
    return path.partition("/")[0] == _GOVERND
