"""One node: namespaces of its own on this machine, and the components that run in them.

A node has its own mounts, network, processes and host name, so that it can fail apart: its
process 1 killed, it is gone as after a power cut, and what was on its disk stays. Of the
machine it uses one network link, and cgroups named after it.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.e2e.cluster import cgroups, programs, settings
from tests.e2e.cluster.process import children, is_alive, name_of, run, succeeds, wait_until

BRIDGE = "governd-e2e"
_PRIVATE = ("/run", "/var/log", "/var/lib/kubelet", "/var/lib/governd")
_GONE_AT_BOOT = "/run"


class Node:
    """A machine of the cluster.

    Attributes:
        name: By which Kubernetes knows it.
        address: On the bridge.
        pods: The addresses of its pods.
        directory: Its disk, and ``log/``, the logs of its components.
    """

    def __init__(self, number: int, directory: Path, pki: Path) -> None:
        """Starts nothing yet.

        Args:
            number: From 1; the first one is the control plane, too.
            directory: Is made.
            pki: Where the certificates of all components are.
        """
        self.number = number
        self.name = f"node{number}"
        self.address = f"10.99.0.{number + 1}"
        self.pods = f"10.244.{number}.0/24"
        self.directory = directory
        self._pki = pki
        self._init = 0
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("log", "cni", "etcd", *(_disk(path) for path in _PRIVATE)):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "containerd.toml").write_text(settings.containerd(directory))
        self._write("cni/10-pods.conflist", settings.pod_network(self.pods))
        self._write("kubelet.json", settings.kubelet(self.name, directory, pki))
        self._write("proxy.json", settings.kube_proxy(self.address, pki))

    @property
    def pod_logs(self) -> Path:
        """What the containers of its pods have printed."""
        return self.directory / _disk("/var/log") / "pods"

    def pod_sockets(self) -> list[Path]:
        """The sockets of pods in kubelet's directory, as the machine sees them."""
        pods = self.directory / _disk("/var/lib/kubelet") / "pods"
        return sorted(pods.glob("*/volumes/kubernetes.io~csi/*/mount/governd.sock"))

    def boot(self, others: "list[Node]") -> None:
        """Makes its namespaces and its network.

        Args:
            others: The nodes whose pods its own shall reach.
        """
        for path in (self.directory / _disk(_GONE_AT_BOOT)).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        cgroups.make(self.name)
        self._unshare()
        link = f"governd-{self.name}"
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", self._pid)
        run("ip", "link", "set", link, "master", BRIDGE, "up")
        run("ip", "route", "replace", self.pods, "via", self.address)
        routes = [f"ip route add {one.pods} via {one.address}" for one in others]
        binds = [f"mount --bind {self.directory / _disk(path)} {path}" for path in _PRIVATE]
        self.inside(
            f"hostname {self.name}",
            "mount --make-rshared /",
            f"mkdir -p {' '.join(_PRIVATE)}",
            *binds,
            "mount --make-rshared /var/lib/kubelet",
            "mkdir -p /var/log/pods /var/log/containers",
            "ip link set lo up",
            f"ip address add {self.address}/24 dev eth0",
            "ip link set eth0 up",
            "ip route add default via 10.99.0.1",
            *routes,
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter",
        )

    def inside(self, *commands: str) -> str:
        """Runs shell commands in the node; what they printed.

        Raises:
            subprocess.CalledProcessError: One failed; the rest was not run.
        """
        return run(*self._enter(), "sh", "-ec", "\n".join(commands))

    def start_containerd(self) -> None:
        """Starts containerd; after a crash it has what it had."""
        self.start("containerd", "containerd", "-c", str(self.directory / "containerd.toml"))
        wait_until(lambda: succeeds(*self._ctr, "version"), f"{self.name}'s containerd to answer")

    def load(self, images: Path) -> None:
        """Loads an archive of images, which pods then take without pulling."""
        run(*self._ctr, "images", "import", str(images))

    def start_control_plane(self) -> None:
        """Starts what only the first node has."""
        self.start("etcd", "etcd", *settings.etcd(self.directory))
        self.start_component("kube-apiserver", *settings.api_server(self._pki))

    def start_controllers(self) -> None:
        """Starts what needs an API server, and only the first node has."""
        manager = settings.controller_manager(self._pki)
        self.start_component("kube-controller-manager", *manager)
        self.start_component("kube-scheduler", *settings.scheduler(self._pki))

    def start_kubelet(self) -> None:
        """Starts kubelet, at first or after it was killed."""
        self.start_component(
            "kubelet",
            f"--config={self.directory}/kubelet.json",
            f"--kubeconfig={self._pki}/{self.name}.conf",
            f"--node-ip={self.address}",
            f"--hostname-override={self.name}",
        )

    def start_kube_proxy(self) -> None:
        """Starts kube-proxy."""
        config = f"--config={self.directory}/proxy.json"
        self.start_component("kube-proxy", config, f"--hostname-override={self.name}")

    def start_component(self, name: str, *arguments: str) -> None:
        """Starts a component of Kubernetes."""
        self.start(name, str(programs.kubernetes()), name, *arguments)

    def start(self, name: str, *command: str) -> None:
        """Starts a program in the node, which logs to ``log/<name>.log``."""
        self._start(name, *self._enter(), *command)

    def kill(self, name: str) -> None:
        """Ends a program with SIGKILL, as the kernel does when memory is short."""
        process = self._running.pop(name)
        for child in children(process.pid):
            os.kill(child, signal.SIGKILL)
        process.wait()

    def processes(self, name: str) -> list[int]:
        """The processes of that name in the node, parents before their children."""
        found, waiting = [], [self._init]
        while waiting:
            this = waiting.pop()
            found += [this] if name_of(this) == name else []
            waiting += children(this)
        return sorted(found)

    def crash(self) -> None:
        """Ends everything in the node at once, as a power cut does."""
        end(self.directory)
        for process in self._running.values():
            process.kill()  # what entered the node's namespaces, and outlived what it started there
            process.wait()
        self._running.clear()

    @property
    def _pid(self) -> str:
        return str(self._init)

    @property
    def _ctr(self) -> tuple[str, ...]:
        return ("ctr", "-a", str(self.directory / "containerd.sock"), "-n", "k8s.io")

    def _enter(self) -> tuple[str, ...]:
        # --uts and no --cgroup: cgroups are the machine's.
        return ("nsenter", "-t", self._pid, "--mount", "--net", "--pid", "--uts", "--")

    def _start(self, name: str, *command: str) -> None:
        with (self.directory / "log" / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever runs the tests
            )

    def _unshare(self) -> None:
        command = ("unshare", "--mount", "--net", "--pid", "--uts", "--mount-proc", "--fork")
        self._start("init", *command, "--kill-child", str(programs.pause()))
        parent = self._running["init"]
        wait_until(lambda: _is_init(parent.pid), f"the namespaces of {self.name}")
        (self._init,) = children(parent.pid)
        (self.directory / "pid").write_text(self._pid)

    def _write(self, name: str, document: settings.Document) -> None:
        (self.directory / name).write_text(json.dumps(document))


def end(directory: Path) -> None:
    """Ends the node whose disk is ``directory``, whoever started it, and all that ran in it."""
    try:
        pid = int((directory / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except (OSError, ValueError):
        return
    if command.startswith(str(programs.pause())):
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), f"the end of {directory.name}")


def _disk(path: str) -> str:
    """The folder of a node's directory that the node sees at ``path``."""
    return f"disk{path.replace('/', '-')}"


def _is_init(parent: int) -> bool:
    found = children(parent)
    return len(found) == 1 and name_of(found[0]) == "pause"
