"""Whatever is killed comes back, and agents that run go on with the sockets that they have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster.node import Node
from tests.e2e.cluster.process import wait_until
from tests.e2e.trial import AGENTS, SPIRE, Trial, name_of, node_of, uid_of

READER = "spiffe://example.org/ns/agents/sa/reader"


@pytest.fixture(autouse=True)
def settled(trial: Trial) -> Iterator[None]:
    trial.is_settled()
    yield
    trial.is_settled()


@pytest.fixture
def node(trial: Trial) -> Node:
    """The node that has no control plane, on which things go wrong."""
    return trial.cluster.nodes[1]


@pytest.fixture
def reader(trial: Trial, node: Node) -> str:
    """An agent on that node."""
    return next(name_of(pod) for pod in trial.pods("reader") if node_of(pod) == node.name)


def restarts(trial: Trial, pod: str) -> int:
    (container,) = trial.kubectl.get("pod", pod, AGENTS)["status"]["containerStatuses"]
    return int(container["restartCount"])


def sockets(trial: Trial) -> list[Path]:
    """Those of all pods, on all nodes."""
    return [path for node in trial.cluster.nodes for path in node.pod_sockets()]


@pytest.mark.req("avail-2", part=True)
def test_governd_killed_under_load_fails_no_call(trial: Trial, node: Node, reader: str) -> None:
    before = trial.governd(node)
    with trial.load([reader]) as loads:
        trial.kill_governd(node)
        wait_until(lambda: len(trial.governd(node)) == len(before), "governd to be restarted")
        assert trial.agent(reader, "whoami")["spiffe_id"] == READER
    assert trial.governd(node)[0] == before[0], "the container was restarted, not the daemon"
    assert loads[0]["failed"] == []


@pytest.mark.req("avail-2", part=True)
def test_governds_container_killed_gives_pods_their_sockets_back(
    trial: Trial, node: Node, reader: str
) -> None:
    before = trial.governd(node)
    trial.kill_governd(node, parent=True)
    wait_until(lambda: set(trial.governd(node)).isdisjoint(before), "the end of governd")
    wait_until(lambda: trial.governd(node), "governd to be restarted")
    assert trial.agent(reader, "whoami")["spiffe_id"] == READER
    assert restarts(trial, reader) == 0


def test_kubelet_killed_changes_nothing_for_agents(trial: Trial, node: Node, reader: str) -> None:
    sockets = {path: path.stat().st_ino for path in node.pod_sockets()}
    node.kill("kubelet")
    node.start_kubelet()
    trial.kubelet_answers(node)
    trial.start("after-kubelet", nodeName=node.name)
    trial.ready("after-kubelet")
    trial.kubectl.delete("pod", "after-kubelet", AGENTS)
    assert {path: path.stat().st_ino for path in node.pod_sockets()} == sockets
    assert trial.agent(reader, "whoami")["spiffe_id"] == READER
    assert restarts(trial, reader) == 0


def test_kubelet_and_governd_killed_together_come_back(
    trial: Trial, node: Node, reader: str
) -> None:
    before = trial.governd(node)
    node.kill("kubelet")
    trial.kill_governd(node, parent=True)
    wait_until(lambda: set(trial.governd(node)).isdisjoint(before), "the end of governd")
    node.start_kubelet()
    trial.kubelet_answers(node)
    wait_until(lambda: trial.governd(node), "governd to be restarted")
    assert trial.agent(reader, "whoami")["spiffe_id"] == READER
    assert restarts(trial, reader) == 0


def test_a_pod_that_starts_while_governd_is_away_waits_for_it(trial: Trial) -> None:
    """No agent runs without its socket: it fails closed."""
    trial.away()
    try:
        trial.start("early")
        trial.complaint("early", "csi.governd.io")
        assert not trial.is_ready("early")
    finally:
        trial.back()
    trial.ready("early")
    assert trial.agent("early", "whoami")["spiffe_id"] == READER
    trial.kubectl.delete("pod", "early", AGENTS)


def test_a_pod_deleted_while_governd_is_away_is_gone_when_it_is_back(trial: Trial) -> None:
    trial.start("orphan")
    trial.ready("orphan")
    uid = uid_of(trial.kubectl.get("pod", "orphan", AGENTS))
    trial.away()
    try:
        trial.kubectl.delete("pod", "orphan", AGENTS, wait=False)
        # Its containers end, and nobody is there who could take the volume away.
        wait_until(lambda: trial.has_ended("orphan"), "the end of the pod's containers")
    finally:
        trial.back()
    trial.kubectl.gone("pod", "orphan", AGENTS, 180)
    assert uid not in [part for path in sockets(trial) for part in path.parts]


def test_a_pod_of_the_same_name_is_another_workload(trial: Trial) -> None:
    first = trial.kubectl.get("pod", "writer-0", AGENTS)
    trial.kubectl.delete("pod", "writer-0", AGENTS)
    trial.kubectl.rolled_out("statefulset/writer", AGENTS)
    trial.ready("writer-0")
    second = trial.kubectl.get("pod", "writer-0", AGENTS)
    assert uid_of(first) != uid_of(second)
    facts = trial.agent("writer-0", "whoami")["facts"]
    assert facts["pod_uid"] == uid_of(second)


@pytest.mark.req("avail-1", part=True)
def test_agents_keep_their_identity_while_the_spire_agent_restarts(
    trial: Trial, reader: str
) -> None:
    with trial.load([reader]) as loads:
        trial.kubectl("rollout", "restart", "daemonset/spire-agent", "-n", SPIRE)
        trial.kubectl.rolled_out("daemonset/spire-agent", SPIRE)
        assert trial.agent(reader, "whoami")["spiffe_id"] == READER
    assert loads[0]["failed"] == []


def test_a_node_that_crashed_comes_back_with_its_agents(
    trial: Trial, node: Node, reader: str
) -> None:
    node.crash()
    trial.cluster.restart(node)
    wait_until(lambda: trial.governd(node), "governd to be started", 120)
    wait_until(lambda: restarts(trial, reader) == 1, "the agent to be started", 120)
    trial.ready(reader)
    assert trial.agent(reader, "whoami")["spiffe_id"] == READER
