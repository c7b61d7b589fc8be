"""The manifests install, and what they install has no more rights than it says."""

import re
from pathlib import Path

import pytest

from tests.e2e.cluster.images import ROOT
from tests.e2e.cluster.install import rendered
from tests.e2e.trial import GOVERND, SPIRE, Trial, name_of, node_of

OVERLAYS = ("base", "overlays/trial", "overlays/local")
WRITE = """
try:
    open("/usr/forged", "w")
except OSError as error:
    print(error)
"""


@pytest.mark.req("sa-1")
def test_spire_and_governd_get_ready_on_every_node(trial: Trial) -> None:
    trial.kubectl.rolled_out("daemonset/spire-agent", SPIRE)
    trial.kubectl.rolled_out("daemonset/governd", GOVERND)
    nodes = {node.name for node in trial.cluster.nodes}
    assert {node_of(pod) for pod in trial.pods("spire-agent", SPIRE)} == nodes
    assert {node_of(pod) for pod in trial.pods("governd", GOVERND)} == nodes


@pytest.mark.req("sa-1", part=True)
def test_governd_is_itself_by_an_svid_of_its_node(trial: Trial) -> None:
    for pod in trial.pods("governd", GOVERND):
        said = trial.kubectl.execute(name_of(pod), GOVERND, "/usr/bin/governd", "status")
        assert f"spiffe://example.org/governd/server/{node_of(pod)}" in said
        assert f"spiffe://example.org/governd/signer/{node_of(pod)}" in said


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_knows_every_field_of_the_manifests(
    trial: Trial, tmp_path: Path, overlay: str
) -> None:
    objects = rendered(trial.kubectl, ROOT / "daemonset" / overlay, tmp_path)
    words = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    assert "daemonset.apps/governd" in trial.kubectl(*words, stdin=objects)


@pytest.mark.req("rt-2", part=True)
@pytest.mark.req("rt-3", part=True)
@pytest.mark.req("rt-4", part=True)
def test_governd_runs_with_no_capability_and_no_way_to_get_one(trial: Trial) -> None:
    said = trial.inside_governd("node1", "print(open('/proc/self/status').read())")
    status = dict(re.findall(r"^(\w+):\s+(\S+)", said, re.MULTILINE))
    sets = {status[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    assert sets == {"0000000000000000"}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2", "the runtime's filter is not on"


def test_governd_has_no_token_of_the_cluster_and_no_shell(trial: Trial) -> None:
    paths = "('/var/run/secrets', '/run/secrets', '/bin/sh')"
    said = trial.inside_governd("node1", f"import os; print(*map(os.path.exists, {paths}))")
    assert set(said.split()) == {"False"}


def test_governds_root_cannot_be_written(trial: Trial) -> None:
    said = trial.inside_governd("node1", WRITE)
    assert "Read-only file system" in said
