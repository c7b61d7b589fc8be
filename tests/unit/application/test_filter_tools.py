"""Who may see what of a list is on record before it is told, and told for one subject only."""

import asyncio
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from governd.application.call import Call
from governd.application.filter_tools import ToolFilter
from governd.application.list_question import FilteredList, ListedEntry, ListQuestion
from governd.application.sync_policy import PolicyKeeper
from governd.errors import DecisionLogError, RequestError, ServerUnknownError, SubjectError
from governd.identity import Attestation, Caller, SpiffeId
from governd.policy.definitions import Kind
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.entities import Uid
from governd.policy.offered import Offered
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.policies import (
    ALICE,
    BOB,
    EXPIRES,
    PERMIT_ALL,
    READER,
    SERVER,
    WRITER,
    acting,
    compiled,
    server_file,
    source_files,
)

pytestmark = pytest.mark.req("gi-5")

GATEWAY = "spiffe://example.org/gateway"
MANIFEST = f'[[gateway]]\nspiffe_id = "{GATEWAY}"\nsubjects = ["spiffe://example.org/agent"]\n'
GRANTS = f"""
[[grant]]
agents = ["{READER}", "{WRITER}"]
capabilities = ["git:read"]
[[grant]]
agents = ["{WRITER}"]
capabilities = ["git:write"]
destructive = ["git/reset"]
"""
NAMES = ("reset", "open", "read", "bare")
GENUINE, FORGED = f"sha-256:{'0' * 64}", f"sha-256:{'1' * 64}"


class _Free:
    def charge(self, count: int, now: float) -> None:
        """Costs nothing."""


def call(caller: str = WRITER) -> Call:
    return Call(Caller(SpiffeId.parse(caller), Attestation.STATIC), None, _Free(), lambda: 0.0)


def asking(
    *names: str,
    subject: str = WRITER,
    asserted_by: str | None = None,
    server: str = "git",
    kind: Kind = Kind.TOOL,
    digest: str = "",
    bootstrap: bool = False,
    circumstances: Circumstances = PLAIN,
) -> ListQuestion:
    entries = tuple(ListedEntry(name, digest) for name in names)
    by = SpiffeId.parse(asserted_by) if asserted_by else None
    return ListQuestion(
        SpiffeId.parse(subject), by, server, kind, entries, bootstrap, circumstances
    )


class Watched:
    """A filter, its log, and what was watched of it."""

    def __init__(self, keeper: PolicyKeeper, *, unsafe: bool = False, lease: float = 60.0) -> None:
        self.keeper = keeper
        self.log = FakeDecisionLog()
        self.seen: list[tuple[Kind, int, int]] = []
        self.on_record_when_seen: list[int] = []
        self.now = 100.0
        self.filter = ToolFilter(
            keeper,
            self.log,
            self,
            clock=lambda: self.now,
            wall_clock=lambda: 1767268800.0,
            max_lease_seconds=lease,
            unsafe_answer_without_log=unsafe,
        )

    def filtered(self, kind: Kind, listed: int, shown: int, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append((kind, listed, shown))
        self.on_record_when_seen.append(len(self.log.lines))

    async def ask(self, *names: str, caller: str = WRITER, **parts: Any) -> FilteredList:
        return await self.filter.filter(call(caller), asking(*(names or NAMES), **parts))

    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.log.lines[-1])
        return record

    def offer(self, offered: Offered) -> None:
        policy = self.keeper.state.policy
        assert policy
        self.keeper.state = replace(self.keeper.state, policy=policy.offering(offered))


async def keeper_of(source: FakePolicySource | None) -> PolicyKeeper:
    keeper = PolicyKeeper(source, FakePolicyCompiler(), clock=lambda: 100.0, on_load=lambda _: None)
    await keeper.check()
    return keeper


@pytest.fixture
async def watched() -> Watched:
    files = source_files(grants=GRANTS, manifest=MANIFEST)
    return Watched(await keeper_of(FakePolicySource(files)))


async def test_a_list_shows_what_the_subject_may_call(watched: Watched) -> None:
    answer = await watched.ask()
    assert answer.shown == (0, 2)
    assert answer.policy == watched.keeper.state.info(100.0)
    assert watched.seen == [(Kind.TOOL, 4, 2)]
    assert (await watched.ask(subject=READER)).shown == (2,)


async def test_the_record_is_written_before_the_answer(watched: Watched) -> None:
    answer = await watched.ask()
    assert watched.on_record_when_seen == [1]
    info = answer.policy
    assert watched.record() == {
        "format": 1,
        "kind": "filter",
        "time": "2026-01-01T12:00:00.000000+00:00",
        "caller": WRITER,
        "attestation": "static",
        "decision_id": answer.decision_id,
        "subject": WRITER,
        "asserted_by": None,
        "server": "git",
        "kind_of": "tool",
        "phase": "call",
        "delegation": None,
        "kya_level": 0,
        "listed": 4,
        "shown": 2,
        "hidden": ["open", "bare"],
        "policy": {"digest": info.digest, "bundle_version": 7, "epoch": info.epoch},
    }


