"""What an operator revokes counts at once, is on record and on disk, and ends at its time."""

import asyncio
import json

import pytest

from governd.application.revocations import (
    LOOK_SECONDS,
    RevocationsError,
    RevokedHere,
    Revoker,
)
from governd.application.sync_policy import PolicyKeeper
from governd.delegation.revocation_list import Kind, Revocation, Target
from governd.delegation.revocations import NOTHING
from governd.errors import DecisionLogError, GoverndError, RequestError
from governd.policy.engine import decide
from governd.policy.question import Question
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.revocations import FakeRevocationStore
from tests.fakes.time import FakeTime
from tests.policies import ALICE, PERMIT_ALL, READER, WRITER, acting, question, source_files

pytestmark = pytest.mark.req("gi-3", part=True)

AGENT, USER = Target(Kind.WORKLOAD, WRITER), Target(Kind.USER, ALICE)
TXN, TOKEN = Target(Kind.TRANSACTION, "txn-1"), Target(Kind.TOKEN, "jti-1")
ITS_OWN = question()
FOR_ALICE = question(READER, circumstances=acting(ALICE, READER))


class Node:
    """A revoker over fakes, and what was told of it."""

    def __init__(self, store: FakeRevocationStore | None = None) -> None:
        self.time = FakeTime()
        self.store = store or FakeRevocationStore()
        self.log = FakeDecisionLog()
        self.told: list[str] = []
        self.here = RevokedHere(self.store, self, wall_clock=self.time.wall_clock)
        self.keeper = PolicyKeeper(
            FakePolicySource(source_files(PERMIT_ALL)),
            FakePolicyCompiler(),
            clock=self.time.clock,
            on_load=lambda _: None,
            dress=self.here.dress,
        )
        self.revoker = Revoker(
            self.keeper,
            self.here,
            self.log,
            clock=self.time.clock,
            wall_clock=self.time.wall_clock,
            sleep=self.time.sleep,
        )

    def revoked(self, one: Revocation) -> None:
        self.told.append(f"revoked {one.target.kind.value}")

    def not_kept(self, error: GoverndError) -> None:
        self.told.append("not kept")

    def allows(self, asked: Question = ITS_OWN) -> bool:
        policy = self.keeper.state.policy
        assert policy is not None
        return decide(policy, asked, age_seconds=0).allowed

    async def revoke(self, target: Target, seconds: float = 60.0) -> Revocation:
        one, info = await self.revoker.revoke(target, seconds=seconds, reason="stolen")
        assert info.epoch == self.keeper.state.epoch
        return one


async def node(store: FakeRevocationStore | None = None) -> Node:
    made = Node(store)
    made.here.load()
    await made.keeper.reload()
    return made


async def test_a_revoked_agent_and_user_are_denied_at_once_in_a_new_epoch() -> None:
    one = await node()
    epoch = one.keeper.state.epoch
    assert one.allows()
    assert one.allows(FOR_ALICE)
    await one.revoke(AGENT)
    assert one.keeper.state.epoch != epoch
    assert not one.allows()
    assert one.allows(FOR_ALICE)
    await one.revoke(USER)
    assert not one.allows(FOR_ALICE)


async def test_receivers_of_tokens_are_told_at_once() -> None:
    one = await node()
    assert one.here.value == NOTHING
    await one.revoke(TXN)
    await one.revoke(TOKEN)
    assert one.here.value.transactions == {"txn-1"}
    assert one.here.value.tokens == {"jti-1"}


async def test_it_is_on_record_and_on_disk_before_it_is_answered() -> None:
    one = await node()
    made = await one.revoke(AGENT)
    assert one.store.kept.entries == (made,) == one.here.current()
    (line,) = map(json.loads, one.log.lines)
    assert line["kind"] == "revocation"
    assert line["revoked"] == {"workload": WRITER}
    assert (line["caller"], line["because"]) == ("operator", "stolen")
    assert line["until"] == int(made.until)
    assert one.told == ["revoked workload"]


async def test_a_new_policy_does_not_undo_it() -> None:
    one = await node()
    await one.revoke(AGENT)
    one.keeper._source.files = source_files(PERMIT_ALL + "//")  # type: ignore[union-attr]
    await one.keeper.reload()
    assert not one.allows()


async def test_a_restart_does_not_undo_it() -> None:
    before = await node()
    await before.revoke(AGENT)
    after = await node(before.store)
    assert not after.allows()
    assert after.here.current() == before.here.current()


async def test_it_ends_at_its_time_and_a_restart_forgets_it_then() -> None:
    one = await node()
    tending = asyncio.ensure_future(one.revoker.tend())
    await one.revoke(AGENT)
    await one.revoke(USER, 3600)
    await one.time.advance(50)
    assert not one.allows()
    await one.time.advance(10 + LOOK_SECONDS)
    assert one.allows()
    assert not one.allows(FOR_ALICE)
    assert [made.target for made in one.here.current()] == [USER]
    tending.cancel()
    after = await node(one.store)
    after.time.wall += 61
    after.here.load()
    assert [made.target for made in after.here.current()] == [USER]


async def test_revoking_again_says_anew_until_when() -> None:
    one = await node()
    await one.revoke(AGENT)
    later = await one.revoke(AGENT, 600)
    assert one.here.current() == (later,)


async def test_attack_a_full_disk_lets_nobody_off() -> None:
    one = await node()
    one.store.full = True
    with pytest.raises(RevocationsError):
        await one.revoke(AGENT)
    assert not one.allows()
    assert one.told == ["revoked workload", "not kept"]
    assert len(one.log.lines) == 1


async def test_attack_a_log_that_cannot_be_written_lets_nobody_off() -> None:
    one = await node()
    one.log.full = True
    with pytest.raises(DecisionLogError, match="in force") as raised:
        await one.revoke(AGENT)
    assert raised.value.retry_after
    assert not one.allows()
    assert len(one.store.kept.entries) == 1


async def test_who_hangs_up_does_not_end_it_halfway() -> None:
    one = await node()
    asked = asyncio.ensure_future(one.revoke(AGENT))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await one.revoke(USER)
    assert {made.target for made in one.here.current()} == {AGENT, USER}
    assert len(one.log.lines) == 2


async def test_before_the_first_policy_it_is_held_for_it() -> None:
    one = Node()
    await one.revoke(AGENT)
    await one.keeper.reload()
    assert not one.allows()


async def test_a_malformed_name_changes_nothing() -> None:
    one = await node()
    epoch = one.keeper.state.epoch
    with pytest.raises(RequestError):
        await one.revoke(Target(Kind.USER, "alice"))
    assert one.keeper.state.epoch == epoch
    assert one.log.lines == []


async def test_status_says_how_much_is_revoked() -> None:
    one = await node()
    await one.revoke(AGENT)
    assert one.here.state().ready
    assert one.here.state().detail.startswith("1 ")
