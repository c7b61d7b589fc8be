"""A compiled form is taken only from where nobody else could have put it."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from governd.adapters.compiled_files import KEPT, CompiledFiles
from governd.errors import PolicyError
from governd.policy.form import Stamp

STAMP = Stamp("1", "b", "sha-256:ab")
PIECES = [b"a\n", b"b\n"]


class Kept:
    """A form that was written, and where."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = CompiledFiles(directory)
        self.files.write(STAMP, PIECES)

    @property
    def form(self) -> Path:
        return self.directory / "ab.jsonl"

    @property
    def names(self) -> list[str]:
        return sorted(one.name for one in self.directory.iterdir())

    def read(self) -> bytes | None:
        return self.files.read(STAMP)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "compiled")


def test_what_was_written_is_read(kept: Kept) -> None:
    assert kept.read() == b"a\nb\n"
    assert kept.files.read(STAMP._replace(source="sha-256:cd")) is None


def test_it_is_nobody_else_s(kept: Kept) -> None:
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (kept.directory, kept.form)]
    assert modes == [0o700, 0o600]
    assert kept.names == ["ab.jsonl"]


def test_what_is_not_there_is_not_read(tmp_path: Path) -> None:
    assert CompiledFiles(tmp_path / "none").read(STAMP) is None
    CompiledFiles(tmp_path / "none").tidy(STAMP)


def link(kept: Kept) -> None:
    kept.form.rename(kept.directory / "elsewhere")
    kept.form.symlink_to("elsewhere")


def link_the_directory(kept: Kept) -> None:
    kept.directory.rename(kept.directory.with_name("elsewhere"))
    kept.directory.symlink_to("elsewhere")


def pipe(kept: Kept) -> None:
    kept.form.unlink()
    os.mkfifo(kept.form, 0o600)


def folder(kept: Kept) -> None:
    kept.form.unlink()
    kept.form.mkdir(0o700)


ODD: dict[str, Callable[[Kept], None]] = {
    "others may write it": lambda kept: kept.form.chmod(0o602),
    "the group may read it": lambda kept: kept.form.chmod(0o640),
    "others may write the directory": lambda kept: kept.directory.chmod(0o702),
    "a link": link,
    "the directory is a link": link_the_directory,
    "a pipe": pipe,
    "a folder": folder,
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_what_is_odd_is_not_read(kept: Kept, make: Callable[[Kept], None]) -> None:
    make(kept)
    assert kept.read() is None


def test_what_belongs_to_others_is_not_read(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert kept.read() is None


def test_what_is_too_large_is_not_read(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("governd.adapters.compiled_files.MAX_BYTES", 3)
    assert kept.read() is None


@pytest.mark.parametrize("make", [link_the_directory])
def test_nothing_is_written_where_others_could(kept: Kept, make: Callable[[Kept], None]) -> None:
    make(kept)
    with pytest.raises(PolicyError) as refused:
        kept.files.write(STAMP, PIECES)
    assert refused.value.problems[0].file == str(kept.directory)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PolicyError, match=r"file/compiled: cannot be written: Not a directory"):
        CompiledFiles(tmp_path / "file" / "compiled").write(STAMP, PIECES)


def test_a_form_that_is_there_is_replaced_as_a_whole(kept: Kept) -> None:
    def failing() -> Iterator[bytes]:
        yield b"half"
        raise KeyError

    with pytest.raises(KeyError):
        kept.files.write(STAMP, failing())
    assert kept.read() == b"a\nb\n"
    kept.files.write(STAMP, [b"new\n"])
    assert kept.read() == b"new\n"
    kept.files.tidy(STAMP)
    assert kept.names == ["ab.jsonl"]


def test_a_link_in_the_place_of_what_is_being_written_is_not_followed(kept: Kept) -> None:
    target = kept.directory.with_name("target")
    target.write_text("keep")
    kept.form.with_name(f"ab.jsonl.{os.getpid()}").symlink_to(target)
    kept.files.write(STAMP, [b"new\n"])
    assert (target.read_text(), kept.read()) == ("keep", b"new\n")


def test_the_one_in_force_and_the_newest_other_are_kept(kept: Kept) -> None:
    """Its own age does not count: a clock may have stepped back."""
    (kept.directory / "ab.jsonl.4711").touch()
    for number in range(KEPT + 2):
        kept.files.write(STAMP._replace(source=f"sha-256:{number}"), PIECES)
        os.utime(kept.directory / f"{number}.jsonl", ns=(0, 10**18 * (number + 2)))
    os.utime(kept.form, ns=(0, 0))
    kept.files.tidy(STAMP)
    assert kept.names == ["3.jsonl", "ab.jsonl"]


def test_a_directory_that_others_could_write_is_taken_back_and_emptied(kept: Kept) -> None:
    """As a volume's fsGroup leaves it at each mount."""
    kept.directory.chmod(0o770)
    assert kept.read() is None
    assert stat.S_IMODE(kept.directory.stat().st_mode) == 0o700
    kept.files.write(STAMP, PIECES)
    assert kept.read() == b"".join(PIECES)
