"""Agents in a restricted namespace are who kubelet says that they are, with one volume."""

import pytest

from tests.e2e.trial import AGENTS, GOVERND, Trial, agent_pod, name_of, uid_of

READER = "spiffe://example.org/ns/agents/sa/reader"
WRITER = "spiffe://example.org/ns/agents/sa/writer"
FORECAST = "https://weather.example/forecast"
OBSERVATIONS = "https://weather.example/observations"


@pytest.fixture(autouse=True, scope="module")
def settled(trial: Trial) -> None:
    trial.is_settled()


@pytest.mark.req("lc-1")
def test_agents_run_as_deployment_and_as_stateful_set(trial: Trial) -> None:
    for kind, name in (("deployment", "reader"), ("statefulset", "writer")):
        status = trial.kubectl.get(kind, name, AGENTS)["status"]
        assert status["readyReplicas"] == status["replicas"] == 2


@pytest.mark.req("rt-7")
def test_the_namespace_of_agents_enforces_the_restricted_standard(trial: Trial) -> None:
    labels = trial.kubectl.get("namespace", AGENTS)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert all(trial.is_ready(name_of(pod)) for pod in trial.pods("reader"))


@pytest.mark.req("sa-4")
@pytest.mark.parametrize(("workload", "spiffe_id"), [("reader", READER), ("writer", WRITER)])
def test_each_pod_is_who_its_node_says_and_spire_knows(
    trial: Trial, workload: str, spiffe_id: str
) -> None:
    pods = trial.pods(workload)
    assert len(pods) == 2
    for pod in pods:
        identity = trial.agent(name_of(pod), "whoami")
        assert identity["spiffe_id"] == spiffe_id
        assert identity["attestation"] == "SPIRE"
        assert identity["facts"].items() >= {
            ("namespace", AGENTS),
            ("service_account", workload),
            ("pod_name", name_of(pod)),
            ("pod_uid", uid_of(pod)),
        }


@pytest.mark.req("sa-3", part=True)
@pytest.mark.req("sa-4", part=True)
def test_a_stock_spiffe_library_gets_the_pods_own_svid(trial: Trial) -> None:
    for workload, spiffe_id in (("reader", READER), ("writer", WRITER)):
        pod, *_ = trial.pods(workload)
        assert [svid["id"] for svid in trial.svid(name_of(pod))["svids"]] == [spiffe_id]


def test_policy_knows_one_service_account_from_another(trial: Trial) -> None:
    answers = {}
    for workload in ("reader", "writer"):
        pod, *_ = trial.pods(workload)
        asked = (trial.agent(name_of(pod), "ask", what) for what in (FORECAST, OBSERVATIONS))
        answers[workload] = [answer["allowed"] for answer in asked]
    assert answers == {"reader": [True, False], "writer": [True, True]}


@pytest.mark.req("sa-4", part=True)
def test_what_a_pod_says_of_itself_makes_it_nobody_else(trial: Trial) -> None:
    """Its labels, annotations, host name and environment are the author's words."""
    liar = agent_pod("liar", hostname="writer-0", subdomain="writer")
    claims = {"spiffe.io/spiffe-id": WRITER, "governd.io/spiffe-id": WRITER}
    liar["metadata"]["labels"] = {"app.kubernetes.io/name": "liar", "sa": "writer"}
    liar["metadata"]["annotations"] = claims
    liar["spec"]["containers"][0]["env"] = [{"name": "SPIFFE_ID", "value": WRITER}]
    trial.kubectl.apply(liar)
    trial.ready("liar")
    assert trial.agent("liar", "whoami")["spiffe_id"] == READER
    assert [svid["id"] for svid in trial.svid("liar")["svids"]] == [READER]
    trial.kubectl.delete("pod", "liar", AGENTS)


def test_a_pod_sees_its_own_socket_and_can_do_nothing_to_it(trial: Trial) -> None:
    pod, *_ = trial.pods("reader")
    assert trial.agent(name_of(pod), "reach", "/governd") == {
        "list": "done ['governd.sock']",
        "connect": "done",
        "create": "Read-only file system",
        "remove": "Read-only file system",
        "replace": "Read-only file system",
    }


def test_two_volumes_of_a_pod_are_two_sockets_of_one_workload(trial: Trial) -> None:
    pod = agent_pod("twice")
    csi = pod["spec"]["volumes"][0]["csi"]
    pod["spec"]["volumes"].append({"name": "second", "csi": csi})
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    mounts.append({"name": "second", "mountPath": "/second", "readOnly": True})
    trial.kubectl.apply(pod)
    trial.ready("twice")
    for path in ("/governd", "/second"):
        assert trial.agent("twice", "reach", path)["connect"] == "done"
    trial.kubectl.delete("pod", "twice", AGENTS)


@pytest.mark.req("lc-2")
def test_probes_of_every_pod_ask_grpc_health(trial: Trial) -> None:
    (governd,) = trial.kubectl.get("daemonset", "governd", GOVERND)["spec"]["template"]["spec"][
        "containers"
    ]
    assert {"livenessProbe", "readinessProbe", "startupProbe"} <= governd.keys()
    for kind, name in (("deployment", "reader"), ("statefulset", "writer")):
        spec = trial.kubectl.get(kind, name, AGENTS)["spec"]["template"]["spec"]
        (agent,) = spec["containers"]
        assert "grpc" in agent["livenessProbe"]
        assert "grpc" in agent["readinessProbe"]
    for namespace in (GOVERND, AGENTS):
        trial.kubectl.wait("condition=Ready", "pod --all", namespace)
