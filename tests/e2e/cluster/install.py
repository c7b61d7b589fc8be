"""Installs governd on a cluster as its documentation says."""

import json
import os
import subprocess
from pathlib import Path

from tests.e2e.cluster import images, programs
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.kubectl import Kubectl

LOCAL = images.ROOT / "daemonset" / "overlays" / "local"
REGISTER = images.ROOT / "daemonset" / "overlays" / "trial" / "register.sh"
_SERVER_STAYS = {
    "target": {"kind": "Deployment", "name": "spire-server"},
    "patch": json.dumps(
        [
            {
                "op": "add",
                "path": "/spec/template/spec/nodeSelector",
                "value": {"kubernetes.io/hostname": "node1"},
            }
        ]
    ),
}
"""The trial's server keeps its entries in memory: it is not where nodes crash."""


def rendered(kubectl: Kubectl, overlay: Path, scratch: Path) -> str:
    """The objects of an overlay, in YAML.

    Args:
        kubectl: Renders.
        overlay: A folder with a kustomization.
        scratch: A folder that may be written to.
    """
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(overlay, scratch)],
        "patches": [_SERVER_STAYS],
    }
    (scratch / "kustomization.yaml").write_text(json.dumps(kustomization))
    return kubectl("kustomize", str(scratch))


def install(cluster: Cluster, scratch: Path) -> None:
    """Installs the trial: SPIRE, governd, agents; returns when SPIRE knows all of them."""
    kubectl = cluster.kubectl
    kubectl("apply", "--validate=strict", "-f", "-", stdin=rendered(kubectl, LOCAL, scratch))
    kubectl.rolled_out("deployment/spire-server", "spire")
    kubectl.rolled_out("daemonset/spire-agent", "spire")
    register(cluster)


def register(cluster: Cluster, *workloads: str) -> None:
    """Registers governd, and service accounts, ``namespace/name`` each."""
    command = f"{programs.kubernetes()} kubectl --kubeconfig={cluster.admin_config}"
    environ = {**os.environ, "KUBECTL": command}
    subprocess.run([str(REGISTER), *workloads], env=environ, check=True, stdout=subprocess.DEVNULL)
