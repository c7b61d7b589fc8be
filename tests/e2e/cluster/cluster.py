r"""A real Kubernetes on this machine: nodes that can fail apart, and nothing left behind.

    with running(nodes=2, images=[...], folder=folder) as cluster:
        cluster.kubectl("get", "nodes")
        cluster.nodes[1].crash()

Kubernetes' own components, containerd and runc in namespaces of their own. On the machine
itself there are one bridge, one link and one route a node, and cgroups. From the machine,
pods are reached by their addresses.
"""

import contextlib
import fcntl
import http.client
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.e2e.cluster import cgroups, settings
from tests.e2e.cluster.authority import Authority
from tests.e2e.cluster.kubectl import Kubectl, condition
from tests.e2e.cluster.node import BRIDGE, Node, end
from tests.e2e.cluster.process import run, succeeds, wait_until
from tests.parts import cache

_MOST_NODES = 4
_HOST = "10.99.0.1/24"


class ClusterInUseError(RuntimeError):
    """Somebody else's cluster is up on this machine."""


class Cluster:
    """A cluster that is up.

    Attributes:
        directory: All that it consists of.
        nodes: Its machines; the first one is the control plane, too.
        kubectl: As its administrator.
    """

    def __init__(self, directory: Path, nodes: int) -> None:
        """Writes what the components need, and starts nothing."""
        self.directory = directory
        pki = directory / "pki"
        self.nodes = [
            Node(number, directory / f"node{number}", pki) for number in range(1, nodes + 1)
        ]
        _issue(Authority(pki, settings.API), self.nodes)
        self.admin_config = pki / "admin.conf"
        self.kubectl = Kubectl(self.admin_config)
        self._trust = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._trust.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def start(self, images: Path) -> None:
        """Returns when all nodes are ready."""
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", _HOST, "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        with ThreadPoolExecutor() as pool:
            for node in self.nodes:
                node.boot([one for one in self.nodes if one is not node])
            self.nodes[0].start_control_plane()
            loads = [pool.submit(_load, node, images) for node in self.nodes]
            wait_until(self._answers, "the API server")
            self.nodes[0].start_controllers()
            for node, load in zip(self.nodes, loads, strict=True):
                load.result()
                _start_agents(node)
        for node in self.nodes:
            wait_until(partial(self.is_ready, node.name), f"{node.name} to be ready")

    def restart(self, node: Node) -> None:
        """Starts a node that crashed, and returns when its kubelet runs."""
        node.boot([one for one in self.nodes if one is not node])
        node.start_containerd()
        _start_agents(node)

    def is_ready(self, name: str) -> bool:
        """Whether Kubernetes says so of a node."""
        return condition(self.kubectl.get("node", name), "Ready")

    def _answers(self) -> bool:
        port = int(settings.API.rpartition(":")[2])
        connection = http.client.HTTPSConnection(
            settings.API_ADDRESS, port, timeout=2, context=self._trust
        )
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@contextlib.contextmanager
def running(
    nodes: int, images: Path, say: Callable[[str], None] = lambda _: None
) -> Iterator[Cluster]:
    """A cluster for as long as the block runs; what a killed run left is removed first.

    Args:
        nodes: How many machines.
        images: An archive of the images that every node has.
        say: Told what is on.

    Raises:
        ClusterInUseError: Another cluster is up.
    """
    base = cache().with_name("cluster")
    base.mkdir(parents=True, exist_ok=True)
    with (base / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another cluster is up on this machine, and holds {lock.name}"
            raise ClusterInUseError(message) from None
        directory = base / "run"
        remove(directory)
        directory.mkdir(mode=0o755)
        cluster = Cluster(directory, nodes)
        try:
            began = time.monotonic()
            cluster.start(images)
            say(f"{nodes} nodes are ready after {time.monotonic() - began:.0f} s")
            yield cluster
        finally:
            for node in cluster.nodes:
                node.crash()
            remove(directory)


def remove(directory: Path) -> None:
    """Ends whatever runs of a cluster, and removes all that there is of it."""
    for number in range(1, _MOST_NODES + 1):
        end(directory / f"node{number}")
        cgroups.remove(f"node{number}")
        succeeds("ip", "link", "delete", f"governd-node{number}")
    succeeds("ip", "link", "delete", BRIDGE)
    shutil.rmtree(directory, ignore_errors=True)


def _issue(authority: Authority, nodes: Sequence[Node]) -> None:
    service = "kubernetes.default.svc"
    names = [f"DNS:{name}" for name in ("localhost", "kubernetes", service)]
    names += [f"IP:{one}" for one in ("127.0.0.1", settings.API_SERVICE, settings.API_ADDRESS)]
    authority.server("apiserver", names)
    for node in nodes:
        names = [f"DNS:{node.name}", f"IP:{node.address}"]
        user = f"system:node:{node.name}"
        authority.server(node.name, names, group="system:nodes", user=user)
    authority.client("admin", "admin", group="system:masters")
    authority.client("manager", "system:kube-controller-manager")
    authority.client("scheduler", "system:kube-scheduler")
    authority.client("proxy", "system:kube-proxy")


def _load(node: Node, images: Path) -> None:
    node.start_containerd()
    node.load(images)


def _start_agents(node: Node) -> None:
    node.start_kubelet()
    node.start_kube_proxy()
