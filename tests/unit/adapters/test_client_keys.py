"""Keys are read from files that nobody else can read, as they are now, and shown to nobody."""

import os
from pathlib import Path

import pytest

from governd.adapters.client_keys import ClientKeyFiles
from governd.config import ClientKeyFile
from governd.errors import ConfigError, IdentityError
from governd.tokens.client_key import MAX_PEM_BYTES
from tests.fakes.token_issuer import TokenIssuer
from tests.parts import as_root

pytestmark = pytest.mark.req("r-2", part=True)

ONE, TWO = (TokenIssuer().key.as_pem(private=True) for _ in range(2))
FOR_ITS_OWNER = "expected 0600 or 0400, for its owner alone"


class KeyFile:
    """A file with a key, and what reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = ClientKeyFiles([ClientKeyFile(name="corp", file=path)])
        self.write(ONE)

    def write(self, content: bytes, mode: int = 0o600) -> None:
        """Puts another file in its place, as operators should."""
        beside = self.path.with_suffix(".new")
        beside.write_bytes(content)
        beside.chmod(mode)
        beside.rename(self.path)

    async def key_id(self) -> str:
        return (await self.keys.key("corp")).key_id

    async def refused(self) -> str:
        with pytest.raises(IdentityError) as raised:
            await self.key_id()
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None
        said = str(raised.value)
        assert said.startswith(f'client key "corp": {self.path}: ')
        return said.removeprefix(f'client key "corp": {self.path}: ')


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "corp.pem")


async def test_a_key_is_read_once_as_long_as_its_file_is_the_same(file: KeyFile) -> None:
    file.keys.load()
    assert await file.keys.key("corp") is await file.keys.key("corp")


async def test_another_file_is_another_key(file: KeyFile) -> None:
    before = await file.key_id()
    file.write(TWO)
    assert await file.key_id() != before
    file.write(ONE)
    assert await file.key_id() == before


async def test_a_file_that_is_taken_away_takes_the_key(file: KeyFile) -> None:
    await file.key_id()
    file.path.unlink()
    assert await file.refused() == "no such file or directory"
    file.write(ONE)
    assert await file.key_id()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o777])
async def test_attack_a_key_that_others_can_read(file: KeyFile, mode: int) -> None:
    await file.key_id()
    file.path.chmod(mode)
    assert (
        await file.refused() == f"has mode {mode:04o}: expected 0600 or 0400, for its owner alone"
    )


@pytest.mark.parametrize("mode", [0o600, 0o400])
async def test_a_key_of_its_owner_alone(file: KeyFile, mode: int) -> None:
    file.path.chmod(mode)
    assert await file.key_id()


@as_root
async def test_attack_a_key_that_another_user_can_replace(file: KeyFile) -> None:
    os.chown(file.path, 12345, -1)
    assert "belongs to user 12345" in await file.refused()


async def test_attack_a_pipe_that_nobody_writes_to(file: KeyFile) -> None:
    file.path.unlink()
    os.mkfifo(file.path, 0o600)
    assert await file.refused() == "expected a regular file"


async def test_a_directory_is_no_key(file: KeyFile) -> None:
    file.path.unlink()
    file.path.mkdir(0o700)
    assert await file.refused()


@pytest.mark.parametrize(
    "content",
    [b"", b"secret-words", ONE[:-40], ONE.replace(b"PRIVATE", b"PUBLIC"), b"x" * MAX_PEM_BYTES * 2],
)
async def test_what_is_no_key_is_not_told(file: KeyFile, content: bytes) -> None:
    file.write(content)
    said = await file.refused()
    assert "secret" not in said
    assert "BEGIN" not in said


async def test_a_name_that_the_configuration_does_not_have(file: KeyFile) -> None:
    with pytest.raises(IdentityError, match='client key "other": governd\'s configuration has'):
        await file.keys.key("other")


def test_at_the_start_all_that_may_not_be_used_are_told_at_once(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    two.write_bytes(ONE)
    two.chmod(0o644)
    keys = ClientKeyFiles(
        [ClientKeyFile(name="one", file=one), ClientKeyFile(name="two", file=two)]
    )
    with pytest.raises(ConfigError) as raised:
        keys.load()
    assert [str(problem) for problem in raised.value.problems] == [
        f'{one}: client key "one": no such file or directory',
        f'{two}: client key "two": has mode 0644: {FOR_ITS_OWNER}',
    ]


async def test_it_signs_with_what_the_configuration_says(tmp_path: Path) -> None:
    path = tmp_path / "rsa.pem"
    path.touch(0o600)
    path.write_bytes(TokenIssuer("RS256").key.as_pem(private=True))
    stated = ClientKeyFile(name="rsa", file=path, algorithm="PS256")
    assert (await ClientKeyFiles([stated]).key("rsa")).algorithm == "PS256"
    other = stated.model_copy(update={"algorithm": "ES256"})
    with pytest.raises(IdentityError, match="a key of RSA signs with"):
        await ClientKeyFiles([other]).key("rsa")
