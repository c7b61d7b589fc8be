"""On record, then on disk, then in force; what fails on the way leaves all as it was."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from governd.application import registrations
from governd.application.keep_tools import RegistrationOutcome, ToolKeeper
from governd.application.list_tools import ToolList
from governd.application.registration_lines import MAX_LISTED
from governd.application.registrations import Registrations
from governd.application.sync_policy import PolicyKeeper, PolicyState
from governd.errors import (
    ApprovalError,
    DecisionLogError,
    DefinitionUnknownError,
    GoverndError,
    RegistrationsError,
    RequestError,
    ServerNotAllowedError,
    ServerUnknownError,
)
from governd.identity import Attestation, Caller, SpiffeId
from governd.policy.decision import DecisionCode
from governd.policy.definitions import Definition, Kind
from governd.policy.offering import Offering, QuarantineReason, Standing, offer
from governd.policy.registration import PinOrigin
from tests.fakes.decision_log import FakeDecisionLog
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.registration_store import FakeRegistrationStore
from tests.policies import MANIFEST, PERMIT_ALL, SERVER, WRITER, ask, server_file, source_files
from tests.tool_definitions import definition, registration, tool

TWINS = "spiffe://example.org/mcp/twins"
NOTES = "spiffe://example.org/mcp/notes"
EXTRA = {
    "tools/notes.json": server_file("notes", NOTES, []),
    "tools/twin-a.json": server_file("twin-a", TWINS, []),
    "tools/twin-b.json": server_file("twin-b", TWINS, []),
}
TOOL = Kind.TOOL
REVOKING = f'{MANIFEST}[revoked]\nsubjects = ["{NOTES}"]\n'.encode()


class Observer:
    """What observers were told."""

    def __init__(self) -> None:
        self.loads: list[tuple[int, int]] = []
        self.offers: list[tuple[Offering, Offering]] = []
        self.outcomes: list[RegistrationOutcome] = []
        self.approvals: list[tuple[Standing, str]] = []
        self.failures: list[RegistrationsError] = []

    def loaded(self, servers: int, pins: int) -> None:
        self.loads.append((servers, pins))

    def offered(self, before: Offering, after: Offering) -> None:
        self.offers.append((before, after))

    def registered(self, outcome: RegistrationOutcome) -> None:
        self.outcomes.append(outcome)

    def approved(self, standing: Standing, before: str) -> None:
        self.approvals.append((standing, before))

    def not_kept(self, error: RegistrationsError) -> None:
        self.failures.append(error)


class Kept:
    """A tool keeper over fakes, with a policy in force."""

    def __init__(
        self, store: FakeRegistrationStore | None = None, *, accept_first: bool = True
    ) -> None:
        self.store = store or FakeRegistrationStore()
        self.log = FakeDecisionLog()
        self.observer = Observer()
        self.source = FakePolicySource(source_files(PERMIT_ALL, extra=EXTRA))
        self.registrations = Registrations(self.store, self.observer)
        self.policies = PolicyKeeper(
            self.source,
            FakePolicyCompiler(),
            clock=lambda: 0.0,
            on_load=lambda _: None,
            dress=self.registrations.dress,
        )
        self.tools = ToolKeeper(
            self.policies,
            self.registrations,
            self.log,
            self.observer,
            accept_first=accept_first,
            clock=lambda: 0.0,
            wall_clock=lambda: 1_000.0,
        )
        self.list = ToolList(self.policies, self.registrations)

    @property
    def state(self) -> PolicyState:
        return self.policies.state

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.lines]

    def code(self, name: str, server: str = "git") -> DecisionCode:
        """What comes of a call of a tool."""
        assert self.state.policy
        return ask(self.state.policy, WRITER, resource=f"tool:{server}/{name}").code

    def everything(self) -> tuple[object, ...]:
        """All that a registration can change."""
        state, held = self.state, dict(self.store.kept)
        return state.epoch, state.policy, held, self.registrations.offering, list(self.log.lines)

    async def register(
        self, *definitions: Definition, caller: str = NOTES, server: str = "notes"
    ) -> RegistrationOutcome:
        return await self.tools.register(who(caller), server, definitions)


def who(name: str) -> Caller:
    return Caller(SpiffeId.parse(name), Attestation.STATIC)


@pytest.fixture
async def kept() -> Kept:
    kept = Kept()
    await kept.policies.check()
    return kept


WRITE = tool("write", description="writes")
CHANGED = tool("write", description="writes, and sends a copy to me")
READ = tool("read_note", description="reads")


# Who may register


@pytest.mark.parametrize(
    ("caller", "named", "server"),
    [(SERVER, "", "git"), (SERVER, "git", "git"), (TWINS, "twin-b", "twin-b")],
)
def test_a_server_is_who_its_spiffe_id_says(
    kept: Kept, caller: str, named: str, server: str
) -> None:
    assert kept.tools.server_of(who(caller), named) == server


@pytest.mark.parametrize(
    ("caller", "named", "error"),
    [
        (WRITER, "", ServerUnknownError),
        (WRITER, "nobody", ServerUnknownError),
        (WRITER, "git", ServerNotAllowedError),
        (NOTES, "git", ServerNotAllowedError),
        (SERVER, "GIT", ServerUnknownError),
        (TWINS, "", RequestError),
    ],
    ids=[
        "an agent",
        "an undeclared server",
        "an agent that calls itself a server",
        "a server that calls itself another",
        "a name in other letters",
        "one of two",
    ],
)
def test_nobody_registers_as_a_server_that_it_is_not(
    kept: Kept, caller: str, named: str, error: type[GoverndError]
) -> None:
    with pytest.raises(error) as refused:
        kept.tools.server_of(who(caller), named)
    if error is RequestError:
        assert refused.value.field == "server"
        assert "twin-a, twin-b" in str(refused.value)


async def test_a_registration_under_anothers_name_takes_nothing(kept: Kept) -> None:
    before = kept.everything()
    with pytest.raises(ServerNotAllowedError):
        await kept.register(WRITE, caller=NOTES, server="git")
    assert kept.everything() == before


async def test_without_a_policy_nobody_is_a_server() -> None:
    with pytest.raises(ServerUnknownError):
        await Kept().register(WRITE)


async def test_a_server_that_a_new_policy_does_not_declare_any_more_is_refused(kept: Kept) -> None:
    """Its stream began while it was still declared."""
    kept.source.remove("tools/notes.json")
    await kept.policies.check()
    with pytest.raises(ServerUnknownError):
        await kept.register(WRITE)


@pytest.mark.req("gi-5", part=True)
async def test_a_server_whose_identity_is_revoked_may_not_register(kept: Kept) -> None:
    kept.source.put("manifest.toml", REVOKING)
    await kept.policies.check()
    before = kept.everything()
    for name in ("", "notes"):
        with pytest.raises(ServerNotAllowedError, match="revoked"):
            kept.tools.server_of(who(NOTES), name)
    with pytest.raises(ServerNotAllowedError):
        await kept.register(WRITE)
    assert kept.everything() == before
    assert kept.tools.server_of(who(SERVER), "") == "git"


# What a registration does


@pytest.mark.req("sdk-4", part=True)
async def test_a_registration_is_on_record_on_disk_and_in_force(kept: Kept) -> None:
    before = kept.state.epoch
    outcome = await kept.register(WRITE, READ)
    assert (outcome.server, outcome.active, outcome.quarantined) == ("notes", 2, ())
    assert outcome.changed
    assert outcome.policy.epoch == kept.state.epoch != before
    assert kept.store.kept[SpiffeId.parse(NOTES), "notes"].registered.keys() == {
        (TOOL, "write"),
        (TOOL, "read_note"),
    }
    assert kept.observer.outcomes == [outcome]
    (record,) = kept.records()
    assert (record["kind"], record["caller"], record["server"]) == ("registration", NOTES, "notes")
    assert (record["active"], record["quarantined"]) == (2, [])
    assert (record["added"], record["changed"], record["removed"]) == (2, 0, 0)
    assert record["policy"]["epoch"] == before, "the epoch that it ended"
    assert record["attestation"] == "static"


async def test_the_same_again_changes_nothing_not_even_the_epoch(kept: Kept) -> None:
    await kept.register(WRITE, READ)
    before = kept.everything()
    outcome = await kept.register(WRITE, READ)
    assert not outcome.changed
    assert (outcome.active, outcome.policy.epoch) == (2, kept.state.epoch)
    assert kept.everything() == before
    assert [one.changed for one in kept.observer.outcomes] == [True, False]


async def test_a_server_that_offers_nothing_is_on_record_too(kept: Kept) -> None:
    assert (await kept.register()).changed
    assert not (await kept.register()).changed


async def test_a_record_counts_what_was_added_changed_and_removed(kept: Kept) -> None:
    await kept.register(WRITE, READ)
    await kept.register(CHANGED, tool("fresh"))
    record = kept.records()[-1]
    assert (record["added"], record["changed"], record["removed"]) == (1, 1, 1)
    assert record["active"] == 1


@pytest.mark.req("gi-5", part=True)
async def test_a_rug_pull_is_quarantined_at_once_and_on_record(kept: Kept) -> None:
    await kept.register(WRITE)
    before = kept.state.epoch
    outcome = await kept.register(CHANGED)
    assert (outcome.active, len(outcome.quarantined)) == (0, 1)
    assert outcome.quarantined[0].reasons == (QuarantineReason.CHANGED,)
    assert kept.state.epoch != before
    assert kept.code("write", "notes") is DecisionCode.QUARANTINED
    (listed,) = kept.records()[-1]["quarantined"]
    assert listed == {
        "kind_of": "tool",
        "name": "write",
        "digest": CHANGED.digest,
        "reasons": ["CHANGED"],
    }


@pytest.mark.req("gi-5", part=True)
async def test_removing_a_tool_and_adding_another_under_its_name_is_a_change(kept: Kept) -> None:
    await kept.register(WRITE)
    await kept.register()
    outcome = await kept.register(CHANGED)
    assert outcome.quarantined[0].reasons == (QuarantineReason.CHANGED,)


async def test_a_record_lists_so_many_quarantined_definitions_and_counts_all(kept: Kept) -> None:
    await kept.register(*(tool(f"odd name {number}") for number in range(MAX_LISTED + 6)))
    record = kept.records()[-1]
    assert (len(record["quarantined"]), record["quarantined_count"]) == (
        MAX_LISTED,
        MAX_LISTED + 6,
    )


async def test_a_long_name_is_cut_in_the_record(kept: Kept) -> None:
    await kept.register(tool("n" * 1000))
    (listed,) = kept.records()[-1]["quarantined"]
    assert listed["name"] == "n" * 128


async def test_nothing_is_taken_at_first_where_the_configuration_says_so() -> None:
    kept = Kept(accept_first=False)
    await kept.policies.check()
    outcome = await kept.register(WRITE)
    assert outcome.quarantined[0].reasons == (QuarantineReason.NOT_APPROVED,)


# What can go wrong on the way


@pytest.mark.req("gi-5", part=True)
async def test_what_cannot_be_put_on_record_is_not_taken(kept: Kept) -> None:
    before = kept.everything()
    kept.log.full = True
    with pytest.raises(DecisionLogError) as refused:
        await kept.register(WRITE)
    assert refused.value.retry_after
    assert kept.everything() == before
    assert kept.store.abandoned == 1
    kept.log.full = False
    assert (await kept.register(WRITE)).changed


@pytest.mark.req("gi-5", part=True)
async def test_what_cannot_be_written_is_neither_in_force_nor_on_record_and_is_told(
    kept: Kept,
) -> None:
    await kept.register(WRITE)
    before = kept.everything()
    kept.store.full = True
    with pytest.raises(DecisionLogError, match="no space left") as refused:
        await kept.register(CHANGED)
    assert refused.value.retry_after
    assert kept.everything() == before, "the log does not state what did not happen"
    assert len(kept.observer.failures) == 1
    kept.store.full = False
    assert (await kept.register(CHANGED)).changed


async def test_what_is_on_record_and_cannot_be_kept_is_on_record_as_that(kept: Kept) -> None:
    await kept.register(WRITE)
    *before, lines = kept.everything()
    kept.store.broken = True
    with pytest.raises(DecisionLogError, match="input/output") as refused:
        await kept.register(CHANGED)
    assert refused.value.retry_after
    assert list(kept.everything()[:-1]) == before
    assert kept.log.lines[:-2] == lines
    said, unsaid = kept.records()[-2:]
    assert unsaid == {**said, "kept": False}
    assert "kept" not in said
    assert len(kept.observer.failures) == 1
    kept.store.broken = False
    assert (await kept.register(CHANGED)).changed


async def test_an_approval_that_cannot_be_kept_is_on_record_as_none(kept: Kept) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    kept.store.broken = True
    with pytest.raises(DecisionLogError):
        await kept.tools.approve("notes", TOOL, "write", CHANGED.digest)
    assert [(one["kind"], one.get("kept")) for one in kept.records()[-2:]] == [
        ("approval", None),
        ("approval", False),
    ]
    assert kept.code("write", "notes") is DecisionCode.QUARANTINED


async def test_a_log_that_fails_after_the_disk_does_not_hide_what_the_disk_said(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = kept.log.append

    async def once(lines: Sequence[bytes]) -> None:
        await append(lines)
        kept.log.full = True

    monkeypatch.setattr(kept.log, "append", once)
    kept.store.broken = True
    with pytest.raises(DecisionLogError, match="input/output"):
        await kept.register(WRITE)
    assert len(kept.observer.failures) == 1


async def test_what_is_not_on_disk_yet_is_not_in_force(kept: Kept) -> None:
    await kept.register(WRITE)
    before = kept.state.epoch
    kept.store.go_on.clear()
    kept.store.saving.clear()
    registering = asyncio.create_task(kept.register(CHANGED))
    await kept.store.saving.wait()
    assert kept.records()[-1]["quarantined"], "but it is on record"
    assert kept.state.epoch == before
    assert kept.code("write", "notes") is not DecisionCode.QUARANTINED
    kept.store.go_on.set()
    await registering
    assert kept.code("write", "notes") is DecisionCode.QUARANTINED


async def test_a_caller_that_hangs_up_half_way_leaves_no_half_of_a_registration(
    kept: Kept,
) -> None:
    """What is on record is taken, whoever waits for it: disk and memory must not differ."""
    kept.store.go_on.clear()
    registering = asyncio.create_task(kept.register(WRITE))
    await kept.store.saving.wait()
    registering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await registering
    next_one = asyncio.create_task(kept.register(WRITE, READ))
    kept.store.go_on.set()
    assert (await next_one).changed
    assert [record["added"] for record in kept.records()] == [1, 1]


async def test_a_caller_that_hangs_up_while_it_waits_for_its_turn_takes_nothing(
    kept: Kept,
) -> None:
    kept.store.go_on.clear()
    first = asyncio.create_task(kept.register(WRITE))
    await kept.store.saving.wait()
    second = asyncio.create_task(kept.register(CHANGED))
    await asyncio.sleep(0)
    second.cancel()
    kept.store.go_on.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    assert len(kept.records()) == 1
    assert (await kept.register(WRITE)).changed is False, "others have their turn"


async def test_registrations_at_once_are_taken_one_after_the_other(kept: Kept) -> None:
    """Two of one server do not build on the same one before, and none is lost."""
    names = [f"t{number}" for number in range(5)]
    await asyncio.gather(*(kept.register(tool(name)) for name in names))
    await asyncio.gather(kept.register(WRITE), kept.register(READ, caller=SERVER, server="git"))
    pins = kept.store.kept[SpiffeId.parse(NOTES), "notes"].pins
    assert pins.keys() == {(TOOL, name) for name in [*names, "write"]}
    assert kept.store.kept[SpiffeId.parse(SERVER), "git"].registered.keys() == {(TOOL, "read_note")}


# Over restarts and swaps


async def restarted(kept: Kept) -> Kept:
    again = Kept(kept.store)
    again.registrations.load()
    await again.policies.check()
    return again


@pytest.mark.req("gi-5", part=True)
async def test_a_restart_forgets_neither_pins_nor_quarantine(kept: Kept) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    again = await restarted(kept)
    assert again.observer.loads == [(1, 1)]
    assert again.code("write", "notes") is DecisionCode.QUARANTINED
    assert not (await again.register(CHANGED)).changed


async def test_what_cannot_be_read_back_is_an_error_at_the_start(kept: Kept) -> None:
    kept.store.unreadable = True
    with pytest.raises(RegistrationsError):
        kept.registrations.load()


async def test_a_new_policy_comes_into_force_with_what_is_registered(kept: Kept) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    kept.source.put("policies/test.cedar", b"")
    await kept.policies.check()
    assert kept.code("write", "notes") is DecisionCode.QUARANTINED


async def test_a_server_that_policy_moves_to_another_identity_starts_anew(kept: Kept) -> None:
    await kept.register(WRITE)
    kept.source.put("tools/notes.json", server_file("notes", TWINS, []))
    await kept.policies.check()
    assert kept.code("write", "notes") is DecisionCode.UNKNOWN_RESOURCE
    assert not (await kept.register(CHANGED, caller=TWINS)).quarantined
    assert kept.store.kept[SpiffeId.parse(NOTES), "notes"].registered, "should it come back"


async def test_observers_see_each_offering_follow_the_one_before(kept: Kept) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    offers = kept.observer.offers
    assert len(offers) == 3
    assert all(one[1] is next_[0] for one, next_ in itertools.pairwise(offers))
    assert offers[-1][1] is kept.registrations.offering


async def test_what_is_registered_is_summed_up_once_for_each_change(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the record, and for the policy in force: it is the same."""
    calls: list[object] = []

    def counted(*arguments: Any) -> Offering:
        calls.append(arguments)
        return offer(*arguments)

    monkeypatch.setattr(registrations, "offer", counted)
    await kept.register(WRITE)
    assert len(calls) == 1


