"""What holds for every store of agents: the fake and the real one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from governd.adapters.registration_files import AGENTS, RegistrationFiles
from governd.application.ports import AgentStore
from governd.errors import RegistrationsError
from governd.kya.kept_agent import KeptAgent
from tests.agent_cards import CALLER, THIEF, card, read
from tests.fakes.agent_store import FakeAgentStore

FIRST = KeptAgent.presented(CALLER, read(card()))
SECOND = KeptAgent.presented(CALLER, read(card(version="2")), FIRST)
OTHER = KeptAgent.presented(THIEF, read(card()))


class KilledError(BaseException):
    """The machine stops here."""


Store = tuple[AgentStore, Callable[[], AgentStore]]


@pytest.fixture(params=["fake", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "fake":
        fake = FakeAgentStore()
        return fake, lambda: FakeAgentStore(*fake.kept.values())
    folder = tmp_path / "agents"
    return RegistrationFiles(folder, AGENTS), lambda: RegistrationFiles(folder, AGENTS)


@pytest.mark.req("gi-6", part=True)
async def test_each_agent_has_its_own_and_the_last_one_counts(store: Store) -> None:
    port, again = store
    assert port.load() == []
    for one in (FIRST, OTHER, SECOND):
        await (await port.prepare(one)).commit()
    assert sorted(again().load(), key=lambda one: str(one.spiffe_id)) == [OTHER, SECOND]


async def test_what_is_abandoned_is_not_kept(store: Store) -> None:
    port, again = store
    await (await port.prepare(FIRST)).commit()
    await (await port.prepare(SECOND)).abandon()
    assert again().load() == [FIRST]


async def test_what_is_removed_is_gone_for_good_and_can_come_again(store: Store) -> None:
    port, again = store
    for one in (FIRST, OTHER):
        await (await port.prepare(one)).commit()
    await port.remove(FIRST)
    assert again().load() == [OTHER]
    await port.remove(FIRST)
    await (await port.prepare(SECOND)).commit()
    assert sorted(again().load(), key=lambda one: str(one.spiffe_id)) == [OTHER, SECOND]


@pytest.mark.parametrize("call", ["unlink", "rename"])
async def test_killed_while_it_is_removed_an_agent_is_there_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    files = RegistrationFiles(tmp_path / "agents", AGENTS)
    for one in (FIRST, OTHER):
        await (await files.prepare(one)).commit()

    def killed(name: object, *_: object, **__: object) -> None:
        if call == "rename" or str(name).endswith(".json"):
            raise KilledError
        raise FileNotFoundError  # of the index, which nobody was writing

    with monkeypatch.context() as patched:
        patched.setattr(os, call, killed)
        with pytest.raises(KilledError):
            await files.remove(FIRST)
    found = RegistrationFiles(tmp_path / "agents", AGENTS).load()
    assert sorted(found, key=lambda one: str(one.spiffe_id)) == [OTHER, FIRST]


@pytest.mark.req("gi-6", part=True)
async def test_an_agent_whose_file_is_gone_or_anothers_is_noticed(tmp_path: Path) -> None:
    files = RegistrationFiles(tmp_path / "agents", AGENTS)
    for one in (FIRST, OTHER):
        await (await files.prepare(one)).commit()
    first, second = sorted((tmp_path / "agents").glob("*.json"))
    first.write_bytes(second.read_bytes())
    with pytest.raises(RegistrationsError, match="another registration"):
        files.load()
    first.unlink()
    with pytest.raises(RegistrationsError, match="is gone"):
        files.load()
