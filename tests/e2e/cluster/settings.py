"""What containerd, the pod network, kubelet and kube-proxy of a node are told."""

from pathlib import Path
from typing import Any

from tests.e2e.cluster import cgroups

API_ADDRESS = "10.99.0.2"
"""Of the first node, which is the control plane too."""
API = f"https://{API_ADDRESS}:6443"
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
PAUSE_IMAGE = "localhost/pause:1"
Document = dict[str, Any]


def containerd(directory: Path) -> str:
    """The configuration of containerd, which keeps images in ``directory``."""
    disabled = [f'"io.containerd.snapshotter.v1.{name}"' for name in ("btrfs", "zfs", "aufs")]
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE no container would start.
    return f"""\
version = 2
root = "{directory}/containerd"
state = "/run/containerd"
disabled_plugins = [{", ".join(disabled)}, "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "{directory}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{directory}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def pod_network(pods: str) -> Document:
    """A point-to-point link for each pod, with addresses of ``pods``."""
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni-ipam",
        "ranges": [[{"subnet": pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}


def kubelet(node: str, directory: Path, pki: Path) -> Document:
    """The configuration of kubelet: nobody but the API server is let in, nothing is evicted."""
    signals = ("memory.available", "nodefs.available", "imagefs.available", "nodefs.inodesFree")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{directory}/containerd.sock",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/{node}.crt",
        "tlsPrivateKeyFile": f"{pki}/{node}.key",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroups.parent(node)}",
        "failSwapOn": False,
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "evictionHard": dict.fromkeys(signals, "0%"),
        "imageGCHighThresholdPercent": 100,
        # Two cores hold two nodes and a control plane: ask no more often than is needed.
        "nodeStatusUpdateFrequency": "4s",
        "registerWithTaints": [],
    }


def kube_proxy(address: str, pki: Path) -> Document:
    """The configuration of kube-proxy, which touches no limit of the machine's."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{pki}/proxy.conf"},
        "mode": "iptables",
        "clusterCIDR": PODS,
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "bindAddress": address,
    }


def etcd(directory: Path) -> tuple[str, ...]:
    """The arguments of etcd; a cluster of tests need not survive the machine."""
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return (
        f"--data-dir={directory}/etcd",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        "--log-level=warn",
    )


def api_server(pki: Path) -> tuple[str, ...]:
    """The arguments of the API server: RBAC and Pod Security as anywhere."""
    return (
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={API_ADDRESS}",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICES}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--kubelet-client-certificate={pki}/admin.crt",
        f"--kubelet-client-key={pki}/admin.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
    )


def controller_manager(pki: Path) -> tuple[str, ...]:
    """The arguments of the controller manager; a node that is away is noticed soon."""
    return (
        f"--kubeconfig={pki}/manager.conf",
        "--leader-elect=false",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--root-ca-file={pki}/ca.crt",
        "--use-service-account-credentials",
        "--bind-address=127.0.0.1",
        "--node-monitor-grace-period=20s",
        "--node-monitor-period=2s",
    )


def scheduler(pki: Path) -> tuple[str, ...]:
    """The arguments of the scheduler."""
    return (
        f"--kubeconfig={pki}/scheduler.conf",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    )