# Approvals


@pytest.mark.req("gi-5", part=True)
async def test_an_approval_ends_the_quarantine_and_is_on_record_and_on_disk(kept: Kept) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    before = kept.state.epoch
    standing, policy = await kept.tools.approve("notes", TOOL, "write", CHANGED.digest)
    assert standing.reasons == ()
    assert standing.pin
    assert (standing.pin.origin, standing.pin.definition) == (PinOrigin.OPERATOR, CHANGED)
    assert policy.epoch == kept.state.epoch != before
    assert kept.code("write", "notes") is not DecisionCode.QUARANTINED
    record = kept.records()[-1]
    assert (record["kind"], record["caller"]) == ("approval", "operator")
    assert (record["server"], record["kind_of"], record["name"]) == ("notes", "tool", "write")
    assert (record["digest"], record["previous_digest"]) == (CHANGED.digest, WRITE.digest)
    assert kept.observer.approvals == [(standing, WRITE.digest)]
    assert (await restarted(kept)).code("write", "notes") is not DecisionCode.QUARANTINED


async def test_an_approval_again_changes_nothing(kept: Kept) -> None:
    await kept.register(WRITE)
    first, _ = await kept.tools.approve("notes", TOOL, "write", WRITE.digest)
    before = kept.everything()
    again, _ = await kept.tools.approve("notes", TOOL, "write", WRITE.digest)
    assert again == first
    assert kept.everything() == before
    assert len(kept.observer.approvals) == 1


