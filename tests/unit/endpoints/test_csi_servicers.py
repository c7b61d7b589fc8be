"""A request of kubelet's becomes values as it is, and nothing of it is lost on the way."""

from typing import Any

import pytest

from governd._proto.csi.v1 import csi_pb2
from governd.endpoints.csi.servicers import NodeServicer
from governd.pods.request import Capability, PublishRequest
from tests.pod_volumes import context
from tests.unit.endpoints.doubles import Context

CAN = csi_pb2.VolumeCapability


class Asked:
    """What the use case was asked for."""

    def __init__(self) -> None:
        self.published: list[PublishRequest] = []
        self.unpublished: list[tuple[str, str]] = []

    async def publish(self, request: PublishRequest) -> None:
        self.published.append(request)

    async def unpublish(self, volume_id: str, target_path: str) -> None:
        self.unpublished.append((volume_id, target_path))


async def asked(**fields: Any) -> PublishRequest:
    """What the use case is asked for."""
    use_case = Asked()
    request = csi_pb2.NodePublishVolumeRequest(**fields)
    context: Any = Context()
    await NodeServicer(use_case, "node-1").NodePublishVolume(request, context)
    (found,) = use_case.published
    return found


def capability(mode: int = 1, **mount: Any) -> csi_pb2.VolumeCapability:
    access: Any = CAN.AccessMode(mode=mode)  # type: ignore[arg-type]
    return CAN(mount=CAN.MountVolume(**mount), access_mode=access)


async def test_kubelets_request_as_it_is() -> None:
    found = await asked(
        volume_id="csi-1",
        target_path="/a",
        readonly=True,
        volume_capability=capability(),
        volume_context=context(),
    )
    assert found == PublishRequest("csi-1", "/a", True, Capability(), context())


async def test_an_empty_request_asks_for_nothing() -> None:
    assert await asked() == PublishRequest("", "", False, None, {})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (CAN(), Capability(directory=False, access_mode=0)),
        (CAN(block=CAN.BlockVolume()), Capability(directory=False, access_mode=0)),
        (capability(mode=99), Capability(access_mode=99)),
        (capability(fs_type="ext4"), Capability(options=("mount.fs_type",))),
        (capability(mount_flags=[""]), Capability(options=("mount.mount_flags",))),
        (capability(volume_mount_group="1"), Capability(options=("mount.volume_mount_group",))),
    ],
)
async def test_how_the_volume_is_to_be_used(
    given: csi_pb2.VolumeCapability, wanted: Capability
) -> None:
    assert (await asked(volume_capability=given)).capability == wanted


async def test_what_is_set_beside_that_is_named_without_its_content() -> None:
    found = await asked(
        secrets={"a": "hush"}, publish_context={"": ""}, staging_target_path="/hush"
    )
    assert sorted(found.unexpected) == ["publish_context", "secrets", "staging_target_path"]
    assert "hush" not in repr(found)


async def test_an_unpublish_as_it_is() -> None:
    use_case, context = Asked(), Context()
    request = csi_pb2.NodeUnpublishVolumeRequest(volume_id="csi-1", target_path="/a")
    ours: Any = context
    await NodeServicer(use_case, "node-1").NodeUnpublishVolume(request, ours)
    assert use_case.unpublished == [("csi-1", "/a")]
