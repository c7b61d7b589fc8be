"""Puts the CSI plugin together, for the composition root."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from governd import __version__
from governd.adapters.node_name import node_name
from governd.adapters.volume_file import VolumeFile
from governd.adapters.volume_report import VolumeReport
from governd.application.kept_volumes import KeptVolumes
from governd.application.pod_volumes import PodVolumes
from governd.application.volume_limits import VolumeLimits
from governd.application.workload_doors import WorkloadDoors
from governd.config import Config, Csi
from governd.endpoints.csi.place import WatchedPlace
from governd.endpoints.csi.plugin import CsiPlugin, MakeListener
from governd.endpoints.csi.targets import TargetDirectories
from governd.observability.csi_metrics import CsiMetrics


def csi_plugin(
    config: Config,
    doors: WorkloadDoors[WatchedPlace],
    make_listener: MakeListener,
    *,
    registry: CollectorRegistry,
    log: FilteringBoundLogger,
    on_change: Callable[[], object],
) -> CsiPlugin:
    """The plugin of the configuration's section ``csi``; nothing of it is open yet.

    Args:
        config: Says where.
        doors: Opens sockets for pods.
        make_listener: Makes those for kubelet.
        registry: Where volumes are counted.
        log: Told of them.
        on_change: Told that readiness may have changed.
    """
    section, metrics = config.csi, CsiMetrics(registry)
    report = VolumeReport(metrics, log)
    volumes = PodVolumes(
        doors,
        TargetDirectories(section.kubelet_directory),
        KeptVolumes(VolumeFile(config.state_directory), report),
        report,
        limits=_limits(section),
        clock=time.monotonic,
    )
    metrics.publish(lambda: volumes.count)
    return CsiPlugin(
        volumes,
        make_listener,
        log,
        socket=section.socket,
        registration_socket=section.registration_socket,
        node=node_name(config.identity.node),
        version=__version__,
        on_change=on_change,
    )


def _limits(section: Csi) -> VolumeLimits:
    return VolumeLimits(
        str(section.kubelet_directory),
        volumes=section.volumes,
        per_pod=section.volumes_per_pod,
        republish_seconds=section.republish_seconds,
    )
