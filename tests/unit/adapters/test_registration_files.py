"""What servers registered outlives a crash at any moment, or governd says that it does not."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from governd.adapters.registration_files import INDEX, REGISTRATIONS, RegistrationFiles
from governd.errors import RegistrationsError
from governd.policy.registration import Registration, write_registration
from tests.parts import as_root
from tests.tool_definitions import registration, tool

OLD = registration(tool("commit"))
NEW = registration(tool("commit"), tool("push"))


class KilledError(BaseException):
    """The machine stops here: nothing of governd's runs any more."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "registrations"


@pytest.fixture
def files(folder: Path) -> RegistrationFiles[Registration]:
    return RegistrationFiles(folder, REGISTRATIONS)


async def save(files: RegistrationFiles[Registration], registration: Registration) -> None:
    await (await files.prepare(registration)).commit()


def only_file(folder: Path) -> Path:
    (found,) = folder.glob("*.json")
    return found


def first_file(folder: Path) -> Path:
    return min(folder.glob("*.json"))


def count(folder: Path) -> int:
    """Files beside the index."""
    return len(list(folder.iterdir())) - 1


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def save_broken(
    files: RegistrationFiles[Registration],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    broken: object,
) -> None:
    """Saves the new one while a function of the system does something else."""
    with monkeypatch.context() as patched:
        patched.setattr(os, name, broken)
        await save(files, NEW)


def killed(*_: object, **__: object) -> None:
    raise KilledError