async def test_a_definition_that_waits_for_its_first_approval_was_held_to_nothing() -> None:
    kept = Kept(accept_first=False)
    await kept.policies.check()
    await kept.register(WRITE)
    await kept.tools.approve("notes", TOOL, "write", WRITE.digest)
    assert kept.records()[-1]["previous_digest"] is None
    assert kept.observer.approvals[0][1] == ""


@pytest.mark.req("gi-5", part=True)
async def test_what_was_put_in_place_of_what_the_operator_looked_at_is_not_approved(
    kept: Kept,
) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    await kept.register(tool("write", description="worse still"))
    before = kept.everything()
    with pytest.raises(ApprovalError):
        await kept.tools.approve("notes", TOOL, "write", CHANGED.digest)
    assert kept.everything() == before


@pytest.mark.parametrize(
    ("server", "kind", "name"),
    [
        ("nobody", TOOL, "write"),
        ("notes", TOOL, "none"),
        ("notes", Kind.PROMPT, "write"),
        ("git", TOOL, "open"),
    ],
    ids=["no server", "no definition", "another kind", "declared only"],
)
async def test_what_nobody_registered_cannot_be_approved(
    kept: Kept, server: str, kind: Kind, name: str
) -> None:
    await kept.register(WRITE)
    with pytest.raises(DefinitionUnknownError) as refused:
        await kept.tools.approve(server, kind, name, WRITE.digest)
    assert refused.value.metadata == {"server": server, "name": name}