async def test_a_list_is_recorded_for_its_user_and_ends_with_the_evidence(
    watched: Watched,
) -> None:
    for user in (ALICE, BOB):
        given = acting(user, own_level=1, expires=EXPIRES + 5)
        answer = await watched.ask(circumstances=given)
        assert (answer.shown, answer.lease_seconds) == ((0, 2), 5.0)
        record = watched.record()
        assert record["delegation"]["user"]["subject"] == user.partition("#")[2]
        assert record["kya_level"] == 1
    ended = await watched.ask(circumstances=acting(ALICE, expires=EXPIRES))
    assert (ended.shown, ended.lease_seconds) == ((), 0.0)


async def test_a_list_for_what_was_delegated_to_another_is_refused(watched: Watched) -> None:
    with pytest.raises(RequestError):
        await watched.ask(circumstances=acting(ALICE, READER, WRITER))
    assert not watched.log.lines


async def test_each_answer_has_an_id_of_its_own(watched: Watched) -> None:
    ids = {(await watched.ask()).decision_id for _ in range(5)}
    assert len(ids) == 5
    assert all(len(name) == 32 for name in ids)


async def test_a_record_names_few_of_what_is_hidden_and_cuts_their_names(watched: Watched) -> None:
    names = [f"{number}\n{'x' * 200}" for number in range(100)]
    await watched.ask(*names, kind=Kind.RESOURCE_TEMPLATE, bootstrap=True)
    record = watched.record()
    assert record["hidden"] == [name[:128] for name in names[:64]]
    assert (record["listed"], record["shown"]) == (100, 0)
    assert (record["kind_of"], record["phase"]) == ("resource_template", "bootstrap")


async def test_an_empty_page_is_answered_and_recorded(watched: Watched) -> None:
    answer = await watched.filter.filter(call(), asking())
    assert answer.shown == ()
    assert (watched.record()["listed"], watched.record()["hidden"]) == (0, [])


# --- who asks ------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [SERVER, GATEWAY])
async def test_the_server_and_a_gateway_ask_for_others(watched: Watched, caller: str) -> None:
    for subject, shown in ((WRITER, (0, 2)), (READER, (2,)), (WRITER, (0, 2))):
        answer = await watched.ask(subject=subject, asserted_by=caller, caller=caller)
        assert answer.shown == shown
        record = watched.record()
        assert [record[one] for one in ("caller", "subject", "asserted_by")] == [
            *(caller, subject, caller),
        ]


@pytest.mark.parametrize(
    ("caller", "subject", "server"),
    [
        (READER, WRITER, "git"),
        (SERVER, WRITER, "other"),
        (SERVER, WRITER, "nobody"),
        (GATEWAY, "spiffe://example.org/mcp/x", "git"),
    ],
)
async def test_nobody_else_asks_for_another(caller: str, subject: str, server: str) -> None:
    other = server_file("other", "spiffe://example.org/mcp/other")
    files = source_files(PERMIT_ALL, manifest=MANIFEST, extra={"tools/other.json": other})
    watched = Watched(await keeper_of(FakePolicySource(files)))
    with pytest.raises(SubjectError):
        await watched.ask(subject=subject, asserted_by=caller, caller=caller, server=server)
    assert (watched.log.lines, watched.seen) == ([], [])


@pytest.mark.parametrize("server", ["gti", "GIT", "git/open", ""])
async def test_a_server_that_nobody_declares_is_told_apart(watched: Watched, server: str) -> None:
    with pytest.raises(ServerUnknownError) as raised:
        await watched.ask(server=server)
    assert raised.value.metadata == {"server": server}
    assert raised.value.field == "server"


async def test_a_list_for_one_subject_is_never_served_to_another(watched: Watched) -> None:
    """Interleaved, with warm caches, in both phases."""
    expected = {(WRITER, False): (0, 2), (WRITER, True): (0, 2), (READER, False): (2,)}
    expected[READER, True] = (2,)
    orders = itertools.islice(itertools.permutations(expected), 8)
    for subject, bootstrap in itertools.chain.from_iterable(orders):
        answers = await asyncio.gather(
            watched.ask(subject=subject, asserted_by=SERVER, caller=SERVER, bootstrap=bootstrap),
            watched.ask(subject=READER, asserted_by=SERVER, caller=SERVER),
        )
        assert [one.shown for one in answers] == [expected[subject, bootstrap], (2,)]


async def test_what_a_user_may_delegate_is_shown_before_but_not_at_the_call() -> None:
    grants = f'[[grant]]\nagents = ["{WRITER}"]\ncapabilities = ["git:read", "git:write"]\n'
    watched = Watched(await keeper_of(FakePolicySource(source_files(grants=grants))))
    for _ in range(2):
        assert (await watched.ask(bootstrap=True)).shown == (0, 2)
        assert (await watched.ask()).shown == (2,)


