r"""What end-to-end tests share: one cluster of two nodes, with SPIRE, governd and agents.

    def test_something(trial: Trial) -> None:
        pod, *_ = trial.pods("reader")
        assert trial.agent(name_of(pod), "whoami")["attestation"] == "SPIRE"

The tests of a file run in their order, and the files by their number: later ones break more.
Each leaves the cluster as it found it. When one fails, the logs of everything are kept in
``~/.cache/governd/e2e-logs``.
"""

import shutil
from collections.abc import Generator, Iterator

import pytest

from tests import parts
from tests.e2e.cluster import programs
from tests.e2e.cluster.cluster import Cluster, running
from tests.e2e.cluster.images import images
from tests.e2e.cluster.install import install
from tests.e2e.trial import Trial

NODES = 2
_LOGS = parts.cache().with_name("e2e-logs")
_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers that something failed, for whoever keeps the logs."""
    report = yield
    if report.failed:
        item.session.stash[_failed] = True
    return report


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster, with nothing on it."""
    programs.install()
    with running(NODES, images()) as cluster:
        try:
            yield cluster
        finally:
            if request.session.stash.get(_failed, False):
                keep_logs(cluster)


@pytest.fixture(scope="session")
def trial(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """The trial, installed; it may not be ready yet."""
    install(cluster, tmp_path_factory.mktemp("overlay"))
    return Trial(cluster)


def keep_logs(cluster: Cluster) -> None:
    """Keeps what everything has logged, for whoever looks into a failure."""
    shutil.rmtree(_LOGS, ignore_errors=True)
    for node in cluster.nodes:
        shutil.copytree(node.directory / "log", _LOGS / node.name)
        shutil.copytree(node.pod_logs, _LOGS / node.name / "pods")
    asked = {"pods": ("get", "pods", "-A", "-o", "wide"), "events": ("get", "events", "-A")}
    for name, words in asked.items():
        (_LOGS / name).write_text(cluster.kubectl(*words))
