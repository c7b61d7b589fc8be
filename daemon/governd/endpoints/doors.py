"""Puts listeners together, those of one daemon.

``Trust`` is the seam to whatever issues identities: it takes the X.509-SVID to serve with and
the trust bundles, and is told when the bundles change.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from weakref import WeakSet

from governd.application.call import Clock
from governd.application.hold_identity import HeldIdentity
from governd.application.occupant import Occupant
from governd.config import MtlsListener
from governd.endpoints.csi.limits import KubeletLimits
from governd.endpoints.limits import Admissions
from governd.endpoints.listener import ChannelLimits, Listener, channel_options
from governd.endpoints.methods import Methods
from governd.endpoints.occupant_interceptor import Always, Behind, OccupantInterceptor
from governd.endpoints.peer import Peers, WallClock
from governd.endpoints.peer_interceptor import PeerInterceptor
from governd.endpoints.places import AddressPlace, Place, SocketPlace
from governd.endpoints.tls import ServerTls, SvidServing, connection_age_ms
from governd.errors import ListenerError
from governd.identity import KUBELET, OPERATOR, Caller
from governd.identity.svid import X509Svid
from governd.identity.verification import Bundles, Verifier
from governd.observability.metrics import Metrics

ADMIN = "admin"
"""The name of the operator's listener."""


class Trust:
    """Who governd is to those who connect, and by what it verifies them.

    Attributes:
        serving: The X.509-SVID in force. Called from gRPC's threads, and may not wait.
        verifier: Holds the trust bundles in force.
    """

    def __init__(self, serving: Callable[[], X509Svid], bundles: Bundles) -> None:
        """Trusts ``bundles`` until they are replaced."""
        self.serving = serving
        self.verifier = Verifier(bundles)
        self._told: WeakSet[PeerInterceptor] = WeakSet()

    def replace(self, bundles: Bundles) -> None:
        """Trusts ``bundles`` from now on, and ends the calls of those who are not verified."""
        self.verifier.replace(bundles)
        for interceptor in self._told:
            interceptor.recheck()

    def tell(self, interceptor: PeerInterceptor) -> None:
        """Has it look again at its calls, as long as it lives, when the bundles have changed."""
        self._told.add(interceptor)


@dataclass(frozen=True, slots=True)
class Doors:
    """Makes listeners; none is open yet.

    Attributes:
        limits: Of connections and messages.
        admissions: Every caller's limits.
        metrics: Count calls.
        clock: Monotonic seconds.
        wall_clock: The time in UTC.
    """

    limits: ChannelLimits
    admissions: Admissions
    metrics: Metrics
    clock: Clock
    wall_clock: WallClock = lambda: datetime.now(UTC)

    def of_operator(self, place: Place, methods: Methods) -> Listener:
        """The operator's listener."""
        return self._plain(ADMIN, place, Always(OPERATOR), methods)

    def of_kubelet(
        self, name: str, place: Place, methods: Methods, limits: KubeletLimits
    ) -> Listener:
        """A listener that only kubelet gets to, with limits of its own.

        Args:
            name: The listener's.
            place: Where it is to be.
            methods: What is served.
            limits: Of connections, messages and calls.
        """
        kubelets = replace(self, limits=limits, admissions=Admissions(limits))
        return kubelets._plain(name, place, Always(KUBELET), methods)  # noqa: SLF001  our own

    def of_one(
        self, name: str, place: Place, caller: Caller, methods: Methods, held: HeldIdentity | None
    ) -> Listener:
        """A listener with one caller.

        Args:
            name: The listener's.
            place: Where it is to be.
            caller: Who calls there.
            methods: What is served.
            held: The identities that governd holds for the caller; ``None`` for none.
        """
        return self._plain(name, place, Always(caller, held), methods)

    def of_workload(self, occupant: Occupant, place: Place, methods: Methods) -> Listener:
        """A listener whose caller is whoever the workload is at the moment."""
        return self._plain(occupant.held.workload.name, place, occupant, methods)

    def _plain(self, name: str, place: Place, behind: Behind, methods: Methods) -> Listener:
        interceptor = OccupantInterceptor(
            behind,
            methods=methods,
            admissions=self.admissions,
            metrics=self.metrics,
            clock=self.clock,
        )
        options = channel_options(self.limits)
        return Listener(name, place, interceptor=interceptor, options=options)

    def of_peers(
        self, entry: MtlsListener, methods: Methods, trust: Trust, own_domain: str
    ) -> Listener:
        """A listener whose callers show certificates.

        Args:
            entry: Its section of the configuration.
            methods: What is served.
            trust: Who governd is, and by what it verifies callers.
            own_domain: Whose workloads may call where the section names no trust domain.

        Raises:
            ListenerError: None of its trust domains has a trust bundle.
            IdentityError: governd has nothing to serve with now.
        """
        domains = entry.trust_domains or (own_domain,)
        if not any(trust.verifier.bundles.get(domain) for domain in domains):
            message = f"no trust bundle of {', '.join(domains)} is known"
            raise ListenerError(message)
        svid = trust.serving()
        age = connection_age_ms(svid.not_after - svid.not_before, entry.connection_age_seconds)
        interceptor = self._peer_interceptor(entry, methods, trust.verifier, domains)
        trust.tell(interceptor)
        return Listener(
            entry.name,
            _place(entry),
            interceptor=interceptor,
            options=channel_options(
                self.limits, connections=entry.connections, connection_age_ms=age
            ),
            tls=ServerTls(SvidServing(trust.serving, trust.verifier, domains)),
        )

    def _peer_interceptor(
        self, entry: MtlsListener, methods: Methods, verifier: Verifier, domains: tuple[str, ...]
    ) -> PeerInterceptor:
        peers = Peers(
            verifier,
            self.admissions,
            listener=entry.name,
            trust_domains=domains,
            allowed_ids=tuple(map(str, entry.allowed_ids)),
            wall_clock=self.wall_clock,
            clock=self.clock,
        )
        return PeerInterceptor(peers, methods=methods, metrics=self.metrics, clock=self.clock)


def _place(entry: MtlsListener) -> Place:
    if entry.address is not None:
        return AddressPlace(entry.address)
    if entry.socket is not None:
        return SocketPlace(entry.socket, entry.mode)
    message = f"listener {entry.name}: neither a socket nor an address"
    raise ListenerError(message)
