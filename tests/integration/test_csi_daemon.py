"""A whole governd with the CSI plugin: kubelet's calls, pods' calls, and its end and return."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import grpc
import pytest

from governd._proto.csi.v1 import csi_pb2, csi_pb2_grpc
from governd._proto.governd.v1 import (
    admin_service_pb2,
    identity_service_pb2,
    identity_service_pb2_grpc,
)
from governd.pods.pod import Pod
from governd.pods.target import Target
from governd.pods.volume import Volume
from tests.integration.attested_daemon import (
    TEMPLATE,
    component,
    identity_section,
    operator,
    until,
)
from tests.integration.daemon_process import DaemonProcess, StartGovernd
from tests.mtls_parts import own_entries
from tests.pod_volumes import OTHER_POD, POD, context, volume
from tests.spire_parts import Entry, StartSpire

MEMORY_BYTES = 4_000_000
STAND_IN = "spiffe://example.org/ns/shop/sa/writer"
IDENTITY = f'[identity]\nsource = "embedded"\n{TEMPLATE}'
READY, WAITING = identity_service_pb2.PHASE_READY, identity_service_pb2.PHASE_WAITING


@contextmanager
def channel(path: Path) -> Iterator[grpc.Channel]:
    """A channel to a socket, however long its path is."""
    directory = os.open(path.parent, os.O_PATH)
    local = [("grpc.use_local_subchannel_pool", 1)]
    try:
        with grpc.insecure_channel(f"unix:/proc/self/fd/{directory}/{path.name}", local) as found:
            yield found
    finally:
        os.close(directory)


class Node:
    """Kubelet's directory, and kubelet's and pods' calls to a governd."""

    def __init__(self, kubelet: Path) -> None:
        self.kubelet = kubelet
        self.socket = kubelet / "plugins" / "csi.governd.io" / "csi.sock"
        self.registration = kubelet / "plugins_registry" / "csi.governd.io-reg.sock"
        for folder in (kubelet / "pods", self.registration.parent):
            folder.mkdir(parents=True, mode=0o750)

    @property
    def settings(self) -> str:
        return f'[csi]\nenabled = true\nkubelet_directory = "{self.kubelet}"\n'

    def path(self, target: Target) -> Path:
        return Path(target.path(str(self.kubelet)))

    def publish(self, of: Volume) -> None:
        path = self.path(of.target)
        path.parent.mkdir(parents=True, exist_ok=True)
        capability = csi_pb2.VolumeCapability(
            mount=csi_pb2.VolumeCapability.MountVolume(),
            access_mode=csi_pb2.VolumeCapability.AccessMode(
                mode=csi_pb2.VolumeCapability.AccessMode.SINGLE_NODE_WRITER
            ),
        )
        request = csi_pb2.NodePublishVolumeRequest(
            volume_id=of.id,
            target_path=str(path),
            volume_capability=capability,
            readonly=True,
            volume_context=context(of.pod),
        )
        with channel(self.socket) as kubelets:
            csi_pb2_grpc.NodeStub(kubelets).NodePublishVolume(request, timeout=10)

    def unpublish(self, of: Volume) -> None:
        path = str(self.path(of.target))
        request = csi_pb2.NodeUnpublishVolumeRequest(volume_id=of.id, target_path=path)
        with channel(self.socket) as kubelets:
            csi_pb2_grpc.NodeStub(kubelets).NodeUnpublishVolume(request, timeout=10)

    def who_am_i(self, of: Volume) -> Any:
        """Who the pod is, as the pod hears it."""
        with channel(self.path(of.target) / "governd.sock") as pods:
            stub = identity_service_pb2_grpc.IdentityServiceStub(pods)
            return stub.WhoAmI(
                identity_service_pb2.WhoAmIRequest(), timeout=10, wait_for_ready=True
            )

    def is_back(self, of: Volume) -> bool:
        """Whether the pod is answered."""
        try:
            return bool(self.who_am_i(of).spiffe_id)
        except (grpc.RpcError, OSError):
            return False


@pytest.fixture
def node(tmp_path: Path) -> Node:
    tmp_path.chmod(0o755)
    return Node(tmp_path / "kubelet")


@pytest.fixture
def daemon(governd: StartGovernd, node: Node) -> DaemonProcess:
    return governd(f"{IDENTITY}{node.settings}", listeners={})


@pytest.mark.req("sa-4", part=True)
def test_a_pod_is_who_spire_says_for_what_kubelet_said(
    governd: StartGovernd, start_spire: StartSpire, node: Node
) -> None:
    spire = start_spire()
    writer = ("k8s:ns:shop", "k8s:sa:writer", "k8s:pod-name:writer-0")
    spire.server.create(*own_entries(), Entry("/writer", writer))
    governd(f"{identity_section(spire)}{node.settings}", listeners={})
    node.publish(volume())
    node.publish(volume(OTHER_POD))
    until(lambda: node.who_am_i(volume()).spiffe_id == "spiffe://example.org/writer")
    answer = node.who_am_i(volume())
    assert answer.phase == READY
    assert answer.facts["pod_name"] == "writer-0"
    assert node.who_am_i(volume(OTHER_POD)).phase == WAITING
    assert not node.who_am_i(volume(OTHER_POD)).spiffe_id


