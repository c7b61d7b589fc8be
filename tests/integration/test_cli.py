"""x."""

import subprocess

from tests.integration.daemon_process import StartGovernd, executable


def test_fixture(governd: StartGovernd) -> None:
    d = governd()
    print(d.daemon_pid, d.log())
    r = subprocess.run(
        [executable(), "healthcheck", "--socket", str(d.sockets["reader"])],
        capture_output=True,
        text=True,
    )
    print(r)
    assert d.wait() < 1
    assert r.returncode == 0


def test_no_policy(governd: StartGovernd) -> None:
    d = governd(policy=None)
    r = subprocess.run(
        [executable(), "healthcheck", "--socket", str(d.sockets["reader"]), "--json"],
        capture_output=True,
        text=True,
    )
    print(r)
    assert r.returncode == 1