async def test_without_a_policy_there_is_nothing_to_approve() -> None:
    with pytest.raises(DefinitionUnknownError):
        await Kept().tools.approve("notes", TOOL, "write", WRITE.digest)


@pytest.mark.req("gi-5", part=True)
async def test_an_operator_cannot_overrule_what_the_policy_source_pins(kept: Kept) -> None:
    pinned = {"name": "write", "pin": WRITE.digest}
    kept.source.put("tools/notes.json", server_file("notes", NOTES, [pinned]))
    await kept.policies.check()
    await kept.register(CHANGED)
    before = kept.everything()
    with pytest.raises(ApprovalError, match="the policy source pins another"):
        await kept.tools.approve("notes", TOOL, "write", CHANGED.digest)
    assert kept.everything() == before


async def test_what_the_policy_source_pins_may_be_approved_beside_it(kept: Kept) -> None:
    pinned = {"name": "write", "pin": WRITE.digest}
    kept.source.put("tools/notes.json", server_file("notes", NOTES, [pinned]))
    await kept.policies.check()
    await kept.register(WRITE)
    standing, _ = await kept.tools.approve("notes", TOOL, "write", WRITE.digest)
    assert standing.pin
    assert standing.pin.origin is PinOrigin.POLICY_SOURCE


MORE = tool("write", ["git:write"], description="writes")


