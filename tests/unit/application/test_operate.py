"""What an operator is told is what is so."""

from datetime import UTC, datetime

import pytest

from governd.application.operate import CallerUsage, Component, Identities, Operator
from governd.application.sync_policy import PolicyKeeper
from governd.errors import IdentityError, PolicyError, SubjectError
from governd.identity import Attestation, Caller, SpiffeId
from governd.identity.ports import Signer
from governd.policy.decision import DecisionCode
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.fakes.signer import NOON, FakeSigner
from tests.policies import (
    ACME,
    PERMIT_ALL,
    READER,
    TENANTS,
    WRITER,
    question,
    source_files,
)


class Still:
    """An identity that needs no renewal."""

    def current(self, now: datetime) -> Signer:
        return FakeSigner()


class Absent:
    """An identity that is not there."""

    def current(self, now: datetime) -> Signer:
        message = "SPIRE agent is away"
        raise IdentityError(message)


EMBEDDED = Identities(Still(), Still(), "embedded")


def usage(name: str, listener: str) -> CallerUsage:
    return CallerUsage(Caller(SpiffeId.parse(name), Attestation.STATIC), listener, 0, 0, 0, None)


class Operated:
    """An operator over a fake source."""

    def __init__(self, identities: Identities | None = EMBEDDED) -> None:
        self.source = FakePolicySource(source_files(PERMIT_ALL, manifest=TENANTS))
        self.log = Component("decision_log", ready=True, detail="fine")
        self.keeper = PolicyKeeper(
            self.source,
            FakePolicyCompiler(),
            clock=lambda: 100.0,
            on_load=lambda _: None,
        )
        self.operator = Operator(
            self.keeper,
            identities,
            version="1.2.3",
            production=False,
            unsafe_settings=("unsafe_x",),
            started=datetime(2026, 1, 1, tzinfo=UTC),
            clock=lambda: 103.0,
            usage=lambda: [usage(WRITER, "b"), usage(ACME, "a")],
            listeners=lambda: 3,
            components=[lambda: self.log],
        )


@pytest.fixture
async def operated() -> Operated:
    operated = Operated()
    await operated.keeper.check()
    return operated


def component(operated: Operated, name: str) -> Component:
    (found,) = (one for one in operated.operator.status().components if one.name == name)
    return found


async def test_the_status_says_everything(operated: Operated) -> None:
    status = operated.operator.status()
    assert status.ready
    assert (status.version, status.listeners, status.production) == ("1.2.3", 3, False)
    assert status.unsafe_settings == ("unsafe_x",)
    assert (status.policies, status.policy.bundle_version) == (11, 7)
    assert status.policy.age_seconds == 3
    assert status.serving_identity.startswith("spiffe://")
    assert status.signing_identity.startswith("spiffe://")
    assert status.identity_source == "embedded"
    assert NOON.tzinfo is UTC


async def test_without_a_policy_governd_is_not_ready() -> None:
    operated = Operated()
    assert component(operated, "policy") == Component(
        "policy", ready=False, detail="not loaded yet"
    )
    operated.source.put("policies/test.cedar", b"permit (oops);\npermit (oops);")
    await operated.keeper.check()
    status = operated.operator.status()
    assert (status.ready, status.policies) == (False, 0)
    assert component(operated, "policy").detail.endswith("(and 1 more)")
    assert status.policy_problems[0].file == "policies/test.cedar"


async def test_a_refused_source_is_told_and_the_last_good_policy_is_ready(
    operated: Operated,
) -> None:
    operated.source.away = True
    await operated.keeper.check()
    assert operated.operator.status().ready
    assert component(operated, "policy").detail == (
        "11 policies in force; the source was refused since: policy: is away"
    )


async def test_any_component_that_is_not_ready_makes_all_not_ready(operated: Operated) -> None:
    operated.log = Component("decision_log", ready=False, detail="disk full")
    assert not operated.operator.status().ready


async def test_without_an_identity_governd_is_not_ready() -> None:
    operated = Operated(identities=None)
    await operated.keeper.check()
    status = operated.operator.status()
    assert not status.ready
    assert (status.serving_identity, status.signing_identity, status.identity_source) == ("",) * 3


async def test_an_identity_that_is_not_there_now_is_nobody_and_no_crash() -> None:
    nobody = Identities(
        Absent(), Absent(), "spire", lambda: Component("identity", ready=False, detail="away")
    )
    operated = Operated(nobody)
    await operated.keeper.check()
    status = operated.operator.status()
    assert (status.serving_identity, status.signing_identity) == ("", "")
    assert status.identity_source == "spire"
    assert component(operated, "identity") == Component("identity", ready=False, detail="away")
    assert not status.ready


async def test_callers_come_by_listener_with_their_tenants(operated: Operated) -> None:
    found = [(one.listener, one.tenant) for one in operated.operator.callers()]
    assert found == [("a", "acme"), ("b", "")]
    assert Operated().operator.tenant_of(SpiffeId.parse(ACME)) == ""


async def test_an_explanation_is_the_decision_and_why(operated: Operated) -> None:
    told, info = operated.operator.explain(question())
    assert told.decision.reasons == ("all",)
    assert told.policies[0].policy.id == "all"
    assert info.age_seconds == 3


async def test_without_a_policy_the_explanation_says_so() -> None:
    told, info = Operated().operator.explain(question())
    assert (told.decision.code, told.policies, info.digest) == (DecisionCode.NO_POLICY, (), "")


async def test_an_explanation_keeps_to_the_subject_rule(operated: Operated) -> None:
    with pytest.raises(SubjectError):
        operated.operator.explain(question(READER, asserted_by=WRITER))


async def test_a_reload_says_what_is_in_force_and_whether_it_changed(operated: Operated) -> None:
    assert (await operated.operator.reload())[1] is False
    operated.source.put("policies/test.cedar", b"")
    info, changed = await operated.operator.reload()
    assert changed
    assert operated.keeper.state.policy
    assert info.digest == operated.keeper.state.policy.digest
    operated.source.away = True
    with pytest.raises(PolicyError):
        await operated.operator.reload()
