"""Kubelet's publishes against a real plugin on a real file system."""

import asyncio
import os
import socket
import stat
from typing import Any

import grpc
import grpc.aio
import pytest

from governd._proto.csi.v1 import csi_pb2
from governd.endpoints.csi.targets import SOCKET
from governd.pods import pod as keys
from governd.pods.volume import Volume
from tests.integration.endpoints.csi_node import WRITER_MODE, CsiNode, Governd, NodeStub
from tests.integration.endpoints.doors import message, read, refused, stream
from tests.pod_volumes import OTHER_POD, OTHER_UID, POD, context, target, volume

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


def nothing_made(node: CsiNode) -> bool:
    """Whether no volume of any pod has a target directory."""
    return not list(node.kubelet.glob("pods/*/volumes/*/*/mount"))


@pytest.mark.req("sa-4", part=True)
async def test_a_pod_calls_at_its_own_socket_and_is_who_kubelet_said(
    node: CsiNode, governd: Governd
) -> None:
    path = await node.publish()
    assert await node.call_as_pod() == f"{volume().workload().name} hello"
    ((workload, _),) = governd.doors.open_doors.values()
    assert workload == volume().workload()
    assert [one.name for one in path.iterdir()] == [SOCKET]


async def test_every_user_of_the_pod_reaches_the_socket_and_none_can_change_it(
    node: CsiNode, governd: Governd
) -> None:
    before = os.umask(0o077)
    try:
        path = await node.publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert stat.S_IMODE((path / SOCKET).stat().st_mode) == 0o666


async def test_a_path_longer_than_a_sockets_address_works(node: CsiNode, governd: Governd) -> None:
    assert len(str(await node.publish(volume(name="a" * 63)))) > 108
    assert await node.call_as_pod(volume(name="a" * 63))


async def test_publish_is_idempotent_and_live_calls_go_on(node: CsiNode, governd: Governd) -> None:
    path = await node.publish()
    inode = (path / SOCKET).stat().st_ino
    for _ in range(3):
        await node.publish()
    assert (path / SOCKET).stat().st_ino == inode
    assert (governd.count("opened"), governd.count("again")) == (1, 3)


async def test_publish_puts_back_a_socket_that_somebody_removed(
    node: CsiNode, governd: Governd
) -> None:
    path = await node.publish()
    (path / SOCKET).unlink()
    await node.publish()
    assert await node.call_as_pod()
    (path / SOCKET).unlink()
    path.rmdir()
    await node.publish()
    assert await node.call_as_pod()
    assert governd.count("repaired") == 2


async def test_two_volumes_of_a_pod_have_two_sockets(node: CsiNode, governd: Governd) -> None:
    one, two = volume(name="one"), volume(name="two")
    await asyncio.gather(node.publish(one), node.publish(two))
    await node.unpublish(one)
    assert await node.call_as_pod(two)
    assert not node.path(one.target).exists()


def capability(**fields: Any) -> csi_pb2.VolumeCapability:
    mode = csi_pb2.VolumeCapability.AccessMode(mode=fields.pop("mode", WRITER_MODE))
    if "block" in fields:
        return csi_pb2.VolumeCapability(block=fields["block"], access_mode=mode)
    mount = csi_pb2.VolumeCapability.MountVolume(**fields)
    return csi_pb2.VolumeCapability(mount=mount, access_mode=mode)


REFUSED: dict[str, dict[str, Any]] = {
    "a writable volume": {"readonly": False},
    "forged pod info": {"volume_context": context(OTHER_POD)},
    "pod info of nobody": {"volume_context": {keys.EPHEMERAL: "true"}},
    "an attribute of the author": {"volume_context": {**context(), "socket": "/run/x"}},
    "not inline": {"volume_context": {**context(), keys.EPHEMERAL: "false"}},
    "no context": {"volume_context": {}},
    "secrets": {"secrets": {"token": "hush"}},
    "a publish context": {"publish_context": {"a": "b"}},
    "a staging path": {"staging_target_path": "/var/lib/kubelet/x"},
    "no capability": {"volume_capability": None},
    "a block device": {"volume_capability": capability(block={})},
    "a file system": {"volume_capability": capability(fs_type="ext4")},
    "mount flags": {"volume_capability": capability(mount_flags=["suid"])},
    "a volume group": {"volume_capability": capability(volume_mount_group="0")},
    "read by many nodes": {"volume_capability": capability(mode=3)},
    "a mode of the future": {"volume_capability": capability(mode=77)},
    "no volume id": {"volume_id": ""},
    "no target": {"target_path": ""},
    "the root": {"target_path": "/"},
}


