"""The section ``csi``: where kubelet is, and how much is published."""

from pathlib import Path

import pytest

from governd.config import Csi, parse
from governd.errors import ConfigError

TEMPLATE = '[identity]\npath_template = "/ns/{namespace}"'


def section(text: str = "", **environ: str) -> Csi:
    return parse(
        f'trust_domain = "example.org"\n[csi]\n{text}',
        file="governd.toml",
        base=Path("/etc/governd"),
        environ=environ,
    ).csi


def test_the_plugin_is_off_unless_it_is_turned_on() -> None:
    assert not section().enabled
    assert section(f"enabled = true\n{TEMPLATE}").enabled


def test_sockets_are_where_kubelet_looks_for_them() -> None:
    kubelet = Path("/var/lib/kubelet")
    assert section().kubelet_directory == kubelet
    assert section().socket == kubelet / "plugins/csi.governd.io/csi.sock"
    assert section().registration_socket == kubelet / "plugins_registry/csi.governd.io-reg.sock"


def test_sockets_move_along_with_kubelets_directory() -> None:
    found = section('kubelet_directory = "/data/kubelet"\nregistration_socket = "/run/reg.sock"')
    assert found.socket == Path("/data/kubelet/plugins/csi.governd.io/csi.sock")
    assert found.registration_socket == Path("/run/reg.sock")


def test_the_environment_may_say_it() -> None:
    assert section(TEMPLATE, GOVERND_CSI__VOLUMES="7").volumes == 7
    assert section(GOVERND_CSI__SOCKET="/run/csi.sock").socket == Path("/run/csi.sock")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('kubelet_directory = "/var/../kubelet"', r'expected a path without "\.\."'),
        ("republish_seconds = 180", "greater than or equal to 200"),
        ("volumes = 0", "greater than or equal to 1"),
        ("volumes = 5000", "less than or equal to 4096"),
        ("volumes_per_pod = 100", "less than or equal to 64"),
        ('socket = ""', "absolute path"),
        ('sockets = "/run/csi.sock"', 'did you mean "socket"'),
    ],
)
def test_a_setting_that_cannot_work_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        section(text)


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        ("", 'csi.enabled: expected false, because source is "embedded" without path_template'),
        ('path_template = "/job/{job}"', 'identity.path_template: expected no "job"'),
    ],
)
def test_pods_that_nothing_could_ever_name_are_refused(identity: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        section(f"enabled = true\n[identity]\n{identity}\n")
    assert not section(f"enabled = false\n[identity]\n{identity}\n").enabled


@pytest.mark.parametrize(
    "identity",
    [
        'path_template = "/ns/{namespace}/sa/{service_account}"',
        'source = "spire"\nspire_admin_socket = "/run/spire/admin.sock"',
    ],
)
def test_pods_that_something_names_are_taken(identity: str) -> None:
    assert section(f"enabled = true\n[identity]\n{identity}\n").enabled