async def requires(kept: Kept) -> tuple[str, ...]:
    found = kept.list.standing("notes", TOOL, "write").tool
    assert found
    return found.requires


@pytest.mark.req("gi-5", part=True)
async def test_an_approval_drops_no_requirement_that_it_does_not_name(kept: Kept) -> None:
    await kept.register(MORE)
    await kept.register(CHANGED)
    standing, _ = await kept.tools.approve("notes", TOOL, "write", CHANGED.digest)
    assert standing.reasons == ()
    assert standing.formerly_required == await requires(kept) == ("git:write",)
    assert kept.records()[-1]["dropped"] == []


@pytest.mark.req("gi-5", part=True)
async def test_what_an_approval_names_is_dropped_and_on_record(kept: Kept) -> None:
    await kept.register(MORE)
    await kept.register(WRITE)
    before = kept.everything()
    with pytest.raises(ApprovalError):
        await kept.tools.approve("notes", TOOL, "write", WRITE.digest, drop=("git:other",))
    assert kept.everything() == before
    for _ in range(2):  # safe to retry
        standing, _ = await kept.tools.approve(
            "notes", TOOL, "write", WRITE.digest, drop=("git:write",)
        )
        assert standing.formerly_required == await requires(kept) == ()
    record = kept.records()[-1]
    assert (record["kind"], record["dropped"]) == ("approval", ["git:write"])
    assert len(kept.records()) == 3
    await kept.register(WRITE)
    assert await requires(kept) == (), "and nothing brings it back"


