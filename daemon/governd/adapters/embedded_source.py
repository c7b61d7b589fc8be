"""The embedded authority as a source of identities, for development.

It has no registration entries: a workload has the ID that the configuration fixes for it, or
the one that the path template makes of its facts, or none.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from governd.adapters.embedded_ca import LEAF_LIFETIME, EmbeddedAuthority
from governd.adapters.embedded_jwt import JwtAuthority
from governd.errors import NoIdentityError
from governd.identity import SpiffeId
from governd.identity.path_template import PathTemplate
from governd.identity.svid import JwtSvid, TrustBundles, Workload, WorkloadSvids, X509Svid


class EmbeddedSource:
    """Issues what it is asked for; implements ``governd.identity.ports.IdentitySource``."""

    name = "embedded (development)"

    def __init__(
        self,
        authority: EmbeddedAuthority,
        *,
        wall_clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lifetime: timedelta = LEAF_LIFETIME,
        dns_names: Mapping[str, str] | None = None,
        template: PathTemplate | None = None,
    ) -> None:
        """Issues nothing yet.

        Args:
            authority: Signs certificates. Tokens are signed with a key of their own.
            wall_clock: Seconds since 1970.
            sleep: Waits for so many seconds.
            lifetime: Of certificates; they are renewed at half of it.
            dns_names: One beside the SPIFFE ID, by the ID's path, for those that need it.
            template: Makes the IDs of workloads for which none is fixed.
        """
        self._authority = authority
        self._tokens = JwtAuthority()
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._lifetime = lifetime
        self._dns_names = dict(dns_names or {})
        self._template = template

    async def svids(self, workload: Workload) -> AsyncGenerator[WorkloadSvids, None]:
        """An X.509-SVID for the workload's ID, and a new one in time; else none.

        Raises:
            NoIdentityError: The ID is of another trust domain.
        """
        spiffe_id = self._id_of(workload)
        while spiffe_id is not None:
            yield WorkloadSvids((self._issue(spiffe_id),))
            await self._sleep(self._lifetime.total_seconds() / 2)
        yield WorkloadSvids()
        await _for_ever()

    async def bundles(self) -> AsyncGenerator[TrustBundles, None]:
        """The trust bundle of the authority's trust domain. It never changes."""
        domain = self._authority.trust_domain
        yield TrustBundles({domain: self._authority.trust_bundle}, {domain: self._tokens.key_set()})
        await _for_ever()

    async def jwt_svids(self, workload: Workload, audiences: Sequence[str]) -> tuple[JwtSvid, ...]:
        """A JWT-SVID for the workload's ID.

        Raises:
            NoIdentityError: It has none, or one of another trust domain.
        """
        spiffe_id = self._id_of(workload)
        if spiffe_id is None:
            message = "the configuration gives the workload no SPIFFE ID"
            raise NoIdentityError(message)
        return (self._tokens.issue(spiffe_id, audiences, self._now()),)

    def _issue(self, spiffe_id: SpiffeId) -> X509Svid:
        path, dns_name = spiffe_id.path, self._dns_names.get(spiffe_id.path, "")
        issued = self._authority.issue(
            path, self._now(), dns_name=dns_name, lifetime=self._lifetime
        )
        return issued.svid()

    def _id_of(self, workload: Workload) -> SpiffeId | None:
        spiffe_id, domain = workload.spiffe_id, self._authority.trust_domain
        if spiffe_id is None and self._template is not None:
            return self._template.id_of(domain, workload.facts)
        if spiffe_id is not None and spiffe_id.trust_domain != domain:
            message = f"{spiffe_id}: expected an ID of {domain}"
            raise NoIdentityError(message)
        return spiffe_id

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_clock(), UTC)


async def _for_ever() -> None:
    await asyncio.Event().wait()