@pytest.mark.parametrize("moment", ["fsync", "rename"])
async def test_killed_before_the_rename_the_old_one_is_there_and_no_half_of_the_new(
    files: RegistrationFiles[Registration],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    await save(files, OLD)
    with pytest.raises(KilledError):
        await save_broken(files, monkeypatch, moment, killed)
    assert count(folder) == 2, "what was written so far lies about"
    assert files.load() == [OLD]
    assert count(folder) == 1


async def test_killed_after_the_rename_the_new_one_is_there(
    files: RegistrationFiles[Registration], monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(files, OLD)
    rename = os.rename

    def then_killed(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        raise KilledError

    with pytest.raises(KilledError):
        await save_broken(files, monkeypatch, "rename", then_killed)
    assert files.load() == [NEW]


async def test_what_was_left_half_written_is_no_hindrance_to_writing(
    files: RegistrationFiles[Registration], folder: Path
) -> None:
    await save(files, OLD)
    kept = only_file(folder)
    kept.with_name(kept.name + ".tmp").write_bytes(b"half of")
    await save(files, NEW)
    assert files.load() == [NEW]


async def test_what_is_written_is_synced_before_it_takes_the_place_of_the_old_one(
    files: RegistrationFiles[Registration], monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(files, OLD)
    done: list[str] = []
    for name in ("fsync", "rename"):
        original = getattr(os, name)

        def noted(
            *args: object, name: str = name, original: object = original, **more: object
        ) -> None:
            done.append(name)
            original(*args, **more)  # type: ignore[operator]

        monkeypatch.setattr(os, name, noted)
    await save(files, NEW)
    assert done == ["fsync", "rename", "fsync"], "the file, and then the folder that names it"


async def test_files_and_folder_are_for_their_owner_alone(
    files: RegistrationFiles[Registration], folder: Path
) -> None:
    old = os.umask(0)
    try:
        await save(files, OLD)
    finally:
        os.umask(old)
    assert mode(folder) == 0o700
    assert mode(only_file(folder)) == mode(folder / INDEX) == 0o600


def cut(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-10])


def emptied(kept: Path) -> None:
    kept.write_bytes(b"")


def edited(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes().replace(b"commit", b"c0mmit"))


def renamed(kept: Path) -> None:
    kept.rename(kept.with_name("0" * 64 + ".json"))


def copied(kept: Path) -> None:
    shutil.copy2(kept, kept.with_name("0" * 64 + ".json"))


def linked(kept: Path) -> None:
    kept.rename(kept.with_name("elsewhere"))
    kept.symlink_to("elsewhere")


def made_a_folder(kept: Path) -> None:
    kept.unlink()
    kept.mkdir()


def made_a_pipe(kept: Path) -> None:
    kept.unlink()
    os.mkfifo(kept, 0o600)


def written_by_others(kept: Path) -> None:
    kept.chmod(0o620)


def removed(kept: Path) -> None:
    kept.unlink()


def removed_but_for_what_a_crash_left(kept: Path) -> None:
    kept.rename(kept.with_name(kept.name + ".tmp"))


def index_damaged(kept: Path) -> None:
    (kept.parent / INDEX).write_bytes(b"half a na")


def index_written_by_others(kept: Path) -> None:
    (kept.parent / INDEX).chmod(0o666)


def folder_written_by_others(kept: Path) -> None:
    kept.parent.chmod(0o777)


@pytest.mark.parametrize(
    "tampered",
    [
        cut,
        emptied,
        edited,
        renamed,
        copied,
        linked,
        made_a_folder,
        made_a_pipe,
        written_by_others,
        removed,
        removed_but_for_what_a_crash_left,
        index_damaged,
        index_written_by_others,
        folder_written_by_others,
    ],
    ids=lambda how: how.__name__,
)
async def test_what_is_not_as_governd_left_it_is_refused_by_name_and_never_passed_over(
    files: RegistrationFiles[Registration], folder: Path, tampered: object
) -> None:
    await save(files, OLD)
    tampered(only_file(folder))  # type: ignore[operator]
    with pytest.raises(RegistrationsError) as refused:
        files.load()
    said = str(refused.value)
    assert said.startswith(str(folder))
    assert "restore it, or remove it" in said


@as_root
@pytest.mark.parametrize("what", ["file", "folder"])
async def test_what_belongs_to_another_user_is_refused(
    files: RegistrationFiles[Registration], folder: Path, what: str
) -> None:
    await save(files, OLD)
    os.chown(folder if what == "folder" else only_file(folder), 12345, -1)
    with pytest.raises(RegistrationsError, match="somebody else"):
        files.load()


async def test_a_folder_that_others_can_write_to_takes_nothing_new(
    files: RegistrationFiles[Registration], folder: Path
) -> None:
    await save(files, OLD)
    folder_written_by_others(only_file(folder))
    with pytest.raises(RegistrationsError, match="somebody else"):
        await save(files, NEW)


async def test_a_failed_write_leaves_nothing_behind(
    files: RegistrationFiles[Registration], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(files, OLD)

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(RegistrationsError, match="Input/output"):
        await save_broken(files, monkeypatch, "rename", fails)
    assert only_file(folder).read_bytes() == write_registration(OLD)


async def test_what_somebody_put_beside_them_is_left_alone(
    files: RegistrationFiles[Registration], folder: Path
) -> None:
    await save(files, OLD)
    (folder / "README").write_text("hands off")
    assert files.load() == [OLD]
    assert (folder / "README").exists()


async def test_a_file_that_is_gone_is_named_with_what_to_do(
    files: RegistrationFiles[Registration], folder: Path
) -> None:
    await save(files, OLD)
    await save(files, registration(tool("commit"), server="other"))
    gone = first_file(folder)
    gone.unlink()
    with pytest.raises(RegistrationsError) as refused:
        files.load()
    assert str(refused.value).startswith(f"{gone}: is gone; restore it, or remove it and its line")
    index = folder / INDEX
    index.write_text(index.read_text().replace(f"{gone.name}\n", ""))
    assert len(files.load()) == 1, "as the message says"


async def test_killed_before_the_index_names_it_the_first_file_is_there_and_named_from_then_on(
    files: RegistrationFiles[Registration], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def then_killed(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        raise KilledError

    with pytest.raises(KilledError):
        await save_broken(files, monkeypatch, "rename", then_killed)
    assert not (folder / INDEX).exists()
    assert files.load() == [NEW]
    only_file(folder).unlink()
    with pytest.raises(RegistrationsError, match="is gone"):
        files.load()


async def test_a_first_registration_that_cannot_be_kept_is_no_loss_at_the_next_start(
    files: RegistrationFiles[Registration], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(RegistrationsError, match="Input/output"):
        await save_broken(files, monkeypatch, "rename", fails)
    assert files.load() == []


async def test_an_unfinished_file_that_vanishes_is_no_reason_to_start_without_pins(
    files: RegistrationFiles[Registration], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(files, OLD)
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda of: [*listdir(of), "gone.json.tmp"])
    assert files.load() == [OLD]


async def test_a_file_that_vanishes_while_it_is_read_is_an_error(
    files: RegistrationFiles[Registration], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(files, OLD)
    listdir, gone = os.listdir, "0" * 64 + ".json"
    monkeypatch.setattr(os, "listdir", lambda of: [*listdir(of), gone])
    with pytest.raises(RegistrationsError, match=gone):
        files.load()


async def test_a_disk_that_is_full_does_not_keep_governd_from_starting(
    files: RegistrationFiles[Registration], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(files, OLD)
    (folder / INDEX).unlink()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert files.load() == [OLD]


async def test_what_cannot_be_removed_does_not_hide_why_it_was_abandoned(
    files: RegistrationFiles[Registration], folder: Path
) -> None:
    prepared = await files.prepare(OLD)
    shutil.rmtree(folder)
    await prepared.abandon()