@pytest.mark.req("avail-2", part=True)
def test_after_kill_minus_9_pods_are_answered_on_the_same_paths(
    daemon: DaemonProcess, node: Node
) -> None:
    for one in (volume(), volume(OTHER_POD)):
        node.publish(one)
    killed = daemon.daemon_pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: node.is_back(volume()) and node.is_back(volume(OTHER_POD)))
    assert node.who_am_i(volume()).spiffe_id == STAND_IN
    until(node.registration.exists)
    node.unpublish(volume())
    assert not node.path(volume().target).exists()


@pytest.mark.req("lc-3", part=True)
@pytest.mark.req("lc-5", part=True)
def test_on_sigterm_kubelet_loses_sight_of_it_and_its_successor_has_the_pods_back(
    daemon: DaemonProcess, node: Node
) -> None:
    node.publish(volume())
    assert daemon.stop() == 0
    assert not node.registration.exists()
    assert not node.socket.exists()
    assert not (node.path(volume().target) / "governd.sock").exists()
    daemon.start()
    assert node.is_back(volume())


def test_the_operator_sees_the_plugin(daemon: DaemonProcess, node: Node) -> None:
    node.publish(volume())
    found = component(daemon, "csi")
    assert found.ready
    assert found.detail.startswith("1 pod sockets")


def test_what_is_gone_leaves_nothing_behind(daemon: DaemonProcess, node: Node) -> None:
    node.publish(volume())
    assert node.is_back(volume())
    node.unpublish(volume())
    assert component(daemon, "csi").detail.startswith("0 pod sockets")
    assert "writer-0" not in (daemon.state_directory / "volumes.json").read_text()


def pod(number: int) -> Pod:
    return Pod("shop", f"writer-{number}", f"{number:08x}-2222-4333-8444-555555555555", "writer")


def identities(daemon: DaemonProcess) -> int:
    """For how many workloads identities are held."""
    with operator(daemon) as admin:
        answer = admin.ListIdentities(admin_service_pb2.ListIdentitiesRequest(), timeout=10)
        return len(answer.identities)


def held(daemon: DaemonProcess) -> dict[str, int]:
    """What the daemon has open, and what it holds for workloads."""
    process = Path("/proc", str(daemon.daemon_pid))
    return {
        "descriptors": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
        "identities": identities(daemon),
    }


def resident_bytes(daemon: DaemonProcess) -> int:
    statm = Path("/proc", str(daemon.daemon_pid), "statm").read_text()
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_hundred_pods_that_came_and_went_leave_nothing(daemon: DaemonProcess, node: Node) -> None:
    def come_and_go(numbers: range) -> None:
        for number in numbers:
            one = volume(pod(number))
            node.publish(one)
            assert node.who_am_i(one).spiffe_id == STAND_IN
            node.unpublish(one)

    come_and_go(range(60))  # what is made once is made
    before, memory = held(daemon), resident_bytes(daemon)
    come_and_go(range(100, 200))
    until(lambda: held(daemon) == before)
    assert resident_bytes(daemon) - memory < MEMORY_BYTES
    assert component(daemon, "csi").detail.startswith("0 pod sockets")
    assert not list(node.kubelet.glob("pods/*/volumes/*/*/mount"))


def publish_at_once(node: Node, volumes: list[Volume]) -> None:
    """Publishes all, each on a connection of its own as kubelet does."""
    together = Barrier(len(volumes))

    def publish(one: Volume) -> None:
        together.wait()
        node.publish(one)

    with ThreadPoolExecutor(len(volumes)) as threads:
        list(threads.map(publish, volumes))


def test_200_publishes_at_once_are_all_granted(daemon: DaemonProcess, node: Node) -> None:
    """As when a node comes back with all of its pods; and again, as kubelet itself does."""
    volumes = [volume(pod(number)) for number in range(200)]
    for _ in range(2):
        publish_at_once(node, volumes)
    assert component(daemon, "csi").detail.startswith("200 pod sockets")
    assert node.is_back(volumes[0])
    assert node.is_back(volumes[-1])


def test_no_limit_of_callers_keeps_kubelet_from_publishing(
    governd: StartGovernd, node: Node
) -> None:
    limits = "[limits]\ncalls_per_second = 0.1\nburst = 8\nconnections = 4\ncalls_in_flight = 1\n"
    governd(f"{IDENTITY}{node.settings}{limits}", listeners={})
    publish_at_once(node, [volume(pod(number)) for number in range(30)])


def test_the_log_says_that_it_was_kubelet(daemon: DaemonProcess, node: Node) -> None:
    node.publish(volume())
    with pytest.raises(grpc.RpcError):
        node.unpublish(replace(volume(), id="csi-other"))
    lines = {line["event"]: line for line in daemon.log() if line.get("logger") == "csi"}
    published, refused = lines["volume published"], lines["volume cannot be removed"]
    assert (published["caller"], refused["caller"]) == ("kubelet", "kubelet")
    assert (refused["pod_uid"], refused["volume"]) == (POD.uid, "governd")