@pytest.mark.parametrize("other", REFUSED.values(), ids=REFUSED)
async def test_what_kubelet_does_not_ask_for_is_refused_and_nothing_is_made(
    node: CsiNode, governd: Governd, other: dict[str, Any]
) -> None:
    found = await refused(node.publish(**other))
    assert found.code is INVALID
    assert found.reason == "REQUEST_INVALID"
    assert found.metadata["field"]
    assert nothing_made(node)
    assert governd.count("refused") == 1
    assert not governd.doors.open_doors


async def test_a_refusal_says_nothing_of_secrets(
    node: CsiNode, governd: Governd, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await node.publish(secrets={"token": "hush-hush"})
    assert "hush-hush" not in str(error.value)
    assert "hush-hush" not in "".join(capfd.readouterr())


async def test_attack_a_publish_for_another_pods_uid(node: CsiNode, governd: Governd) -> None:
    """A's words at B's target, and the other way round."""
    node.prepare(volume(OTHER_POD))
    other = str(node.path(target(OTHER_UID)))
    assert (await refused(node.publish(target_path=other))).code is INVALID
    assert nothing_made(node)


async def test_attack_the_same_target_for_another_service_account(
    node: CsiNode, governd: Governd
) -> None:
    await node.publish()
    admin = {**context(), keys.SERVICE_ACCOUNT: "admin"}
    found = await refused(node.publish(volume_context=admin))
    assert found.code is PRECONDITION
    assert found.reason == "VOLUME_REFUSED"
    assert await node.call_as_pod() == f"{volume().workload().name} hello"


@pytest.mark.parametrize(
    "spoil", ["{k}/pods/../etc", "{k}/pods/{u}/../{u}", "{k}/pods/{u}/%2e", "{k}//pods/{u}", "/etc"]
)
async def test_attack_a_target_outside(node: CsiNode, governd: Governd, spoil: str) -> None:
    start = spoil.format(k=node.kubelet, u=POD.uid)
    path = f"{start}/volumes/kubernetes.io~csi/governd/mount"
    assert (await refused(node.publish(target_path=path))).code is INVALID
    assert (await refused(node.unpublish(path=path))).code is INVALID
    assert nothing_made(node)


STEPS = ["pods", "uid", "volumes", "kubernetes.io~csi", "name", "mount"]


@pytest.mark.parametrize("step", range(1, 6), ids=STEPS[1:])
async def test_attack_a_symlink_in_the_target_path(
    node: CsiNode, governd: Governd, step: int
) -> None:
    """Whatever step is a link, even to a good directory: nothing is made where it leads."""
    path = node.prepare(volume())
    if STEPS[step] == "mount":
        path.mkdir()
    steps = [path, *path.parents][5 - step]
    elsewhere = node.root / "elsewhere"
    steps.rename(elsewhere)
    steps.symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    found = await refused(node.publish())
    assert found.code is PRECONDITION
    assert sorted(elsewhere.rglob("*")) == before
    assert not governd.doors.open_doors


async def test_attack_a_link_at_the_sockets_name(node: CsiNode, governd: Governd) -> None:
    path = node.prepare(volume())
    path.mkdir()
    (path / SOCKET).symlink_to(node.state / "bait")
    assert (await refused(node.publish())).code is PRECONDITION
    assert not (node.state / "bait").exists()


async def test_a_file_at_the_sockets_name_is_not_replaced(node: CsiNode, governd: Governd) -> None:
    path = node.prepare(volume())
    path.mkdir()
    (path / SOCKET).write_text("not a socket")
    assert (await refused(node.publish())).code is PRECONDITION
    assert (path / SOCKET).read_text() == "not a socket"


async def test_attack_somebody_elses_socket_answers_in_the_target(
    node: CsiNode, governd: Governd
) -> None:
    path = node.prepare(volume())
    path.mkdir()
    descriptor = os.open(path, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(f"/proc/self/fd/{descriptor}/{SOCKET}")
        live.listen()
        assert (await refused(node.publish())).code is PRECONDITION
    os.close(descriptor)
    await node.publish()  # it is dead now, and ours
    assert await node.call_as_pod()


async def test_a_directory_that_kubelet_did_not_make_is_not_made(
    node: CsiNode, governd: Governd
) -> None:
    async with node.channel(node.socket) as channel:
        call = NodeStub(channel).NodePublishVolume(node.request(volume()), timeout=5)
        assert (await refused(call)).code is PRECONDITION
    assert not list((node.kubelet / "pods").iterdir())


async def test_attack_a_pod_with_a_thousand_volumes(node: CsiNode, governd: Governd) -> None:
    for number in range(4):
        await node.publish(volume(name=f"v{number}"))
    found = await refused(node.publish(volume(name="v4")))
    assert found.code is PRECONDITION
    await node.publish(volume(OTHER_POD))


async def test_an_unpublish_leaves_nothing_and_ends_calls(node: CsiNode, governd: Governd) -> None:
    path = await node.publish()
    async with node.channel(path / SOCKET) as channel:
        call = stream(channel)
        await call.write(message("a"))
        assert await read(call)
        await node.unpublish()
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
    assert not path.exists()
    assert path.parent.exists()  # kubelet's own
    assert not governd.doors.open_doors
    await node.unpublish()


async def test_an_unpublish_follows_no_link_and_removes_what_is_there(
    node: CsiNode, governd: Governd
) -> None:
    path = await node.publish()
    bait = node.root / "bait"
    (bait / "folder").mkdir(parents=True)
    (bait / "file").write_text("keep me")
    (path / "folder").mkdir()
    (path / "folder" / "file").write_text("x")
    (path / "to-folder").symlink_to(bait)
    (path / "folder" / "to-file").symlink_to(bait / "file")
    (path / "dangling").symlink_to("/nowhere")
    os.mkfifo(path / "fifo")
    await node.unpublish()
    assert not path.exists()
    assert (bait / "file").read_text() == "keep me"
    assert (bait / "folder").is_dir()


async def test_a_link_in_place_of_the_target_is_removed_and_not_followed(
    node: CsiNode, governd: Governd
) -> None:
    path = node.prepare(volume())
    bait = node.root / "bait"
    bait.mkdir()
    (bait / "file").touch()
    path.symlink_to(bait)
    await node.unpublish()
    assert not path.is_symlink()
    assert (bait / "file").exists()


@pytest.mark.parametrize("step", range(1, 5), ids=STEPS[1:5])
async def test_attack_an_unpublish_through_a_link(
    node: CsiNode, governd: Governd, step: int
) -> None:
    path = node.prepare(volume())
    path.mkdir()
    (path / "file").touch()
    link = [path, *path.parents][5 - step]
    elsewhere = node.root / "elsewhere"
    link.rename(elsewhere)
    link.symlink_to(elsewhere)
    assert (await refused(node.unpublish())).code is PRECONDITION
    assert list(elsewhere.rglob("file"))


async def test_what_governd_never_made_is_removed_by_asking_again(
    node: CsiNode, governd: Governd
) -> None:
    """However much and however deep: a pod whose volume cannot be removed never ends."""
    path = await node.publish()
    (path / "/".join("d" * 12)).mkdir(parents=True)
    for number in range(1100):
        (path / str(number)).touch()
    assert (await refused(node.unpublish())).code is PRECONDITION
    assert not governd.doors.open_doors
    await node.unpublish()
    assert not path.exists()


async def test_attack_an_unpublish_under_another_volume_id(node: CsiNode, governd: Governd) -> None:
    await node.publish()
    other = Volume("csi-other", "governd", POD)
    found = await refused(node.unpublish(other))
    assert (found.code, found.metadata["field"]) == (PRECONDITION, "volume_id")
    assert await node.call_as_pod()


async def test_a_volume_of_a_pod_that_ended_while_governd_was_away_is_removed(
    node: CsiNode, governd: Governd
) -> None:
    path = node.prepare(volume())
    path.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        descriptor = os.open(path, os.O_PATH)
        left.bind(f"/proc/self/fd/{descriptor}/{SOCKET}")
        os.close(descriptor)
    await node.unpublish()
    assert not path.exists()
