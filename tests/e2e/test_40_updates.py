"""governd is updated while agents ask: no call is lost, as the client waits and asks again."""

from collections.abc import Iterator

import pytest

from tests.e2e.trial import AGENTS, GOVERND, Trial, name_of, node_of, uid_of


@pytest.fixture(autouse=True)
def settled(trial: Trial) -> Iterator[None]:
    trial.is_settled()
    yield
    trial.is_settled()


@pytest.mark.req("lc-5", part=True)
def test_a_rolling_update_under_load_fails_no_call(trial: Trial) -> None:
    before = {uid_of(pod) for pod in trial.pods("governd", GOVERND)}
    agents = {node_of(pod): name_of(pod) for pod in trial.pods("reader")}
    with trial.load(agents.values()) as loads:
        trial.kubectl("rollout", "restart", "daemonset/governd", "-n", GOVERND)
        trial.kubectl.rolled_out("daemonset/governd", GOVERND, 180)
    assert before.isdisjoint(uid_of(pod) for pod in trial.pods("governd", GOVERND))
    assert len(loads) == len(trial.cluster.nodes), "there is no reader on some node"
    assert all(load["calls"] for load in loads)
    assert [load["failed"] for load in loads] == [[], []]


@pytest.mark.req("lc-5", part=True)
def test_an_update_of_agents_leaves_no_socket_behind(trial: Trial) -> None:
    trial.kubectl("rollout", "restart", "deployment/reader", "-n", AGENTS)
    trial.kubectl.rolled_out("deployment/reader", AGENTS)
    for pod in trial.pods("reader"):
        assert trial.agent(name_of(pod), "whoami")["facts"]["pod_uid"] == uid_of(pod)
    # Whatever kubelet still knows of pods that are gone keeps a folder with their UID.
    trial.kubectl.wait("delete", "pod --all --field-selector=status.phase=Succeeded", AGENTS)
    alive = {uid_of(pod) for pod in trial.kubectl.list("pods", AGENTS)}
    sockets = [path for node in trial.cluster.nodes for path in node.pod_sockets()]
    assert not [path for path in sockets if alive.isdisjoint(path.parts)]
