"""The programs of a cluster: Debian's packages, and what is built from Go modules, once.

    kubernetes() / "kubernetes"  # every component, chosen by its first argument

Cold, Kubernetes takes some eight minutes of two cores. Everything is kept in the user's
cache directory under what it was made from.
"""

import os
import platform
import subprocess
from pathlib import Path

from tests import parts

KUBERNETES_VERSION = "1.34.3"
_HERE = Path(__file__).parent
_PACKAGES = {
    "containerd": "containerd",
    "conntrack": "conntrack",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "etcd-server": "etcd",
    "iproute2": "ip",
    "iptables": "iptables",
    "runc": "runc",
    "util-linux": "nsenter",
}
"""Debian's packages, and a program of each by which it is found."""
_SYSTEM_PATHS = (Path("/usr/bin"), Path("/usr/sbin"), Path("/bin"), Path("/sbin"))
_VERSION = "k8s.io/component-base/version"


class UnfitMachineError(RuntimeError):
    """What a cluster needs of this machine, and this machine has not."""


def install() -> None:
    """Installs those of Debian's packages that are missing.

    Raises:
        UnfitMachineError: This is no machine that a cluster can be started on.
    """
    if os.geteuid() != 0:
        message = "a cluster makes namespaces, mounts and a bridge: run it as root"
        raise UnfitMachineError(message)
    if platform.machine() != "x86_64":
        message = f"the images are made for x86_64, and this machine is {platform.machine()}"
        raise UnfitMachineError(message)
    missing = [name for name, program in _PACKAGES.items() if not _is_installed(program)]
    if missing:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        command = ["apt-get", "install", "-qq", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)


def kubernetes() -> Path:
    """The program that is every component of Kubernetes, and kubectl."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    flags = (
        f"-X {_VERSION}.gitVersion=v{KUBERNETES_VERSION}"
        f" -X {_VERSION}.gitMajor={major} -X {_VERSION}.gitMinor={minor}"
    )
    name, module = f"kubernetes-{KUBERNETES_VERSION}", _HERE / "kubernetes"
    return parts.go_programs(name, module, ".", flags=flags, CGO_ENABLED="0") / "kubernetes"


def pause() -> Path:
    """The program that does nothing, as process 1."""
    return parts.go_programs("pause", _HERE / "pause", ".", CGO_ENABLED="0") / "pause"


def _is_installed(program: str) -> bool:
    return any((path / program.lstrip("/")).exists() for path in _SYSTEM_PATHS) or (
        program.startswith("/") and Path(program).exists()
    )
