"""Opens the listeners of the configuration, and those of workloads that come and go.

Part of the composition root: the operator's listener comes first, so that whatever the others
wait for can be asked there.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass

from governd.adapters.identity_parts import IdentityParts
from governd.application.operate import CallerUsage, Component
from governd.config import AttestedListener, Config, MtlsListener, StaticListener
from governd.endpoints.attested_doors import AttestedDoors
from governd.endpoints.csi.limits import KubeletLimits
from governd.endpoints.csi.plugin import CsiPlugin
from governd.endpoints.doors import ADMIN, Doors
from governd.endpoints.limits import Admissions
from governd.endpoints.listeners import Listeners
from governd.endpoints.methods import Methods, Register
from governd.endpoints.peer_doors import PeerDoors
from governd.endpoints.places import SocketPlace
from governd.identity import Attestation, Caller
from governd.identity.svid import Workload
from governd.observability import logs
from governd.observability.metrics import Metrics
from governd.services.pod_sockets import csi_plugin

_ADMIN_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Served:
    """What listeners serve.

    Attributes:
        workload: To workloads.
        admin: To the operator.
        kubelet: Makes what is served to kubelet.
    """

    workload: Methods
    admin: Methods
    kubelet: Callable[[Sequence[Register]], Methods]


class Openings:
    """The listeners of one daemon.

    Attributes:
        listeners: Those that are open.
    """

    def __init__(
        self,
        config: Config,
        served: Served,
        identities: IdentityParts,
        *,
        admissions: Admissions,
        metrics: Metrics,
        on_change: Callable[[], object],
    ) -> None:
        """Opens nothing yet.

        Args:
            config: Says which.
            served: What they serve.
            identities: What issues and holds identities.
            admissions: Every caller's limits.
            metrics: Count calls.
            on_change: Told that readiness may have changed.
        """
        self._config = config
        self._served = served
        self._identities = identities
        self._doors = doors = Doors(config.limits, admissions, metrics, time.monotonic)
        self.listeners = Listeners()
        self._attested = AttestedDoors(
            identities.keeper,
            identities.naming,
            self.listeners,
            lambda occupant, place: doors.of_workload(occupant, place, served.workload),
        )
        self._peers = PeerDoors(
            [one for one in config.listener if isinstance(one, MtlsListener)],
            identities,
            self.listeners,
            make=lambda entry, trust: doors.of_peers(
                entry, served.workload, trust, config.trust_domain
            ),
            log=logs.get("listeners"),
            on_change=on_change,
        )
        self._csi = self._csi_plugin(metrics, on_change) if config.csi.enabled else None
        self._started = False

    async def start(self) -> None:
        """Opens all that wait for nothing.

        Raises:
            ListenerError: A place cannot be had, or never will be.
        """
        place = SocketPlace(self._config.admin.socket, _ADMIN_MODE)
        await self.listeners.add(self._doors.of_operator(place, self._served.admin))
        for entry in self._config.listener:
            if isinstance(entry, StaticListener):
                await self._open_static(entry)
            elif isinstance(entry, AttestedListener):
                await self._open_attested(entry)
        self._peers.check()
        if self._csi:
            await self._csi.start()
        self._started = True

    def tasks(self) -> list[asyncio.Task[None]]:
        """Begins to open the others, and to follow whom they trust."""
        work: list[Coroutine[object, object, None]] = [self._peers.follow(), self._peers.tend()]
        if self._csi:
            work.append(self._csi.tend())
        return [asyncio.create_task(one) for one in work]

    async def drain(self, grace: float) -> int:
        """Refuses new calls, lets those that have begun finish, and closes all.

        Args:
            grace: Seconds for calls in flight.

        Returns:
            How many calls had to be ended.
        """
        kubelets = [self._csi.drain(grace)] if self._csi else []
        return sum(await asyncio.gather(self.listeners.drain(grace), *kubelets))

    async def stop(self) -> None:
        """Closes all at once."""
        if self._csi:
            await self._csi.stop()
        await self.listeners.stop()

    def usage(self) -> Iterator[CallerUsage]:
        """What comes from each caller that is known, the operator not among them."""
        now = time.monotonic()
        for listener, account in self.listeners.accounts():
            if isinstance(account.caller, Caller):
                yield CallerUsage(account.caller, str(listener.place), *account.use(now))

    def count(self) -> int:
        """How many listeners are open, the operator's not among them."""
        return sum(listener.name != ADMIN for listener in self.listeners)

    def state(self) -> Component:
        """Whether all listeners of the configuration are open."""
        waiting = list(self._peers.waiting()) if self._started else ["they are being opened"]
        callers = sum(1 for _ in self.usage())
        detail = f"{self.count()} open, {callers} caller{'' if callers == 1 else 's'} known"
        return Component("listeners", ready=not waiting, detail="; ".join([*waiting, detail]))

    def plugin(self) -> Component:
        """How the CSI plugin is."""
        if self._csi:
            return self._csi.component()
        return Component("csi", ready=True, detail="not enabled")

    def _csi_plugin(self, metrics: Metrics, on_change: Callable[[], object]) -> CsiPlugin:
        limits = KubeletLimits(self._config.csi.volumes)
        return csi_plugin(
            self._config,
            self._attested,
            lambda name, place, register: self._doors.of_kubelet(
                name, place, self._served.kubelet(register), limits
            ),
            registry=metrics.registry,
            log=logs.get("csi"),
            on_change=on_change,
        )

    async def _open_static(self, entry: StaticListener) -> None:
        caller = Caller(entry.spiffe_id, Attestation.STATIC, {"listener": entry.name})
        held = None
        if not self._identities.naming.spire:  # that goes by selectors, and there are none
            held = self._identities.keeper.open(Workload(entry.name, spiffe_id=entry.spiffe_id))
        place, methods = SocketPlace(entry.socket, entry.mode), self._served.workload
        await self.listeners.add(self._doors.of_one(entry.name, place, caller, methods, held))

    async def _open_attested(self, entry: AttestedListener) -> None:
        workload = Workload(entry.name, entry.selectors, facts=entry.facts)
        await self._attested.open(workload, SocketPlace(entry.socket, entry.mode))
