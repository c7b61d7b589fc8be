"""What kubelet calls: CSI's Identity and Node services, and its plugin registration.

Thin: a request becomes values, one use case does the work. What is not here is answered with
UNIMPLEMENTED, as CSI wants it of a plugin without the capability.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from google.protobuf.wrappers_pb2 import BoolValue

from governd._proto.csi.v1 import csi_pb2, csi_pb2_grpc
from governd._proto.pluginregistration.v1 import api_pb2, api_pb2_grpc
from governd.config.csi import DRIVER
from governd.endpoints.handlers import Context
from governd.endpoints.methods import Register
from governd.pods.request import Capability, PublishRequest

_TYPE = "CSIPlugin"
_VERSIONS = ("1.0.0",)
"""What kubelet asks for; the plugin answers any client of CSI 1."""


class Volumes(Protocol):
    """Publishes volumes, and takes them away (``application.pod_volumes``)."""

    async def publish(self, request: PublishRequest) -> None:
        """Has a pod's socket answer in its volume."""

    async def unpublish(self, volume_id: str, target_path: str) -> None:
        """Leaves nothing of a volume."""


class IdentityServicer(csi_pb2_grpc.IdentityServicer):
    """Says which plugin this is."""

    def __init__(self, version: str) -> None:
        """Takes governd's version."""
        self._version = version

    async def GetPluginInfo(  # noqa: N802
        self, _request: csi_pb2.GetPluginInfoRequest, _context: Context
    ) -> csi_pb2.GetPluginInfoResponse:
        """Its name and version."""
        return csi_pb2.GetPluginInfoResponse(name=DRIVER, vendor_version=self._version)

    async def GetPluginCapabilities(  # noqa: N802
        self, _request: csi_pb2.GetPluginCapabilitiesRequest, _context: Context
    ) -> csi_pb2.GetPluginCapabilitiesResponse:
        """None."""
        return csi_pb2.GetPluginCapabilitiesResponse()

    async def Probe(  # noqa: N802
        self, _request: csi_pb2.ProbeRequest, _context: Context
    ) -> csi_pb2.ProbeResponse:
        """It is there."""
        return csi_pb2.ProbeResponse(ready=BoolValue(value=True))


class NodeServicer(csi_pb2_grpc.NodeServicer):
    """Publishes volumes on this node."""

    def __init__(self, volumes: Volumes, node: str) -> None:
        """Takes what does it, and the node's name."""
        self._volumes = volumes
        self._node = node

    async def NodePublishVolume(  # noqa: N802
        self, request: csi_pb2.NodePublishVolumeRequest, _context: Context
    ) -> csi_pb2.NodePublishVolumeResponse:
        """Makes the target directory, with the pod's socket in it."""
        await self._volumes.publish(_publish_request(request))
        return csi_pb2.NodePublishVolumeResponse()

    async def NodeUnpublishVolume(  # noqa: N802
        self, request: csi_pb2.NodeUnpublishVolumeRequest, _context: Context
    ) -> csi_pb2.NodeUnpublishVolumeResponse:
        """Ends the pod's socket, and removes the target directory."""
        await self._volumes.unpublish(request.volume_id, request.target_path)
        return csi_pb2.NodeUnpublishVolumeResponse()

    async def NodeGetCapabilities(  # noqa: N802
        self, _request: csi_pb2.NodeGetCapabilitiesRequest, _context: Context
    ) -> csi_pb2.NodeGetCapabilitiesResponse:
        """None."""
        return csi_pb2.NodeGetCapabilitiesResponse()

    async def NodeGetInfo(  # noqa: N802
        self, _request: csi_pb2.NodeGetInfoRequest, _context: Context
    ) -> csi_pb2.NodeGetInfoResponse:
        """The node's name."""
        return csi_pb2.NodeGetInfoResponse(node_id=self._node)


class RegistrationServicer(api_pb2_grpc.RegistrationServicer):
    """Tells kubelet of the plugin."""

    def __init__(self, socket: Path, on_status: Callable[[str], object]) -> None:
        """Takes where CSI is served, and who is told why kubelet did not take the plugin.

        ``on_status`` hears ``""`` where it did.
        """
        self._socket = socket
        self._on_status = on_status

    async def GetInfo(  # noqa: N802
        self, _request: api_pb2.GetInfoRequest, _context: Context
    ) -> api_pb2.GetInfoResponse:
        """The plugin, and where it is."""
        return api_pb2.GetInfoResponse(
            type=_TYPE, name=DRIVER, endpoint=str(self._socket), supported_versions=_VERSIONS
        )

    async def NotifyRegistrationStatus(  # noqa: N802
        self, request: api_pb2.NotifyRegistrationStatusRequest, _context: Context
    ) -> api_pb2.NotifyRegistrationStatusResponse:
        """Notes whether kubelet took it."""
        problem = "" if request.plugin_registered else request.error or "kubelet says not why"
        self._on_status(problem)
        return api_pb2.NotifyRegistrationStatusResponse()


def csi(volumes: Volumes, *, node: str, version: str) -> Sequence[Register]:
    """What the CSI socket serves."""
    return (
        functools.partial(csi_pb2_grpc.add_IdentityServicer_to_server, IdentityServicer(version)),
        functools.partial(csi_pb2_grpc.add_NodeServicer_to_server, NodeServicer(volumes, node)),
    )


def registration(socket: Path, on_status: Callable[[str], object]) -> Sequence[Register]:
    """What the registration socket serves."""
    servicer = RegistrationServicer(socket, on_status)
    return (functools.partial(api_pb2_grpc.add_RegistrationServicer_to_server, servicer),)


def _publish_request(request: csi_pb2.NodePublishVolumeRequest) -> PublishRequest:
    extra: Mapping[str, object] = {
        "publish_context": request.publish_context,
        "staging_target_path": request.staging_target_path,
        "secrets": request.secrets,
    }
    known = request.HasField("volume_capability")
    return PublishRequest(
        request.volume_id,
        request.target_path,
        request.readonly,
        _capability(request.volume_capability) if known else None,
        dict(request.volume_context),
        tuple(name for name, value in extra.items() if value),
    )


def _capability(capability: csi_pb2.VolumeCapability) -> Capability:
    return Capability(
        directory=capability.HasField("mount"),
        access_mode=capability.access_mode.mode,
        options=tuple(_options(capability.mount)),
    )


def _options(mount: csi_pb2.VolumeCapability.MountVolume) -> Iterator[str]:
    for field, value in mount.ListFields():
        if value:
            yield f"mount.{field.name}"
