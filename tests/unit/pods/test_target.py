"""Where a volume may be, and nowhere else."""

import pytest

from governd.errors import RequestError
from governd.pods.target import Target, find_target, read_target
from tests.pod_volumes import KUBELET, UID

GOOD = f"{KUBELET}/pods/{UID}/volumes/kubernetes.io~csi/governd/mount"


def test_kubelets_path_is_taken() -> None:
    assert read_target(GOOD, KUBELET) == Target(UID, "governd")
    assert Target(UID, "governd").path(KUBELET) == GOOD


def test_kubelets_directory_may_be_the_root() -> None:
    path = f"/pods/{UID}/volumes/kubernetes.io~csi/governd/mount"
    assert read_target(path, "/") == Target(UID, "governd")
    assert Target(UID, "governd").path("/") == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "mount",
        GOOD.removeprefix("/"),
        f"/{GOOD}",
        f"{GOOD}/",
        f"{GOOD}/mount",
        f"{GOOD} ",
        f"{GOOD}\0",
        f"{GOOD}\n",
        GOOD.replace("/mount", ""),
        GOOD.replace("/mount", "/Mount"),
        GOOD.replace("/pods/", "//pods/"),
        GOOD.replace("/pods/", "/pods//"),
        GOOD.replace("/pods/", "/pods/../pods/"),
        GOOD.replace("/pods/", "/pods/./"),
        GOOD.replace("/governd/", "/../"),
        GOOD.replace("/governd/", "/./"),
        GOOD.replace("/governd/", "//"),
        GOOD.replace("/governd/", "/%2e%2e/"),
        GOOD.replace("/governd/", "/a~b/"),
        GOOD.replace("/governd/", "/Governd/"),
        GOOD.replace("/governd/", f"/{'a' * 64}/"),
        GOOD.replace("/governd/", "/a/b/"),
        GOOD.replace("kubernetes.io~csi", "kubernetes.io~empty-dir"),
        GOOD.replace("kubernetes.io~csi", "kubernetes.io/csi"),
        GOOD.replace("/volumes/", "/volume-subpaths/"),
        GOOD.replace(UID, ".."),
        GOOD.replace(UID, UID.upper().replace("1", "A")),
        GOOD.replace(UID, "0123456789abcdef0123456789abcdef"),
        GOOD.replace(KUBELET, "/var/lib/kubelet2"),
        GOOD.replace(KUBELET, "/etc"),
        GOOD.replace(KUBELET, f"{KUBELET}/../kubelet"),
        f"{KUBELET}/pods",
        f"{KUBELET}/pods/",
        GOOD + "/a" * 100_000,
    ],
)
def test_attack_a_target_outside(path: str) -> None:
    with pytest.raises(RequestError, match="target_path: must") as refusal:
        read_target(path, KUBELET)
    assert refusal.value.field == "target_path"
    assert len(str(refusal.value)) < 200


def test_a_refusal_is_logged_with_the_target_if_there_is_one() -> None:
    assert find_target(GOOD, KUBELET) == Target(UID, "governd")
    assert find_target("/etc", KUBELET) is None
