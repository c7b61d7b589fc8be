"""The trial on the cluster: what tests look at, and what they ask of its pods."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.images import AGENT
from tests.e2e.cluster.kubectl import Object, condition
from tests.e2e.cluster.node import Node
from tests.e2e.cluster.process import succeeds, wait_until

TRUST_DOMAIN = "example.org"
AGENTS, GOVERND, SPIRE = "agents", "governd", "spire"
"""Its namespaces."""
DRIVER = "csi.governd.io"
WHO = "app.kubernetes.io/name"
_AGENT = ("/usr/bin/python3.11", "-I", "/agent/agent.py")
_READY_SECONDS = 90.0


class Trial:
    """A cluster with SPIRE, governd and agents.

    Attributes:
        cluster: On which it is.
        kubectl: As the cluster's administrator.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Takes a cluster on which the trial was installed."""
        self.cluster = cluster
        self.kubectl = cluster.kubectl

    def is_settled(self) -> None:
        """Waits until everything that was installed is ready, as it is between tests."""
        for workload, namespace in (
            ("daemonset/spire-agent", SPIRE),
            ("daemonset/governd", GOVERND),
            ("deployment/reader", AGENTS),
            ("statefulset/writer", AGENTS),
        ):
            self.kubectl.rolled_out(workload, namespace, _READY_SECONDS)

    def pods(self, name: str, namespace: str = AGENTS) -> list[Object]:
        """The pods of a workload that are not about to end, by node and name."""
        found = self.kubectl.list("pods", namespace, **{WHO: name})
        living = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(living, key=lambda pod: (node_of(pod), name_of(pod)))

    def agent(self, pod: str, *words: str) -> dict[str, Any]:
        """What an agent answers; ``agent/agent.py`` has the words."""
        answer: dict[str, Any] = json.loads(self.kubectl.execute(pod, AGENTS, *_AGENT, *words))
        return answer

    @contextlib.contextmanager
    def load(self, pods: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
        """Has agents ask all the time while the block runs; how that went, once it has ended."""
        words = ("-n", AGENTS, "--", *_AGENT, "load")
        commands = [self.kubectl.command("exec", "-i", pod, *words) for pod in pods]
        pipe, answers = subprocess.PIPE, list[dict[str, Any]]()
        loads = [subprocess.Popen(one, stdin=pipe, stdout=pipe, text=True) for one in commands]
        try:
            yield answers
        finally:
            said = [load.communicate()[0] for load in loads]
        answers += [json.loads(output) for output in said]

    def inside_governd(self, node: str, code: str) -> str:
        """Runs Python code in governd's container on a node; what it printed."""
        (pod,) = [name_of(one) for one in self.pods(GOVERND, GOVERND) if node_of(one) == node]
        command = ("/usr/bin/python3.11", "-I", "-c", code)
        return self.kubectl.execute(pod, GOVERND, *command)

    def svid(self, pod: str) -> dict[str, Any]:
        """What a stock SPIFFE library gets in an agent's pod."""
        command = ("/usr/bin/spiffe_client", "x509", "-socket", "unix:///governd/governd.sock")
        told: dict[str, Any] = json.loads(self.kubectl.execute(pod, AGENTS, *command))
        return told

    def start(self, name: str, **changes: Any) -> Object:
        """Creates an agent's pod, restricted as all of them are; its specification.

        Args:
            name: Of the pod.
            changes: Members of its specification that are another way.

        Raises:
            subprocess.CalledProcessError: It is not admitted; a note has why.
        """
        pod = agent_pod(name, **changes)
        self.kubectl.apply(pod)
        return pod

    def is_ready(self, name: str) -> bool:
        """Whether a pod of an agent is ready."""
        return condition(self.kubectl.get("pod", name, AGENTS), "Ready")

    def has_ended(self, name: str) -> bool:
        """Whether a pod of an agent is there, and none of its containers runs any more."""
        states = self.kubectl.get("pod", name, AGENTS)["status"].get("containerStatuses", [])
        return bool(states) and all("terminated" in one["state"] for one in states)

    def ready(self, name: str, seconds: float = _READY_SECONDS) -> float:
        """Waits until a pod of an agent is ready; the seconds that it took."""
        return wait_until(lambda: self.is_ready(name), f"pod {name} to be ready", seconds)

    def complaint(self, name: str, text: str, seconds: float = 60.0) -> str:
        """Waits for an event of a pod with a text in it; the message."""
        found: list[str] = []

        def told() -> bool:
            words = ("get", "events", "-n", AGENTS, "-o", "json")
            selector = f"--field-selector=involvedObject.name={name}"
            events = json.loads(self.kubectl(*words, selector))["items"]
            found[:] = [one["message"] for one in events if text in one["message"]]
            return bool(found)

        wait_until(told, f"an event of pod {name} about {text}", seconds)
        return found[0]

    def kubelet_answers(self, node: Node) -> None:
        """Waits until the API server reaches a node's kubelet again."""
        words = self.kubectl.command("get", "--raw", f"/api/v1/nodes/{node.name}/proxy/healthz")
        wait_until(lambda: succeeds(*words), f"the kubelet of {node.name}")

    def governd(self, node: Node) -> list[int]:
        """Governd's processes on a node: the supervising parent, and the daemon."""
        return node.processes("governd")

    def kill_governd(self, node: Node, *, parent: bool = False) -> None:
        """Kills the daemon, or its parent too, and with it the container."""
        supervisor, daemon, *_ = self.governd(node)
        os.kill(supervisor if parent else daemon, signal.SIGKILL)

    def away(self) -> None:
        """Takes governd from all nodes; returns when it is gone."""
        self._select_nodes({"governd.io/away": "yes"})
        gone = lambda: not self.kubectl.list("pods", GOVERND, **{WHO: "governd"})  # noqa: E731
        wait_until(gone, "the end of governd")

    def back(self) -> None:
        """Brings governd back to all nodes; returns when it is ready."""
        self._select_nodes({"governd.io/away": None})
        self.kubectl.rolled_out("daemonset/governd", GOVERND)

    def _select_nodes(self, labels: dict[str, str | None]) -> None:
        patch = {"spec": {"template": {"spec": {"nodeSelector": labels}}}}
        self.kubectl("patch", "daemonset/governd", "-n", GOVERND, "-p", json.dumps(patch))


def agent_pod(name: str, **changes: Any) -> Object:
    """A pod like those of the examples, with a service account that SPIRE knows."""
    container = {
        "name": "agent",
        "image": AGENT,
        "args": ["serve"],
        "readinessProbe": {"grpc": {"port": 50051, "service": "agent"}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "governd", "mountPath": "/governd", "readOnly": True}],
    }
    spec = {
        "serviceAccountName": "reader",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "governd", "csi": {"driver": DRIVER, "readOnly": True}}],
        **changes,
    }
    metadata = {"name": name, "namespace": AGENTS}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def name_of(pod: Object) -> str:
    """The name of a pod."""
    return str(pod["metadata"]["name"])


def uid_of(pod: Object) -> str:
    """The UID of a pod."""
    return str(pod["metadata"]["uid"])


def node_of(pod: Object) -> str:
    """The node that a pod is on."""
    return str(pod["spec"].get("nodeName", ""))
