"""A caller learns who it is, and when it is."""

from collections.abc import AsyncIterator

import pytest

from governd._proto.governd.v1 import identity_service_pb2 as messages
from governd.application import call as calls
from governd.errors import NoIdentityError, SourceAwayError
from governd.identity import OPERATOR, Attestation, Caller, Newcomer, Who
from governd.services.context import Context
from governd.services.identity_service import IdentityServicer
from tests.fakes.time import settle
from tests.fakes.workloads import SHOP, WEB, FakeWorkload
from tests.unit.services.doubles import FakeContext

READY, WAITING = messages.PHASE_READY, messages.PHASE_WAITING


@pytest.fixture
async def workload() -> AsyncIterator[FakeWorkload]:
    workload = FakeWorkload()
    await workload.open()
    yield workload
    await workload.close()


def servicer() -> IdentityServicer:
    return IdentityServicer(lambda spiffe_id: f"tenant of {spiffe_id.path}")


async def who_am_i(workload: FakeWorkload, caller: Who | None = None) -> messages.WhoAmIResponse:
    with calls.serving(workload.call(caller)):
        return await servicer().WhoAmI(messages.WhoAmIRequest(), context())


def context() -> Context:
    return FakeContext().as_grpcs()


async def waiting(workload: FakeWorkload) -> AsyncIterator[messages.WaitReadyResponse]:
    with calls.serving(workload.call()):
        answers = servicer().WaitReady(messages.WaitReadyRequest(), context())
        first = await anext(answers)
    yield first
    async for answer in answers:
        yield answer


@pytest.mark.parametrize(
    ("attestation", "said"),
    [
        (Attestation.STATIC, messages.ATTESTATION_STATIC),
        (Attestation.MTLS, messages.ATTESTATION_MTLS),
        (Attestation.SPIRE, messages.ATTESTATION_SPIRE),
        (Attestation.TEMPLATE, messages.ATTESTATION_TEMPLATE),
    ],
)
async def test_a_caller_is_told_who_it_is_and_who_says_so(
    workload: FakeWorkload, attestation: Attestation, said: messages.Attestation.ValueType
) -> None:
    answer = await who_am_i(workload, Caller(WEB, attestation, {"pod": "web-1"}))
    assert (answer.spiffe_id, answer.attestation) == (str(WEB), said)
    assert (dict(answer.facts), answer.tenant) == ({"pod": "web-1"}, "tenant of /web")


async def test_a_caller_is_told_what_it_waits_for(workload: FakeWorkload) -> None:
    answer = await who_am_i(workload)
    assert (answer.phase, answer.reason) == (WAITING, "no registration entry matches")
    assert not answer.HasField("not_after")


async def test_a_caller_is_told_when_its_identity_ends(workload: FakeWorkload) -> None:
    workload.source.register("/web", SHOP)
    await settle()
    answer = await who_am_i(workload)
    assert (answer.phase, answer.reason) == (READY, "")
    assert answer.not_after.ToSeconds() == workload.time.wall + 60


async def test_a_caller_is_told_why_its_identity_may_not_be_renewed(
    workload: FakeWorkload,
) -> None:
    workload.source.register("/web", SHOP)
    await settle()
    await workload.breaks(SourceAwayError("SPIRE agent is away"))
    answer = await who_am_i(workload)
    assert (answer.phase, answer.reason) == (READY, "SPIRE agent is away")


async def test_a_caller_that_the_channel_proves_waits_for_nothing(workload: FakeWorkload) -> None:
    workload.held = None
    answer = await who_am_i(workload)
    assert (answer.phase, answer.reason, answer.HasField("not_after")) == (READY, "", False)
    assert [one.phase async for one in waiting(workload)] == [READY]


async def test_waiting_tells_each_reason_and_ends_when_there_is_an_identity(
    workload: FakeWorkload,
) -> None:
    answers = waiting(workload)
    first = await anext(answers)
    assert (first.phase, first.reason) == (WAITING, "no registration entry matches")
    await workload.breaks(SourceAwayError("SPIRE agent is away"))
    second = await anext(answers)
    assert (second.phase, second.reason) == (WAITING, "SPIRE agent is away")
    await workload.breaks(None)
    workload.source.register("/web", SHOP)
    await workload.time.advance(30)
    last = await anext(answers)
    assert (last.phase, last.reason) == (READY, "")
    assert last.HasField("not_after")
    with pytest.raises(StopAsyncIteration):
        await anext(answers)


async def test_who_is_ready_is_told_so_at_once(workload: FakeWorkload) -> None:
    workload.source.register("/web", SHOP)
    await settle()
    assert [one.phase async for one in waiting(workload)] == [READY]


async def test_waiting_ends_with_the_workload(workload: FakeWorkload) -> None:
    answers = waiting(workload)
    await anext(answers)
    assert workload.held is not None
    workload.held.close()
    assert (await anext(answers)).reason == "the workload is gone"
    with pytest.raises(NoIdentityError, match="gone"):
        await anext(answers)


NEWCOMER = Newcomer("web", {"listener": "web", "pod": "web-1"})
BY_TEMPLATE = Caller(WEB, Attestation.TEMPLATE)


async def test_a_newcomer_is_told_what_it_waits_for_and_is_nobody(workload: FakeWorkload) -> None:
    answer = await who_am_i(workload, NEWCOMER)
    assert (answer.spiffe_id, answer.tenant) == ("", "")
    assert answer.attestation == messages.ATTESTATION_UNSPECIFIED
    assert dict(answer.facts) == dict(NEWCOMER.facts)
    assert (answer.phase, answer.reason) == (WAITING, "no registration entry matches")


async def test_attack_the_operator_is_told_no_identity(workload: FakeWorkload) -> None:
    with pytest.raises(RuntimeError, match="admin socket"):
        await who_am_i(workload, OPERATOR)


async def test_who_is_known_by_the_template_waits_for_nothing(workload: FakeWorkload) -> None:
    answer = await who_am_i(workload, BY_TEMPLATE)
    assert (answer.spiffe_id, answer.attestation) == (str(WEB), messages.ATTESTATION_TEMPLATE)
    assert (answer.phase, answer.HasField("not_after")) == (READY, False)
    assert answer.reason.endswith("there is no SVID: no registration entry matches")
    with calls.serving(workload.call(BY_TEMPLATE)):
        answers = servicer().WaitReady(messages.WaitReadyRequest(), context())
        assert [one.phase async for one in answers] == [READY]