@pytest.mark.req("gi-5", part=True)
async def test_what_is_left_out_while_it_is_quarantined_stays_so_and_is_no_tool_in_force(
    kept: Kept,
) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    outcome = await kept.register(READ)
    assert (outcome.active, [one.name for one in outcome.quarantined]) == (1, ["write"])
    record = kept.records()[-1]
    assert (record["active"], record["quarantined_count"]) == (1, 1)
    assert kept.registrations.state().detail == "1 definitions in force, 1 quarantined"
    assert names(kept.list.standings(quarantined=True)) == [("notes", TOOL, "write")]
    assert kept.code("write", "notes") is DecisionCode.QUARANTINED


async def test_a_tool_that_the_policy_source_states_in_full_need_not_wait() -> None:
    schema = {"type": "object"}
    stated = {"name": "write", "description": "writes", "inputSchema": schema}
    kept = Kept(accept_first=False)
    kept.source.put("tools/notes.json", server_file("notes", NOTES, [stated]))
    await kept.policies.check()
    outcome = await kept.register(tool("write", description="writes", inputSchema=schema))
    assert outcome.quarantined == ()
    changed = await kept.register(tool("write", description="reads", inputSchema=schema))
    assert changed.quarantined[0].reasons[0] is QuarantineReason.CHANGED, "it was pinned"