# --- digests and quarantine ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "entity_type", "name"),
    [
        (Kind.TOOL, "Tool", "open"),
        (Kind.RESOURCE, "Resource", "file:///a"),
        (Kind.RESOURCE_TEMPLATE, "ResourceTemplate", "file:///{x}"),
        (Kind.PROMPT, "Prompt", "hello"),
    ],
)
async def test_a_forged_digest_is_hidden(kind: Kind, entity_type: str, name: str) -> None:
    watched = Watched(await keeper_of(FakePolicySource(source_files(PERMIT_ALL))))
    assert (await watched.ask(name, kind=kind, digest=FORGED)).shown == (0,), "nothing to go by"
    uid = Uid(entity_type, f"git/{name}")
    watched.offer(Offered(digests={uid: GENUINE}))
    shown = [(await watched.ask(name, kind=kind, digest=one)).shown for one in ("", GENUINE)]
    assert shown == [(0,), (0,)]
    assert (await watched.ask(name, kind=kind, digest=FORGED)).shown == ()
    assert (watched.record()["hidden"], watched.record()["shown"]) == ([name], 0)
    watched.offer(Offered(digests={uid: GENUINE}, quarantined=frozenset({uid})))
    assert (await watched.ask(name, kind=kind, digest=GENUINE)).shown == ()


# --- age, lease, log -----------------------------------------------------------------------


async def test_a_list_may_be_shown_again_for_as_long_as_it_is_the_same() -> None:
    policy = '@max_staleness("30s") permit (principal, action, resource);'
    watched = Watched(await keeper_of(FakePolicySource(source_files(policy))))
    assert (await watched.ask()).lease_seconds == 30
    watched.now = 125.0
    assert (await watched.ask()).lease_seconds == 5
    watched.now = 130.0
    answer = await watched.ask("open")
    assert (answer.shown, answer.lease_seconds, answer.policy.age_seconds) == ((0,), 0, 30)
    watched.now = 130.5
    answer = await watched.ask("open")
    assert (answer.shown, answer.lease_seconds) == ((), 60)


async def test_without_a_policy_everything_is_hidden_and_on_record() -> None:
    watched = Watched(await keeper_of(None))
    answer = await watched.ask(digest=GENUINE, server="nobody knows")
    assert (answer.shown, answer.lease_seconds, answer.policy.digest) == ((), 0, "")
    assert watched.record()["hidden"] == list(NAMES)
    with pytest.raises(SubjectError):
        await watched.ask(asserted_by=SERVER, caller=SERVER)


async def test_what_cannot_be_put_on_record_is_not_told(watched: Watched) -> None:
    watched.log.full = True
    with pytest.raises(DecisionLogError) as raised:
        await watched.ask()
    assert raised.value.retry_after == 1
    assert watched.seen == []


async def test_an_answer_without_a_record_that_is_wanted_all_the_same_has_no_lease() -> None:
    keeper = await keeper_of(FakePolicySource(source_files(grants=GRANTS)))
    watched = Watched(keeper, unsafe=True)
    assert (await watched.ask()).lease_seconds == 60
    watched.log.full = True
    answer = await watched.ask()
    assert (answer.shown, answer.lease_seconds) == ((0, 2), 0)
    assert watched.seen == [(Kind.TOOL, 4, 2)] * 2


# --- the policy changes meanwhile ----------------------------------------------------------


async def test_a_list_that_was_begun_under_another_policy_is_begun_anew(watched: Watched) -> None:
    filtering = asyncio.ensure_future(watched.ask())
    await asyncio.sleep(0)
    state = watched.keeper.state
    watched.keeper.state = replace(state, policy=compiled(), epoch="new")
    answer = await filtering
    assert (answer.shown, answer.policy.epoch) == ((), "new")


async def test_a_server_that_goes_meanwhile_is_not_known(watched: Watched) -> None:
    filtering = asyncio.ensure_future(watched.ask())
    await asyncio.sleep(0)
    gone = compiled(extra={"tools/git.json": server_file("other", tools=[])})
    watched.keeper.state = replace(watched.keeper.state, policy=gone)
    with pytest.raises(ServerUnknownError):
        await filtering


async def test_a_policy_that_changes_all_the_time_holds_nobody_up(watched: Watched) -> None:
    policies = itertools.cycle([compiled(PERMIT_ALL), compiled()])
    filtering = asyncio.ensure_future(watched.ask())
    turns = 0
    while not filtering.done():
        assert (turns := turns + 1) < 100
        watched.keeper.state = replace(watched.keeper.state, policy=next(policies))
        await asyncio.sleep(0)
    answer = await filtering
    assert answer.shown in {(1, 2), ()}


async def test_others_are_served_while_a_long_list_is_filtered(watched: Watched) -> None:
    names = [f"t{number}" for number in range(1000)]
    filtering = asyncio.ensure_future(watched.ask(*names))
    turns = 0
    while not filtering.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
