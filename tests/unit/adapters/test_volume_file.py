"""The list of published volumes outlives a crash, or governd says that it does not."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from governd.adapters.volume_file import NAME, VolumeFile
from governd.application.volume_ports import VolumeStore
from governd.errors import VolumeError
from tests.fakes.volumes import FakeVolumeStore
from tests.parts import as_root
from tests.pod_volumes import OTHER_POD, volume

BOTH = (volume(), volume(OTHER_POD))


@pytest.fixture(params=["file", "fake"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VolumeStore:
    return VolumeFile(tmp_path) if request.param == "file" else FakeVolumeStore()


def names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_nothing_is_kept_at_first(store: VolumeStore) -> None:
    assert not store.load()


async def test_what_was_saved_last_is_what_is_kept(store: VolumeStore) -> None:
    await store.save(BOTH)
    assert tuple(store.load()) == BOTH
    await store.save(BOTH[1:])
    assert tuple(store.load()) == BOTH[1:]
    await store.save(())
    assert not store.load()


async def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(
    tmp_path: Path,
) -> None:
    await VolumeFile(tmp_path).save(BOTH)
    assert names(tmp_path) == [NAME]
    assert mode(tmp_path / NAME) == 0o600


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil",
    [
        _link,
        _directory,
        _fifo,
        lambda path: path.chmod(0o620),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: os.truncate(path, 5 * 1024 * 1024),
    ],
)
async def test_a_file_that_is_not_what_was_written_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    file = VolumeFile(tmp_path)
    await file.save(BOTH)
    spoil(tmp_path / NAME)
    with pytest.raises(VolumeError, match=NAME):
        file.load()


@as_root
async def test_a_file_that_somebody_else_put_there_is_refused(tmp_path: Path) -> None:
    file = VolumeFile(tmp_path)
    await file.save(BOTH)
    os.chown(tmp_path / NAME, 65534, 65534)
    with pytest.raises(VolumeError, match="somebody else"):
        file.load()


async def test_a_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    file = VolumeFile(tmp_path / "gone")
    assert file.load() == ()
    with pytest.raises(VolumeError, match="No such file"):
        await file.save(BOTH)


async def test_a_crash_before_the_rename_leaves_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = VolumeFile(tmp_path)
    await file.save(BOTH)

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", fail)
        with pytest.raises(VolumeError, match="input/output error"):
            await file.save(())
    assert file.load() == BOTH
    assert names(tmp_path) == [NAME]
