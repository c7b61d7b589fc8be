"""What tests ask of the cluster, with kubectl."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.cluster import programs
from tests.e2e.cluster.process import run, wait_until

Object = dict[str, Any]


class Kubectl:
    """The cluster, as one client sees it."""

    def __init__(self, config: Path) -> None:
        """Takes the client's kubeconfig."""
        self._command = (str(programs.kubernetes()), "kubectl", f"--kubeconfig={config}")

    def __call__(self, *words: str, stdin: str = "") -> str:
        """Runs kubectl; what it printed.

        Raises:
            subprocess.CalledProcessError: It failed; a note has what it said.
        """
        return run(*self._command, *words, stdin=stdin)

    def command(self, *words: str) -> tuple[str, ...]:
        """What runs kubectl, for whoever starts it."""
        return (*self._command, *words)

    def apply(self, *documents: Object) -> None:
        """Applies objects; unknown fields are refused.

        Raises:
            subprocess.CalledProcessError: The API server refused one; a note has why.
        """
        items = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self("apply", "--validate=strict", "-f", "-", stdin=json.dumps(items))

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        """An object; empty if there is none."""
        words = ("get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json")
        found: Object = json.loads(self(*words) or "{}")
        return found

    def list(self, kind: str, namespace: str, **labels: str) -> list[Object]:
        """The objects of a kind that have all labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        words = ("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        found: list[Object] = json.loads(self(*words))["items"]
        return found

    def delete(
        self, kind: str, name: str, namespace: str = "default", *, wait: bool = True
    ) -> None:
        """Deletes an object, if it is there."""
        waiting = f"--wait={str(wait).lower()}"
        self("delete", kind, name, "-n", namespace, "--ignore-not-found", waiting)

    def execute(self, pod: str, namespace: str, *command: str, stdin: str = "") -> str:
        """Runs a command in a pod; what it printed.

        Raises:
            subprocess.CalledProcessError: It failed; a note has what it said.
        """
        return self("exec", "-i", pod, "-n", namespace, "--", *command, stdin=stdin)

    def logs(self, pod: str, namespace: str, *words: str) -> str:
        """What a pod has printed."""
        return self("logs", pod, "-n", namespace, *words)

    def wait(self, condition: str, kind: str, namespace: str, seconds: float = 60) -> None:
        """Waits for a condition of one object, ``pod/web``, or of all, ``pod --all``.

        Raises:
            subprocess.CalledProcessError: It did not hold in time; a note has what was seen.
        """
        words = ("wait", *kind.split(), "-n", namespace)
        self(*words, f"--for={condition}", f"--timeout={seconds:.0f}s")

    def rolled_out(self, workload: str, namespace: str, seconds: float = 90) -> None:
        """Waits until ``daemonset/governd`` and the like has its present template everywhere.

        Raises:
            subprocess.CalledProcessError: It had not in time; a note has what was seen.
        """
        self("rollout", "status", workload, "-n", namespace, f"--timeout={seconds:.0f}s")

    def gone(self, kind: str, name: str, namespace: str, seconds: float = 60) -> float:
        """Waits until an object is gone; the seconds that it took.

        Raises:
            TimeoutError: It is still there.
        """
        what = f"the end of {kind} {namespace}/{name}"
        return wait_until(lambda: not self.get(kind, name, namespace), what, seconds)


def condition(found: Mapping[str, Any], name: str) -> bool:
    """Whether an object's condition is true."""
    conditions = found.get("status", {}).get("conditions", ())
    return any(one["type"] == name and one["status"] == "True" for one in conditions)
