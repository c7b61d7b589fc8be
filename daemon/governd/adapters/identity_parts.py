"""Puts together what issues identities and what holds them, for the composition root.

By the configuration's section ``identity`` it is a SPIRE agent or an authority in memory that
issues them. To the rest of governd both are the same: what the one does by its registration
entries, the other does for the IDs that it is asked for.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime

from structlog.typing import FilteringBoundLogger

from governd.adapters.embedded_ca import EmbeddedAuthority
from governd.adapters.embedded_source import EmbeddedSource
from governd.adapters.identity_report import IdentityReport
from governd.adapters.node_name import node_name
from governd.adapters.spire_agent import SpireAgent
from governd.application.identity_health import IdentityHealth
from governd.application.identity_list import IdentityList
from governd.application.keep_identities import IdentityKeeper
from governd.application.occupant import Naming
from governd.application.operate import Identities
from governd.application.own_identity import SERVER, OwnIdentities
from governd.config import Config
from governd.identity.svid import JwtSvid, X509Svid
from governd.observability.identity_metrics import IdentityMetrics

DNS_NAME = "governd"
"""Beside governd's serving ID, for stock gRPC clients: they insist on one."""


class IdentityParts:
    """What issues and holds identities.

    Attributes:
        keeper: Holds them; give it each workload that is there.
        naming: Knows how workloads get theirs.
        own: governd's own, for the operator's use case.
        list: All of them, for the operator's questions.
    """

    def __init__(
        self,
        config: Config,
        metrics: IdentityMetrics,
        log: FilteringBoundLogger,
        on_change: Callable[[], object],
    ) -> None:
        """Needs no running loop, and asks for nothing yet.

        Args:
            config: Says what issues identities.
            metrics: Count them.
            log: Told of them.
            on_change: Told that readiness may have changed.
        """
        section, node = config.identity, node_name(config.identity.node)
        self.naming = Naming(config.trust_domain, section.source == "spire", section.path_template)
        self._source = _source(config, node)
        self.keeper = IdentityKeeper(
            self._source,
            clock=time.monotonic,
            wall_clock=time.time,
            observer=IdentityReport(metrics, log, on_change),
        )
        self._own = OwnIdentities.of(
            self.keeper,
            trust_domain=config.trust_domain,
            node=node,
            serving_selectors=section.serving_selectors,
            signing_selectors=section.signing_selectors,
        )
        self.own = self._identities()
        self.list = IdentityList(self.keeper, self.naming)
        metrics.publish(
            section.source,
            held=lambda: self.keeper.held,
            up=lambda: not self.keeper.problem,
            wall_clock=time.time,
        )

    def start(self) -> None:
        """Begins to follow what issues identities, and to hold governd's own."""
        self.keeper.start()
        self._own.start()

    async def ready(self) -> None:
        """Returns when governd has an identity to serve with, and its domain's trust bundle.

        Raises:
            IdentityError: This was not started, or was closed.
        """
        await self._own.serving.ready()

    def serving(self) -> X509Svid:
        """What to serve mTLS with now. Any thread may ask.

        Raises:
            IdentityError: There is nothing.
        """
        return self._own.serving.svid(datetime.now(UTC))

    async def jwt_svid(self, audience: str) -> JwtSvid:
        """What proves who governd is to one audience (``issuer_ports.OwnTokens``).

        Raises:
            IdentityError: There is nothing.
        """
        return await self._own.serving.jwt_svid(audience)

    def on_change(self, heed: Callable[[], object]) -> None:
        """Has ``heed`` called, at once, whenever there may be something else to serve with.

        Raises:
            IdentityError: This was not started.
        """
        self._own.serving.on_change(heed)

    async def bundles(self) -> AsyncGenerator[Mapping[str, tuple[bytes, ...]], None]:
        """The X.509 trust bundles by trust domain, now and whenever they are others."""
        async for bundles in self.keeper.bundle_changes():
            yield bundles.x509

    async def close(self) -> None:
        """Forgets every identity, and ends the connection to what issues them."""
        await self.keeper.close()
        if isinstance(self._source, SpireAgent):
            await self._source.close()

    def _identities(self) -> Identities:
        serving, signing = self._own.serving, self._own.signing
        health = IdentityHealth(
            self.keeper,
            {"serve": serving, "sign": signing},
            wall_clock=time.time,
            template=self.naming.template,
        )
        return Identities(serving, signing, self.keeper.source, health.component)


def _source(config: Config, node: str) -> SpireAgent | EmbeddedSource:
    socket = config.identity.spire_admin_socket
    if config.identity.source == "spire" and socket is not None:
        return SpireAgent(socket, config.trust_domain)
    authority = EmbeddedAuthority(config.trust_domain, datetime.now(UTC))
    names = {f"{SERVER}/{node}": DNS_NAME}
    template = config.identity.path_template
    return EmbeddedSource(authority, wall_clock=time.time, dns_names=names, template=template)
