"""The plugin's life: found by kubelet, restarted, drained, and reached by nobody else."""

import asyncio
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from governd._proto.csi.v1 import csi_pb2, csi_pb2_grpc
from governd._proto.pluginregistration.v1 import api_pb2, api_pb2_grpc
from governd.adapters.volume_file import NAME
from governd.endpoints.csi.plugin import keep_private
from governd.endpoints.csi.targets import SOCKET
from governd.errors import ListenerError
from governd.pods.pod import Pod
from governd.pods.volume import write_volumes
from tests.integration.endpoints.csi_node import CsiNode, Governd
from tests.integration.endpoints.doors import message, read, refused, stream, unary, until
from tests.parts import as_root
from tests.pod_volumes import OTHER_POD, volume

if TYPE_CHECKING:
    IdentityStub = csi_pb2_grpc.IdentityAsyncStub
    NodeStub = csi_pb2_grpc.NodeAsyncStub
    RegistrationStub = api_pb2_grpc.RegistrationAsyncStub
else:
    IdentityStub = csi_pb2_grpc.IdentityStub
    NodeStub = csi_pb2_grpc.NodeStub
    RegistrationStub = api_pb2_grpc.RegistrationStub

UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
NOBODY = 65534


async def test_kubelet_learns_which_plugin_it_is(node: CsiNode, governd: Governd) -> None:
    async with node.channel(node.socket) as channel:
        identity, of_node = IdentityStub(channel), NodeStub(channel)
        info = await identity.GetPluginInfo(csi_pb2.GetPluginInfoRequest())
        assert (info.name, info.vendor_version) == ("csi.governd.io", "1.2.3")
        can = await identity.GetPluginCapabilities(csi_pb2.GetPluginCapabilitiesRequest())
        assert can == csi_pb2.GetPluginCapabilitiesResponse()
        assert (await identity.Probe(csi_pb2.ProbeRequest())).ready.value
        told = await of_node.NodeGetInfo(csi_pb2.NodeGetInfoRequest())
        assert told.node_id == "node-1"
        can_node = await of_node.NodeGetCapabilities(csi_pb2.NodeGetCapabilitiesRequest())
        assert can_node == csi_pb2.NodeGetCapabilitiesResponse()


@pytest.mark.parametrize(
    "method",
    [
        "/csi.v1.Node/NodeStageVolume",
        "/csi.v1.Node/NodeUnstageVolume",
        "/csi.v1.Node/NodeGetVolumeStats",
        "/csi.v1.Node/NodeExpandVolume",
        "/csi.v1.Controller/CreateVolume",
        "/csi.v1.GroupController/GroupControllerGetCapabilities",
        "/governd.v1.AdminService/Status",
    ],
)
async def test_everything_else_is_unimplemented(
    node: CsiNode, governd: Governd, method: str
) -> None:
    async with node.channel(node.socket) as channel:
        assert (await refused(unary(channel, method)(b""))).code is UNIMPLEMENTED


async def test_bytes_that_are_no_request_are_refused(node: CsiNode, governd: Governd) -> None:
    async with node.channel(node.socket) as channel:
        publish = unary(channel, "/csi.v1.Node/NodePublishVolume")
        for junk in (b"\xff\xff", b"\x0a\x02\xc3\x28", b"x" * 10_000):
            found = await refused(publish(junk))
            assert found.reason in {"REQUEST_INVALID", "MESSAGE_TOO_LARGE"}


async def test_kubelet_finds_the_plugin_and_says_that_it_took_it(
    node: CsiNode, governd: Governd
) -> None:
    assert "not registered" in governd.plugin.component().detail
    async with node.channel(node.registration) as channel:
        stub = RegistrationStub(channel)
        info = await stub.GetInfo(api_pb2.GetInfoRequest())
        assert (info.type, info.name) == ("CSIPlugin", "csi.governd.io")
        assert info.endpoint == str(node.socket)
        assert list(info.supported_versions) == ["1.0.0"]
        good = api_pb2.NotifyRegistrationStatusRequest(plugin_registered=True)
        await stub.NotifyRegistrationStatus(good)
        found = governd.plugin.component()
        assert (found.ready, found.detail) == (True, "0 pod sockets")
        bad = api_pb2.NotifyRegistrationStatusRequest(error="no such version")
        await stub.NotifyRegistrationStatus(bad)
    found = governd.plugin.component()
    assert not found.ready
    assert "no such version" in found.detail


