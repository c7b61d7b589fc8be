"""Pods that ask for more than agents may have: at admission, and behind it at the node."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster.kubectl import Object
from tests.e2e.cluster.process import wait_until
from tests.e2e.trial import AGENTS, DRIVER, Trial, agent_pod, name_of

BINDING = "pods-with-governd"
POLICY = "validatingadmissionpolicybinding"
BREACHES = [
    pytest.param("runAsNonRoot", False, marks=pytest.mark.req("rt-1")),
    pytest.param("runAsUser", 0, marks=pytest.mark.req("rt-1")),
    pytest.param("readOnlyRootFilesystem", False, marks=pytest.mark.req("rt-2")),
    pytest.param("capabilities", {}, marks=pytest.mark.req("rt-3")),
    pytest.param(
        "capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}, marks=pytest.mark.req("rt-3")
    ),
    pytest.param("allowPrivilegeEscalation", True, marks=pytest.mark.req("rt-4")),
]


@pytest.fixture(autouse=True, scope="module")
def settled(trial: Trial) -> None:
    trial.is_settled()


@pytest.fixture(scope="module")
def unguarded(trial: Trial) -> Iterator[None]:
    """The same namespace, without what refuses pods before they are any."""
    binding = trial.kubectl.get(POLICY, BINDING)
    trial.kubectl.delete(POLICY, BINDING)
    enforced = "pod-security.kubernetes.io/enforce"
    trial.kubectl("label", "namespace", AGENTS, f"{enforced}=privileged", "--overwrite")
    bad = agent_pod("refused", securityContext={})
    wait_until(lambda: refusal(trial, bad) == "", "an end of the admission policy")
    yield
    trial.kubectl("label", "namespace", AGENTS, f"{enforced}=restricted", "--overwrite")
    del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
    trial.kubectl.apply(binding)
    wait_until(lambda: refusal(trial, bad) != "", "the admission policy to be back")


def refusal(trial: Trial, pod: Object) -> str:
    """Why the API server would not create a pod; empty if it would."""
    try:
        trial.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    except subprocess.CalledProcessError as error:
        return "\n".join(error.__notes__)
    return ""


def container_with(**context: Any) -> Object:
    """An agent's pod whose container differs in its security context."""
    pod = agent_pod("refused")
    pod["spec"]["containers"][0]["securityContext"].update(context)
    return pod


def elsewhere(pod: Object) -> Object:
    """The pod in a namespace that enforces nothing."""
    pod["metadata"]["namespace"] = pod["spec"]["serviceAccountName"] = "default"
    return pod


@pytest.mark.parametrize(("name", "value"), BREACHES)
def test_an_agent_with_more_rights_is_refused(trial: Trial, name: str, value: object) -> None:
    assert refusal(trial, container_with(**{name: value}))


@pytest.mark.parametrize(("name", "value"), BREACHES)
def test_governds_socket_is_for_nobody_with_more_rights_wherever(
    trial: Trial, name: str, value: object
) -> None:
    assert BINDING in refusal(trial, elsewhere(container_with(**{name: value})))


@pytest.mark.parametrize(("name", "value"), BREACHES)
def test_an_init_container_is_held_to_the_same(trial: Trial, name: str, value: object) -> None:
    pod = elsewhere(agent_pod("refused"))
    pod["spec"]["initContainers"] = container_with(**{name: value})["spec"]["containers"]
    pod["spec"]["initContainers"][0].update(name="init", readinessProbe=None)
    assert BINDING in refusal(trial, pod)


def test_the_agents_of_the_examples_are_admitted_anywhere(trial: Trial) -> None:
    assert refusal(trial, agent_pod("admitted")) == ""
    assert refusal(trial, elsewhere(agent_pod("admitted"))) == ""


@pytest.mark.parametrize(
    ("csi", "text"),
    [
        ({"driver": DRIVER}, "readOnly: true"),
        ({"driver": DRIVER, "readOnly": False}, "readOnly: true"),
        ({"driver": DRIVER, "readOnly": True, "volumeAttributes": {"a": "b"}}, "volumeAttributes"),
    ],
)
def test_a_volume_that_is_not_plainly_read_only_is_refused(
    trial: Trial, csi: Object, text: str
) -> None:
    pod = agent_pod("refused", volumes=[{"name": "governd", "csi": csi}])
    assert text in refusal(trial, pod)