async def test_an_approval_that_cannot_be_put_on_record_is_none(kept: Kept) -> None:
    await kept.register(WRITE)
    await kept.register(CHANGED)
    before = kept.everything()
    kept.log.full = True
    with pytest.raises(DecisionLogError):
        await kept.tools.approve("notes", TOOL, "write", CHANGED.digest)
    assert kept.everything() == before


# What an operator sees


def names(standings: Sequence[Standing]) -> list[tuple[str, Kind, str]]:
    return [(one.server, one.kind, one.name) for one in standings]


async def test_the_list_has_what_is_declared_and_what_is_registered_in_order(kept: Kept) -> None:
    prompt = definition(Kind.PROMPT, b'{"name": "ask"}')
    await kept.register(prompt, WRITE, tool("a"))
    await kept.register(tool("open"), caller=SERVER, server="git")
    assert names(kept.list.standings()) == [
        ("git", TOOL, "bare"),
        ("git", TOOL, "open"),
        ("git", TOOL, "read"),
        ("git", TOOL, "reset"),
        ("notes", TOOL, "a"),
        ("notes", TOOL, "write"),
        ("notes", Kind.PROMPT, "ask"),
    ]
    (opened,) = (one for one in kept.list.standings() if one.name == "open")
    assert (opened.declared, opened.registered is not None) == (True, True)


async def test_the_list_may_be_of_one_server_or_of_what_is_quarantined(kept: Kept) -> None:
    await kept.register(WRITE, READ)
    await kept.register(CHANGED, READ)
    assert names(kept.list.standings("notes")) == [
        ("notes", TOOL, "read_note"),
        ("notes", TOOL, "write"),
    ]
    assert names(kept.list.standings(quarantined=True)) == [("notes", TOOL, "write")]
    assert kept.list.standings("git", quarantined=True) == []
    assert kept.list.standings("nobody") == []


async def test_one_definition_is_found_whether_registered_or_declared(kept: Kept) -> None:
    await kept.register(WRITE)
    assert kept.list.standing("notes", TOOL, "write").registered
    assert kept.list.standing("git", TOOL, "open").registered is None


@pytest.mark.parametrize(
    ("server", "kind", "name"),
    [("git", TOOL, "x"), ("x", TOOL, "open"), ("git", Kind.PROMPT, "open")],
)
async def test_what_is_neither_registered_nor_declared_is_not_there(
    kept: Kept, server: str, kind: Kind, name: str
) -> None:
    with pytest.raises(DefinitionUnknownError):
        kept.list.standing(server, kind, name)


async def test_without_a_policy_nothing_is_declared() -> None:
    kept = Kept()
    assert kept.list.standings() == []
    with pytest.raises(DefinitionUnknownError):
        kept.list.standing("git", TOOL, "open")


async def test_the_state_says_how_much_is_registered(kept: Kept) -> None:
    await kept.register(WRITE, READ)
    await kept.register(CHANGED, READ)
    state = kept.registrations.state()
    assert (state.name, state.ready) == ("tools", True)
    assert state.detail == "1 definitions in force, 1 quarantined"


async def test_loading_what_one_server_registered_leaves_others_out(kept: Kept) -> None:
    store = FakeRegistrationStore(registration(WRITE, server="notes", spiffe_id=NOTES))
    again = Kept(store)
    again.registrations.load()
    await again.policies.check()
    assert again.registrations.find(SpiffeId.parse(NOTES), "notes")
    assert again.registrations.find(SpiffeId.parse(SERVER), "notes") is None
    assert again.registrations.find(SpiffeId.parse(NOTES), "git") is None
