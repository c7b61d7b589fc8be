"""What was revoked outlives a crash, or governd says that it does not."""

import stat
from pathlib import Path

import pytest

from governd.adapters.revocation_file import NAME, RevocationFile
from governd.application.revocations import RevocationsError, RevocationStore
from governd.delegation.revocation_list import Kind, RevocationList, Target, revocation
from tests.fakes.revocations import FakeRevocationStore

pytestmark = pytest.mark.req("gi-3", part=True)

ONE = RevocationList((revocation(Target(Kind.TOKEN, "jti"), now=1.5, seconds=60),))


def names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


@pytest.fixture(params=["file", "fake"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RevocationStore:
    return RevocationFile(tmp_path) if request.param == "file" else FakeRevocationStore()


async def test_what_was_saved_last_is_what_is_kept(store: RevocationStore) -> None:
    assert store.load() == RevocationList()
    await store.save(ONE)
    assert store.load() == ONE
    await store.save(RevocationList())
    assert store.load() == RevocationList()


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    await RevocationFile(tmp_path).save(ONE)
    assert names(tmp_path) == [NAME]
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("attack", ["torn", "empty", "others", "link", "directory"])
async def test_attack_a_file_that_is_not_what_was_written(tmp_path: Path, attack: str) -> None:
    store, path = RevocationFile(tmp_path), tmp_path / NAME
    await store.save(ONE)
    if attack == "torn":
        path.write_bytes(path.read_bytes()[:-10])
    elif attack == "others":
        path.chmod(0o622)
    else:
        path.unlink()
        if attack == "empty":
            path.touch(mode=0o600)
        elif attack == "link":
            path.symlink_to("elsewhere")
        else:
            path.mkdir()
    with pytest.raises(RevocationsError, match=NAME) as raised:
        store.load()
    assert "counts again" in str(raised.value)


async def test_what_a_crash_left_half_written_is_not_read(tmp_path: Path) -> None:
    store = RevocationFile(tmp_path)
    await store.save(ONE)
    (tmp_path / f"{NAME}.tmp").write_bytes(b"{")
    assert store.load() == ONE
    await store.save(ONE)
    assert names(tmp_path) == [NAME]


async def test_a_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(RevocationsError):
        await RevocationFile(tmp_path / "gone").save(ONE)
