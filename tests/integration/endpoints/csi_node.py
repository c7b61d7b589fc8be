"""A node without its kubelet: kubelet's directories, a plugin that is real, and kubelet's calls.

Behind the doors of pods stands a service that answers the name of the workload.
"""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import structlog
from prometheus_client import CollectorRegistry

from governd._proto.csi.v1 import csi_pb2, csi_pb2_grpc
from governd.adapters.volume_file import VolumeFile
from governd.adapters.volume_report import VolumeReport
from governd.application.kept_volumes import KeptVolumes
from governd.application.pod_volumes import PodVolumes
from governd.application.volume_limits import VolumeLimits
from governd.endpoints.chain import Chain
from governd.endpoints.csi.place import WatchedPlace
from governd.endpoints.csi.plugin import CsiPlugin
from governd.endpoints.csi.targets import SOCKET, TargetDirectories
from governd.endpoints.limits import Admissions
from governd.endpoints.listener import Listener, channel_options
from governd.endpoints.methods import Methods, Register
from governd.endpoints.occupant_interceptor import Always, OccupantInterceptor
from governd.endpoints.places import Place
from governd.errors import ListenerError
from governd.identity.svid import Workload
from governd.observability.csi_metrics import CsiMetrics
from governd.observability.metrics import Metrics
from governd.pods.target import Target
from governd.pods.volume import Volume
from tests.integration.endpoints.doors import WRITER, Echo, Limits, ask
from tests.pod_volumes import context, volume

LIMITS = Limits()
WRITER_MODE = csi_pb2.VolumeCapability.AccessMode.SINGLE_NODE_WRITER


if TYPE_CHECKING:
    NodeStub = csi_pb2_grpc.NodeAsyncStub
else:
    NodeStub = csi_pb2_grpc.NodeStub


class RealDoors:
    """Doors with real sockets: the workload doors port over listeners of one caller."""

    def __init__(self, make: "MakeListener") -> None:
        self._make = make
        self.open_doors: dict[str, tuple[Workload, Listener]] = {}

    async def open(self, workload: Workload, place: WatchedPlace) -> None:
        if workload.name in self.open_doors:
            message = f"{workload.name}: is open"
            raise ListenerError(message)

        async def answer(text: str) -> str:
            return f"{workload.name} {text}"

        listener = self._make(workload.name, place, [Echo(answer).register])
        await listener.start()
        self.open_doors[workload.name] = (workload, listener)

    async def close(self, name: str) -> None:
        if name in self.open_doors:
            _, listener = self.open_doors.pop(name)
            await listener.stop()


MakeListener = Callable[[str, Place, "list[Register]"], Listener]


class Governd:
    """One life of the plugin, and of what stands behind it."""

    def __init__(self, node: "CsiNode") -> None:
        log = structlog.get_logger("test")
        self.metrics = Metrics(CollectorRegistry(), version="test", actions=())
        csi_metrics = CsiMetrics(self.metrics.registry)
        report = VolumeReport(csi_metrics, log)
        self.doors = RealDoors(self._listener)
        self.volumes = PodVolumes(
            self.doors,
            TargetDirectories(node.kubelet),
            KeptVolumes(VolumeFile(node.state), report),
            report,
            limits=VolumeLimits(str(node.kubelet), 512, per_pod=4, republish_seconds=200),
            clock=time.monotonic,
        )
        csi_metrics.publish(lambda: self.volumes.count)
        self.plugin = CsiPlugin(
            self.volumes,
            self._listener,
            log,
            socket=node.socket,
            registration_socket=node.registration,
            node="node-1",
            version="1.2.3",
            on_change=lambda: None,
            sleep=node.sleep,
        )

    def _listener(self, name: str, place: Place, register: Any) -> Listener:
        log = structlog.get_logger("test")
        chain = Chain(message_bytes=LIMITS.message_bytes, metrics=self.metrics, log=log)
        interceptor = OccupantInterceptor(
            Always(WRITER),
            methods=Methods(register, chain),
            admissions=Admissions(LIMITS),
            metrics=self.metrics,
            clock=time.monotonic,
        )
        options = channel_options(LIMITS)
        return Listener(name, place, interceptor=interceptor, options=options)

    def count(self, result: str) -> float:
        """Publishes with that result."""
        labels = {"result": result}
        return self.metrics.registry.get_sample_value("governd_csi_publishes_total", labels) or 0

    def patience(self, seconds: float) -> None:
        """Sets how long kubelet may be silent."""
        limits = replace(self.volumes._limits, republish_seconds=seconds)
        self.volumes._limits = limits

    async def die(self) -> None:
        """Leaves sockets and state as a process that is killed does."""
        for _, listener in [*self.doors.open_doors.values()]:
            await _abandon(listener)
        for listener in self.plugin.listeners:
            await _abandon(listener)

    async def drain(self) -> None:
        """As on SIGTERM."""
        await self.plugin.drain(1.0)
        for _, listener in [*self.doors.open_doors.values()]:
            await listener.drain(1.0)

    async def stop(self) -> None:
        """Closes everything at once."""
        await self.plugin.stop()
        for name in [*self.doors.open_doors]:
            await self.doors.close(name)


