"""Target directories, real ones and the fake: the same promises."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from governd.application.volume_ports import Targets, WatchedPlace
from governd.endpoints.csi.removal import MAX_ENTRIES
from governd.endpoints.csi.targets import TargetDirectories
from governd.errors import VolumeError
from tests.fakes.volumes import FakeTargets
from tests.parts import as_root
from tests.pod_volumes import OTHER_UID, UID, target

NOBODY = 65534
Mount = Callable[[Path], AbstractContextManager[Path]]


@pytest.fixture
def kubelet(tmp_path: Path) -> Path:
    """Kubelet's directory, with one pod."""
    Path(target().path(str(tmp_path))).parent.mkdir(parents=True)
    return tmp_path


@pytest.fixture(params=["real", "fake"])
def targets(request: pytest.FixtureRequest, kubelet: Path) -> Targets[WatchedPlace]:
    return TargetDirectories(kubelet) if request.param == "real" else FakeTargets(UID)


def test_a_target_comes_and_goes(targets: Targets[WatchedPlace]) -> None:
    assert targets.is_gone(target())
    for _ in range(2):
        targets.make(target())
        assert not targets.is_gone(target())
    assert not targets.place(target()).is_there()
    for _ in range(2):
        targets.remove(target())
        assert targets.is_gone(target())


def test_a_target_of_a_pod_that_kubelet_does_not_have_is_not_made(
    targets: Targets[WatchedPlace],
) -> None:
    with pytest.raises(VolumeError) as refusal:
        targets.make(target(OTHER_UID))
    assert refusal.value.field == "target_path"
    targets.remove(target(OTHER_UID))


def test_it_knows_whether_kubelet_has_a_pod(targets: Targets[WatchedPlace]) -> None:
    assert targets.has_pod(UID)
    assert not targets.has_pod(OTHER_UID)


def test_no_pod_is_given_up_while_kubelets_directory_is_away(kubelet: Path) -> None:
    assert TargetDirectories(kubelet / "gone").has_pod(UID)


def test_a_target_that_cannot_be_seen_is_not_gone(kubelet: Path) -> None:
    """Only a name that is not there is: not what is hidden by an error, or by a missing mount."""
    assert not TargetDirectories(kubelet / "gone").is_gone(target())
    volumes = kubelet / "pods" / UID / "volumes"
    volumes.rename(kubelet / "elsewhere")
    assert TargetDirectories(kubelet).is_gone(target())
    volumes.symlink_to(kubelet / "elsewhere")
    assert not TargetDirectories(kubelet).is_gone(target())


def test_no_descriptor_is_left_open(kubelet: Path) -> None:
    targets = TargetDirectories(kubelet)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        targets.make(target())
        targets.place(target()).is_there()
        targets.remove(target())
        with pytest.raises(VolumeError):
            targets.make(target(OTHER_UID))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@as_root
def test_a_target_that_somebody_else_owns_is_refused(kubelet: Path) -> None:
    path = Path(target().path(str(kubelet)))
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(VolumeError, match="somebody else owns it"):
        TargetDirectories(kubelet).make(target())


def mounts(kind: str, source: Path, path: Path) -> Iterator[Path]:
    """Mounts something at ``path``, with a file in it that nobody may remove."""
    (source / "file").touch()
    options = ["-t", "tmpfs", "none"] if kind == "tmpfs" else ["--bind", str(source)]
    if subprocess.run(["mount", *options, path], check=False).returncode:
        unable = pytest.fail if "CI" in os.environ else pytest.skip
        unable("mounting takes a capability")
    above = os.open(path.parent, os.O_PATH)
    try:
        (path / "file").touch()
        yield path
        path = Path(f"/proc/self/fd/{above}").readlink() / path.name  # it may have been lifted
        assert (path / "file").exists()
    finally:
        os.close(above)
        subprocess.run(["umount", path], check=True)


@pytest.fixture(params=["tmpfs", "bind"])
def mount(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mount:
    """Mounts another file system, or a directory of the same one."""
    source = tmp_path_factory.mktemp("source")
    return contextmanager(lambda path: mounts(request.param, source, path))


@as_root
def test_something_that_is_mounted_there_is_neither_used_nor_removed(
    kubelet: Path, mount: Mount
) -> None:
    path = Path(target().path(str(kubelet)))
    path.mkdir()
    with mount(path):
        for work in (TargetDirectories(kubelet).make, TargetDirectories(kubelet).remove):
            with pytest.raises(VolumeError, match="something is mounted on it"):
                work(target())


@as_root
@pytest.mark.parametrize("inside", ["a", "a/b", "a/b/c"])
def test_something_that_is_mounted_in_a_volume_is_not_removed(
    kubelet: Path, mount: Mount, inside: str
) -> None:
    path = Path(target().path(str(kubelet)), inside)
    path.mkdir(parents=True)
    with mount(path), pytest.raises(VolumeError, match="something is mounted on it"):
        TargetDirectories(kubelet).remove(target())


def deep(path: Path, levels: int) -> None:
    """Makes directories in one another, deeper than any path may be long."""
    path.mkdir()
    directory = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)


def removals(kubelet: Path) -> int:
    """How often a target has to be removed until it is gone."""
    targets = TargetDirectories(kubelet)
    for tries in range(1, 50):
        try:
            targets.remove(target())
        except VolumeError as error:
            assert "the others go when asked again" in str(error)
        else:
            assert targets.is_gone(target())
            return tries
    return 0


def test_directories_of_any_depth_are_removed_by_asking_again(kubelet: Path) -> None:
    """As an author's ``subPath`` has kubelet make them; the pod would not end otherwise."""
    deep(Path(target().path(str(kubelet))), 5000)
    assert 1 < removals(kubelet) <= 2 * 5000 // MAX_ENTRIES + 1


def test_files_of_any_number_are_removed_by_asking_again(kubelet: Path) -> None:
    path = Path(target().path(str(kubelet)), "folder")
    path.mkdir(parents=True)
    for number in range(3 * MAX_ENTRIES):
        (path / str(number)).touch()
    assert removals(kubelet) == 4
