"""A directory of policy is read whole, from inside itself, and at rest."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from governd.adapters import policy_directory
from governd.adapters.policy_directory import (
    PolicyDirectory,
    State,
    base_policy,
    base_schema,
)
from governd.errors import PolicyError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "policy"
    (folder / "policies").mkdir(parents=True)
    (folder / "manifest.toml").write_text("format = 1")
    (folder / "policies" / "a.cedar").write_text("// a")
    return folder


def files(root: Path) -> set[str]:
    return set(PolicyDirectory(root).read()[1])


def refused(root: Path) -> str:
    with pytest.raises(PolicyError) as error:
        PolicyDirectory(root).read()
    return str(error.value)


def test_governds_own_texts_are_there() -> None:
    assert "base/revoked" in base_policy()
    assert "entity Agent" in base_schema()


def test_only_what_belongs_to_a_source_is_read(root: Path) -> None:
    (root / "README.md").write_text("x")
    (root / ".git").mkdir()
    (root / ".git" / "x.cedar").write_text("x")
    assert files(root) == {"manifest.toml", "policies/a.cedar"}


def test_a_policy_in_the_wrong_place_is_handed_on_to_be_refused(root: Path) -> None:
    (root / "a.cedar").write_text("x")
    assert "a.cedar" in files(root)


@pytest.mark.parametrize(
    "path", ["Entities.json", "policies/a.ceder", "tenants/acme/schema.cedarschema", "tools/x.yaml"]
)
def test_of_a_file_that_must_not_be_passed_over_the_name_is_handed_on(
    root: Path, path: str
) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("x" * 10)
    assert PolicyDirectory(root).read()[1][path] == b""


def test_what_must_not_be_passed_over_need_not_be_readable(root: Path) -> None:
    (root / "policies" / "gone").symlink_to("none")
    assert "policies/gone" in files(root)


@pytest.mark.parametrize("make", [lambda path: None, Path.touch], ids=["missing", "a file"])
def test_what_is_no_directory_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "none")
    assert "is not a directory" in refused(tmp_path / "none")


def itself(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "policy"


UNREADABLE: dict[str, Callable[[Path], Path]] = {
    "a link to itself": itself,
    "below a link to itself": lambda folder: itself(folder) / "policy",
    "below a file": below_a_file,
    "a name that is too long": lambda folder: folder / ("x" * 300),
    "a path that is too long": lambda folder: folder / ("x/" * 5000),
    "a NUL in the name": lambda folder: folder / "a\0b",
    "half a character in the name": lambda folder: folder / "a\ud800b",
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_root_that_cannot_be_looked_at_is_a_policy_error_that_names_it(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    root = make(tmp_path)
    source = PolicyDirectory(root)
    for ask in (source.signature, source.read):
        with pytest.raises(PolicyError) as error:
            ask()
        assert str(error.value).startswith(str(root)[:-3])
        str(error.value).encode()


@pytest.mark.parametrize("step", ["is_dir", "resolve"])
def test_a_root_that_vanishes_between_two_looks_is_a_policy_error(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    look = getattr(Path, step)

    def vanish(path: Path, **how: bool) -> object:
        found = look(path, **how)
        if root.exists():
            root.rename(root.with_name("away"))
        return found

    monkeypatch.setattr(Path, step, vanish)
    assert refused(root).startswith(str(root))


def test_a_root_that_may_not_be_looked_at_is_a_policy_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", closed)
    assert refused(root).startswith(f"{root}: cannot be read: [Errno 13]")


def test_a_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    """As kubelet lays it out: files and folders are links into a folder that is swapped."""
    state = tmp_path / "..2026_01_01"
    (state / "policies").mkdir(parents=True)
    (state / "manifest.toml").write_text("format = 1")
    (state / "policies" / "a.cedar").write_text("// a")
    (tmp_path / "..data").symlink_to(state.name)
    (tmp_path / "manifest.toml").symlink_to("..data/manifest.toml")
    (tmp_path / "policies").symlink_to("..data/policies")
    assert files(tmp_path) == {"manifest.toml", "policies/a.cedar"}


@pytest.mark.parametrize("name", ["policies/b.cedar", "policies/b", "tools"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_out_of_the_directory_is_refused(root: Path, name: str, absolute: bool) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "x.cedar").write_text("// x")
    target = outside / "x.cedar" if name.endswith(".cedar") else outside
    (root / name).symlink_to(target if absolute else os.path.relpath(target, (root / name).parent))
    assert refused(root) == f"{name}: is a link that leads out of the directory"


def test_a_link_to_a_sibling_that_begins_alike_leads_out(root: Path) -> None:
    sibling = root.with_name("policy-evil")
    sibling.mkdir()
    (sibling / "x.cedar").write_text("// x")
    (root / "policies" / "x.cedar").symlink_to(sibling / "x.cedar")
    assert "leads out" in refused(root)


def test_a_directory_that_is_itself_a_link_is_followed(root: Path) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    assert files(link) == {"manifest.toml", "policies/a.cedar"}


def test_a_link_to_nowhere_is_refused(root: Path) -> None:
    (root / "policies" / "b.cedar").symlink_to("none")
    assert refused(root).startswith("policies/b.cedar: cannot be read")


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "policies" / "b.cedar").symlink_to("b.cedar")
    assert refused(root).startswith("policies/b.cedar: cannot be read")
    (root / "policies" / "b.cedar").unlink()


@pytest.mark.parametrize("target", [".", "..", "inner"])
def test_no_folder_is_read_twice(root: Path, target: str) -> None:
    (root / "policies" / "inner").mkdir()
    (root / "policies" / "loop").symlink_to(target)
    said = "is a link to a folder that is read already"
    assert refused(root) in {f"policies/loop: {said}", f"policies/inner: {said}"}


def test_a_pipe_is_no_file_and_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "policies" / "b.cedar")
    assert refused(root) == "policies/b.cedar: is not a plain file"


def test_a_name_that_is_not_text_is_handed_on_to_be_refused(root: Path) -> None:
    (root / os.fsdecode(b"policies/\xff.cedar")).write_text("x")
    assert len(files(root)) == 3
    (root / os.fsdecode(b"policies/\xff.cedar")).unlink()
    (root / os.fsdecode(b"policies/\xff.cedar")).symlink_to("none")
    assert refused(root).isascii()


def test_a_folder_that_cannot_be_looked_into_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forbid may be in it."""
    scandir = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("policies"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert refused(root).endswith("policies: cannot be read: Permission denied")


def test_a_file_that_cannot_be_opened_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(self: Path, _: str) -> object:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", closed)
    assert "manifest.toml: cannot be read" in refused(root) or "a.cedar" in refused(root)


def test_a_change_that_keeps_size_and_time_is_seen(root: Path) -> None:
    policies, path = PolicyDirectory(root), root / "policies" / "a.cedar"
    before, times = policies.signature(), path.stat()
    path.write_text("// b")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert policies.signature() != before


class Restless(PolicyDirectory):
    """A directory in which a file changes after each look, so many times."""

    def __init__(self, root: Path, changes: int) -> None:
        super().__init__(root)
        self.path = root / "policies" / "a.cedar"
        self.changes = iter(range(changes))

    def _walk(self) -> Iterator[State]:
        yield from super()._walk()
        for change in self.changes:
            self.path.write_text("x" * (100 + change))
            break


def test_a_directory_that_changes_while_it_is_read_is_read_again(root: Path) -> None:
    source = Restless(root, changes=2)
    signature, content = source.read()
    assert signature == source.signature()
    assert content["policies/a.cedar"] == b"x" * 101


def test_a_directory_that_does_not_come_to_rest_is_refused(root: Path) -> None:
    with pytest.raises(PolicyError, match="changes while it is being read"):
        Restless(root, changes=1000).read()


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 1), ("MAX_TOTAL_BYTES", 5)])
def test_a_directory_beyond_the_limits_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(policy_directory, limit, value)
    assert "has more than" in refused(root)


def test_of_a_long_file_no_more_is_read_than_shows_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_directory, "MAX_FILE_BYTES", 3)
    assert PolicyDirectory(root).read()[1]["policies/a.cedar"] == b"// a"[:4]