async def _abandon(listener: Listener) -> None:
    """Stops answering, with the path left as it is."""
    listener._bound = None
    await listener.stop()


@dataclass
class CsiNode:
    """A node.

    Attributes:
        root: All that follows is in it.
        governds: Those that were started.
    """

    root: Path
    governds: list[Governd] = field(default_factory=list)
    sleep: Callable[[float], Awaitable[None]] = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Makes kubelet's directories, and governd's."""
        self.kubelet = self.root / "kubelet"
        self.state = self.root / "state"
        self.socket = self.kubelet / "plugins" / "csi.governd.io" / "csi.sock"
        self.registration = self.kubelet / "plugins_registry" / "csi.governd.io-reg.sock"
        for folder in (self.state, self.kubelet / "pods", self.registration.parent):
            folder.mkdir(parents=True, mode=0o750)

    async def start(self) -> Governd:
        """Starts a governd on this node."""
        governd = Governd(self)
        self.governds.append(governd)
        await governd.plugin.start()
        return governd

    def path(self, target: Target) -> Path:
        """Where a volume is to be."""
        return Path(target.path(str(self.kubelet)))

    def prepare(self, of: Volume) -> Path:
        """Makes what kubelet makes before it asks for a volume; the target path."""
        path = self.path(of.target)
        path.parent.mkdir(parents=True, mode=0o750, exist_ok=True)
        return path

    def request(self, of: Volume, **other: Any) -> csi_pb2.NodePublishVolumeRequest:
        """What kubelet asks for, with something else in place of it."""
        mount = csi_pb2.VolumeCapability.MountVolume()
        mode = csi_pb2.VolumeCapability.AccessMode(mode=WRITER_MODE)
        fields: dict[str, Any] = {
            "volume_id": of.id,
            "target_path": str(self.path(of.target)),
            "volume_capability": csi_pb2.VolumeCapability(mount=mount, access_mode=mode),
            "readonly": True,
            "volume_context": context(of.pod),
        }
        return csi_pb2.NodePublishVolumeRequest(**{**fields, **other})

    async def publish(self, of: Volume | None = None, **other: Any) -> Path:
        """Does what kubelet does for a pod that starts; the target path."""
        of = of or volume()
        path = self.prepare(of)
        async with self.channel(self.socket) as channel:
            await NodeStub(channel).NodePublishVolume(self.request(of, **other), timeout=5)
        return path

    async def unpublish(self, of: Volume | None = None, path: str | None = None) -> None:
        """Does what kubelet does for a pod that ends."""
        of = of or volume()
        request = csi_pb2.NodeUnpublishVolumeRequest(
            volume_id=of.id, target_path=str(self.path(of.target)) if path is None else path
        )
        async with self.channel(self.socket) as channel:
            await NodeStub(channel).NodeUnpublishVolume(request, timeout=5)

    def channel(self, path: Path) -> "ShortChannel":
        """A channel to a socket, however long its path is."""
        return ShortChannel(path)

    async def call_as_pod(self, of: Volume | None = None, text: str = "hello") -> str:
        """Does what a pod does: calls at the socket in its volume."""
        path = self.path((of or volume()).target) / SOCKET
        async with self.channel(path) as channel:
            return await ask(channel, text)


class ShortChannel:
    """A channel to a socket that is reached through its directory: as from within a pod."""

    def __init__(self, path: Path) -> None:
        self._directory = os.open(path.parent, os.O_PATH)
        target = f"unix:/proc/self/fd/{self._directory}/{path.name}"
        local = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(target, options=local)

    async def __aenter__(self) -> grpc.aio.Channel:
        """The channel."""
        return self._channel

    async def __aexit__(self, *_: object) -> None:
        """Closes it."""
        await self._channel.close()
        os.close(self._directory)