def test_a_folder_of_the_node_is_refused_wherever(trial: Trial) -> None:
    """An agent that had kubelet's folders could reach every pod's socket."""
    pods = {"name": "pods", "hostPath": {"path": "/var/lib/kubelet/pods"}}
    pod = elsewhere(agent_pod("refused"))
    pod["spec"]["volumes"].append(pods)
    assert "no hostPath" in refusal(trial, pod)


def test_a_container_without_a_seccomp_filter_is_refused_wherever(trial: Trial) -> None:
    pod = elsewhere(agent_pod("refused"))
    del pod["spec"]["securityContext"]["seccompProfile"]
    assert "seccompProfile" in refusal(trial, pod)


@pytest.mark.parametrize(
    "part", [{"subPath": "governd.sock"}, {"subPath": "a/b/c"}, {"subPathExpr": "$(NAME)"}]
)
def test_attack_a_sub_path_that_fills_or_holds_the_volume_is_refused(
    trial: Trial, part: Object
) -> None:
    """Kubelet makes its folders there, as root, and goes on with a socket that is gone."""
    pod = agent_pod("refused")
    container = pod["spec"]["containers"][0]
    container["env"] = [{"name": "NAME", "value": "a"}]
    container["volumeMounts"].append({"name": "governd", "mountPath": "/again", **part})
    assert "no subPath" in refusal(trial, pod)


def test_a_pod_that_is_older_than_the_rules_can_be_labelled(trial: Trial) -> None:
    binding = trial.kubectl.get(POLICY, BINDING)
    trial.kubectl.delete(POLICY, BINDING)
    root = elsewhere(container_with(readOnlyRootFilesystem=False))
    wait_until(lambda: refusal(trial, root) == "", "an end of the admission policy")
    root["metadata"]["name"] = "older"
    root["spec"]["schedulerName"] = "nobody"
    root["spec"]["serviceAccountName"] = "default"
    trial.kubectl.apply(root)
    del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
    trial.kubectl.apply(binding)
    wait_until(lambda: refusal(trial, container_with(runAsUser=0)) != "", "the admission policy")
    trial.kubectl("label", "pod", "older", "-n", "default", "seen=yes")
    trial.kubectl.delete("pod", "older", "default")


def test_behind_admission_a_writable_volume_is_refused_on_the_node(
    trial: Trial, unguarded: None
) -> None:
    """A container with uid 0 could put a socket of its own in the place of governd's."""
    volumes = [{"name": "governd", "csi": {"driver": DRIVER, "readOnly": False}}]
    root = {"runAsUser": 0, "runAsNonRoot": False}
    trial.start("writable", volumes=volumes, securityContext=root)
    assert "readOnly: true" in trial.complaint("writable", "readonly")
    assert not trial.is_ready("writable")
    trial.kubectl.delete("pod", "writable", AGENTS)


@pytest.mark.req("sa-4", part=True)
def test_behind_admission_forged_pod_information_is_not_believed(
    trial: Trial, unguarded: None
) -> None:
    """Kubelet writes what it knows over what the author says."""
    victim, *_ = trial.pods("writer")
    forged = {
        "csi.storage.k8s.io/pod.name": name_of(victim),
        "csi.storage.k8s.io/pod.uid": victim["metadata"]["uid"],
        "csi.storage.k8s.io/pod.namespace": "kube-system",
        "csi.storage.k8s.io/serviceAccount.name": "writer",
        "csi.storage.k8s.io/ephemeral": "true",
    }
    csi = {"driver": DRIVER, "readOnly": True, "volumeAttributes": forged}
    trial.start("forger", volumes=[{"name": "governd", "csi": csi}])
    trial.ready("forger")
    identity = trial.agent("forger", "whoami")
    assert identity["spiffe_id"] == "spiffe://example.org/ns/agents/sa/reader"
    assert identity["facts"]["pod_name"] == "forger"
    trial.kubectl.delete("pod", "forger", AGENTS)


def test_behind_admission_an_attribute_of_the_authors_is_refused_on_the_node(
    trial: Trial, unguarded: None
) -> None:
    csi = {"driver": DRIVER, "readOnly": True, "volumeAttributes": {"spiffe_id": "spiffe://a/b"}}
    trial.start("wishful", volumes=[{"name": "governd", "csi": csi}])
    assert "spiffe_id" in trial.complaint("wishful", "spiffe_id")
    trial.kubectl.delete("pod", "wishful", AGENTS)
