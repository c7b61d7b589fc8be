"""What holds for every store of registrations: the fake and the real one."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from governd.adapters.registration_files import REGISTRATIONS, RegistrationFiles
from governd.application.ports import RegistrationStore
from governd.errors import RegistrationsError
from governd.policy.registration import Registration
from tests.fakes.registration_store import FakeRegistrationStore
from tests.tool_definitions import registration, tool


class Store(NamedTuple):
    """A store, the same one after a restart, and how to fill its disk."""

    port: RegistrationStore
    again: Callable[[], RegistrationStore]
    fill: Callable[[bool], object]


def fake(_: Path, __: pytest.MonkeyPatch) -> Store:
    store = FakeRegistrationStore()
    again = lambda: FakeRegistrationStore(*store.kept.values())  # noqa: E731
    return Store(store, again, lambda full: setattr(store, "full", full))


def files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    directory = folder / "registrations"
    sync = os.fsync

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(full: bool) -> None:
        monkeypatch.setattr(os, "fsync", no_space if full else sync)

    return Store(
        RegistrationFiles(directory, REGISTRATIONS),
        lambda: RegistrationFiles(directory, REGISTRATIONS),
        fill,
    )


@pytest.fixture(params=[fake, files], ids=["fake", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    made: Store = request.param(tmp_path, monkeypatch)
    return made


async def save(store: Store, registration: Registration) -> None:
    await (await store.port.prepare(registration)).commit()


FIRST = registration(tool("commit"), tool("push", description="pushes"))
SECOND = registration(tool("push"))
OTHER_SERVER = registration(tool("commit"), server="other")
OTHER_CALLER = registration(tool("commit"), spiffe_id="spiffe://example.org/mcp/two")


def by_content(registrations: list[Registration]) -> list[Registration]:
    return sorted(registrations, key=lambda one: (one.spiffe_id, one.server))


def test_nothing_is_kept_at_first(store: Store) -> None:
    assert store.port.load() == []


@pytest.mark.req("gi-5", part=True)
async def test_what_is_kept_is_there_after_a_restart(store: Store) -> None:
    await save(store, FIRST)
    assert store.again().load() == [FIRST]


async def test_each_caller_and_each_server_has_its_own(store: Store) -> None:
    for one in (FIRST, OTHER_SERVER, OTHER_CALLER):
        await save(store, one)
    assert by_content(store.again().load()) == by_content([FIRST, OTHER_SERVER, OTHER_CALLER])


async def test_a_registration_takes_the_place_of_the_same_servers_before(store: Store) -> None:
    await save(store, FIRST)
    await save(store, SECOND)
    assert store.again().load() == [SECOND]


async def test_what_cannot_be_kept_is_an_error_and_the_one_before_stays(store: Store) -> None:
    await save(store, FIRST)
    store.fill(True)
    with pytest.raises(RegistrationsError, match=r"(?i)no space left"):
        await save(store, SECOND)
    store.fill(False)
    assert store.again().load() == [FIRST]
    await save(store, SECOND)
    assert store.again().load() == [SECOND]


async def test_what_is_prepared_is_not_kept_before_it_is_committed(store: Store) -> None:
    await save(store, FIRST)
    prepared = await store.port.prepare(SECOND)
    assert store.again().load() == [FIRST]
    await prepared.abandon()
    assert store.again().load() == [FIRST]


async def test_what_is_abandoned_is_no_hindrance_to_the_next(store: Store) -> None:
    await (await store.port.prepare(FIRST)).abandon()
    assert store.again().load() == []
    await save(store, SECOND)
    assert store.again().load() == [SECOND]
