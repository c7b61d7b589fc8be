"""What every policy source does, the fake and the directory alike."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from governd.adapters.policy_directory import PolicyDirectory
from governd.errors import PolicyError
from governd.policy.ports import PolicySourcePort
from tests.fakes.policy_source import FakePolicySource

FILES = {"manifest.toml": b"format = 1", "policies/a.cedar": b"// a"}


class Source(NamedTuple):
    """A source and what can be done to it."""

    port: PolicySourcePort
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]
    take_away: Callable[[], object]


def fake(_: Path) -> Source:
    source = FakePolicySource(FILES)
    return Source(source, source.put, source.remove, lambda: setattr(source, "away", True))


def directory(folder: Path) -> Source:
    root = folder / "policy"

    def put(path: str, content: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)

    for path, content in FILES.items():
        put(path, content)
    return Source(
        PolicyDirectory(root),
        put,
        lambda path: (root / path).unlink(),
        lambda: root.rename(folder / "away"),
    )


@pytest.fixture(params=[fake, directory], ids=["fake", "directory"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    made: Source = request.param(tmp_path)
    return made


def test_reading_gives_every_file_and_the_signature_of_that_state(source: Source) -> None:
    signature, files = source.port.read()
    assert files == FILES
    assert signature == source.port.signature()


def test_the_signature_stays_while_nothing_changes(source: Source) -> None:
    assert source.port.signature() == source.port.signature()


def test_the_signature_changes_with_a_file(source: Source) -> None:
    before = source.port.signature()
    source.put("policies/a.cedar", b"// another, longer")
    assert source.port.signature() != before
    assert source.port.read()[1]["policies/a.cedar"] == b"// another, longer"


def test_the_signature_changes_with_a_file_more_or_less(source: Source) -> None:
    before = source.port.signature()
    source.put("policies/b.cedar", b"")
    more = source.port.signature()
    source.remove("policies/a.cedar")
    assert len({before, more, source.port.signature()}) == 3
    assert set(source.port.read()[1]) == {"manifest.toml", "policies/b.cedar"}


def test_a_source_that_is_away_is_a_policy_error(source: Source) -> None:
    source.take_away()
    for ask in (source.port.signature, source.port.read):
        with pytest.raises(PolicyError):
            ask()