async def test_the_sockets_are_roots_alone(node: CsiNode, governd: Governd) -> None:
    assert stat.S_IMODE(node.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(node.registration.stat().st_mode) == 0o600
    assert stat.S_IMODE(node.socket.parent.stat().st_mode) == 0o700


async def test_a_directory_that_others_could_enter_is_closed(node: CsiNode) -> None:
    """A hostPath volume of type DirectoryOrCreate has mode 0755."""
    node.socket.parent.mkdir(parents=True)
    node.socket.parent.chmod(0o755)
    await node.start()
    assert stat.S_IMODE(node.socket.parent.stat().st_mode) == 0o700


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ListenerError):
        keep_private(tmp_path / "link")
    (tmp_path / "file").touch()
    with pytest.raises(ListenerError):
        keep_private(tmp_path / "file")


def connects_as_nobody(path: Path) -> bool:
    """Whether a process of another user gets a connection to a socket."""
    directory = os.open(path.parent, os.O_PATH)
    where = f"/proc/self/fd/{directory}/{path.name}"
    program = f"import socket; socket.socket(socket.AF_UNIX).connect({where!r})"
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or "python3"
    user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    done = subprocess.run(
        ["setpriv", *user, python, "-c", program],
        pass_fds=[directory],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(directory)
    assert not done.returncode or "PermissionError" in done.stderr, done.stderr
    return done.returncode == 0


@as_root
async def test_attack_a_call_on_the_csi_socket_by_another_user(
    node: CsiNode, governd: Governd
) -> None:
    await node.publish()
    pods_socket = node.path(volume().target) / SOCKET
    assert await asyncio.to_thread(connects_as_nobody, pods_socket)  # by a pod's any user
    for path in (node.socket, node.registration):
        path.parent.chmod(0o755)  # even if it were open
        assert not await asyncio.to_thread(connects_as_nobody, path)


@as_root
async def test_attack_a_pods_socket_is_not_reached_through_kubelets_directory(
    node: CsiNode, governd: Governd
) -> None:
    await node.publish()
    (node.kubelet / "pods").chmod(0o750)
    path = node.path(volume().target) / SOCKET
    program = ("stat", str(path))
    user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    done = await asyncio.to_thread(
        subprocess.run, ["setpriv", *user, *program], capture_output=True, check=False
    )
    assert done.returncode


@pytest.mark.parametrize("which", ["socket", "registration"])
async def test_a_socket_that_was_removed_is_put_back(node: CsiNode, which: str) -> None:
    looked = asyncio.Event()

    async def look(_seconds: float) -> None:
        await looked.wait()
        looked.clear()

    node.sleep = look
    governd = await node.start()
    path = node.socket if which == "socket" else node.registration
    tending = asyncio.ensure_future(governd.plugin.tend())
    for folder in (None, path.parent):
        path.unlink()
        if folder is not None and which == "socket":
            folder.rmdir()
        looked.set()
        await until(path.exists)
        async with node.channel(path) as channel:
            await refused(unary(channel, "/a.B/C")(b""))
    tending.cancel()


@pytest.mark.req("lc-3", part=True)
async def test_a_drain_takes_both_sockets_away_and_keeps_what_is_published_on_record(
    node: CsiNode, governd: Governd
) -> None:
    await node.publish()
    await governd.drain()
    assert not node.socket.exists()
    assert not node.registration.exists()
    assert b"writer-0" in (node.state / NAME).read_bytes()


async def test_nothing_is_put_back_in_a_drain(node: CsiNode) -> None:
    looks = 0

    async def look(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.01)

    node.sleep = look
    governd = await node.start()
    tending = asyncio.ensure_future(governd.plugin.tend())
    await governd.drain()
    before = looks
    await until(lambda: looks > before + 2)
    assert not node.socket.exists()
    tending.cancel()


@pytest.mark.req("avail-2", part=True)
@pytest.mark.parametrize("how", ["die", "drain"])
async def test_after_a_restart_pods_have_their_sockets_before_kubelet_says_a_word(
    node: CsiNode, how: str
) -> None:
    volumes = [volume(), volume(OTHER_POD), volume(name="second")]
    first = await node.start()
    for one in volumes:
        await node.publish(one)
    await getattr(first, how)()
    await node.start()
    for one in volumes:
        assert await node.call_as_pod(one) == f"{one.workload().name} hello"
    assert not list(node.kubelet.glob("pods/*/volumes/*/*/mount/.governd-*"))


async def test_after_a_restart_a_republish_changes_nothing(node: CsiNode) -> None:
    await (await node.start()).stop()
    first = await node.start()
    await node.publish()
    await first.die()
    second = await node.start()
    await node.publish()
    assert (second.count("again"), second.count("opened")) == (1, 0)


async def test_a_pod_that_ended_while_governd_was_away_is_forgotten(node: CsiNode) -> None:
    first = await node.start()
    path = await node.publish()
    await first.die()
    shutil.rmtree(path)
    second = await node.start()
    assert not second.doors.open_doors
    assert b"writer-0" not in (node.state / NAME).read_bytes()


async def test_state_that_is_corrupt_is_told_and_kubelet_brings_pods_back(
    node: CsiNode, capfd: pytest.CaptureFixture[str]
) -> None:
    first = await node.start()
    await node.publish()
    await first.die()
    (node.state / NAME).write_bytes(b'{"format":1}')
    second = await node.start()
    assert not second.doors.open_doors
    assert "cannot be restored" in "".join(capfd.readouterr())
    await node.publish()
    assert await node.call_as_pod()


@pytest.mark.req("sa-4", part=True)
async def test_attack_a_list_with_other_facts_ends_when_kubelet_speaks(
    node: CsiNode, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever could write the list, or whatever was wrong with it: kubelet knows its pods."""
    node.prepare(volume()).mkdir()
    admin = Pod("kube-system", "writer-0", volume().pod.uid, "admin")
    kept = node.state / NAME
    kept.write_bytes(write_volumes([volume(admin)]))
    kept.chmod(0o600)
    governd = await node.start()
    assert await node.call_as_pod() == f"{volume(admin).workload().name} hello"
    async with node.channel(node.path(volume().target) / SOCKET) as channel:
        call = stream(channel)
        await call.write(message("a"))
        assert await read(call)
        await node.publish()
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
    assert await node.call_as_pod() == f"{volume().workload().name} hello"
    assert len(governd.doors.open_doors) == 1
    assert "is not as kubelet says" in "".join(capfd.readouterr())


async def test_what_kubelet_does_not_ask_for_once_it_knows_the_plugin_is_dropped(
    node: CsiNode,
) -> None:
    first = await node.start()
    path = await node.publish()
    await first.die()
    second = await node.start()
    second.patience(0.0)
    await second.volumes.sweep()
    assert await node.call_as_pod()
    async with node.channel(node.registration) as channel:
        bad = api_pb2.NotifyRegistrationStatusRequest(error="no such version")
        await RegistrationStub(channel).NotifyRegistrationStatus(bad)
        await second.volumes.sweep()
        assert await node.call_as_pod()
        good = api_pb2.NotifyRegistrationStatusRequest(plugin_registered=True)
        await RegistrationStub(channel).NotifyRegistrationStatus(good)
    await second.volumes.sweep()
    assert not second.doors.open_doors
    assert path.exists()  # kubelet's to remove


async def test_a_drain_of_the_two_sockets_takes_its_grace_once(
    node: CsiNode, governd: Governd, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Barrier(len(governd.plugin.listeners))

    async def drain(_grace: float) -> int:
        await begun.wait()  # for ever, if one came after the other
        return 1

    for listener in governd.plugin.listeners:
        monkeypatch.setattr(listener, "drain", drain)
    async with asyncio.timeout(5):
        assert await governd.plugin.drain(1.0) == len(governd.plugin.listeners)
