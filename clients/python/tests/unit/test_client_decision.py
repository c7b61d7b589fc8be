"""What may be taken for an allow, and what never."""

from datetime import timedelta
from typing import TypeAlias

import pytest
from google.rpc import status_pb2
from hypothesis import given
from hypothesis import strategies as st

from governd_client import Decision, DecisionCode, DeniedError, MalformedAnswerError
from governd_client._proto.governd.v1 import types_pb2
from governd_client.testing import DECISION_ID, deny, permit

Code: TypeAlias = "types_pb2.DecisionCode.ValueType"
STEP_UP = types_pb2.Obligation(type="step-up", policy_id="p1", properties={"level": "2"})


def test_permit_is_allowed() -> None:
    decision = Decision.from_proto(permit(reasons=["p1"]))
    assert decision.allowed
    assert decision.require() is decision
    assert decision.reasons == ("p1",)


@pytest.mark.parametrize("code", types_pb2.DecisionCode.DESCRIPTOR.values_by_number)
def test_decision_true_with_a_code_other_than_permitted_is_a_deny(
    code: Code,
) -> None:
    decision = Decision.from_proto(permit(code=code))
    assert decision.allowed is (types_pb2.DecisionCode.Name(code) == "DECISION_CODE_PERMITTED")


@pytest.mark.parametrize("code", [0, 77])
def test_unknown_code_is_a_deny_whatever_else_is_said(
    code: Code,
) -> None:
    for answer in (permit(code=code), deny(code=code)):
        decision = Decision.from_proto(answer)
        assert not decision.allowed
        assert decision.code is DecisionCode.UNRECOGNISED


def test_permitted_without_decision_true_is_a_deny() -> None:
    decision = Decision.from_proto(deny(code=types_pb2.DECISION_CODE_PERMITTED))
    assert not decision.allowed


def test_every_code_of_the_proto_has_a_name_here() -> None:
    names = {
        name.removeprefix("DECISION_CODE_")
        for name in types_pb2.DecisionCode.DESCRIPTOR.values_by_name
    }
    assert names - {"UNSPECIFIED"} <= {code.value for code in DecisionCode}


@pytest.mark.parametrize("code", [types_pb2.DECISION_CODE_QUARANTINED, 77])
def test_a_deny_says_whether_lists_hide_what_it_is_about(code: Code) -> None:
    assert Decision.from_proto(deny(code=code, hidden=True)).hidden
    assert not Decision.from_proto(deny(code=code)).hidden


def test_a_permit_is_never_hidden() -> None:
    decision = Decision.from_proto(permit(hidden=True))
    assert decision.allowed
    assert not decision.hidden


def test_unsupported_obligation_is_a_deny() -> None:
    answer = permit(obligations=[STEP_UP])
    decision = Decision.from_proto(answer, {"notification"})
    assert not decision.allowed
    assert decision.code is DecisionCode.OBLIGATION_UNSUPPORTED
    assert decision.obligations[0].properties == {"level": "2"}
    assert Decision.from_proto(answer, {"step-up"}).allowed


def test_one_unsupported_obligation_among_supported_ones_is_a_deny() -> None:
    answer = permit(obligations=[STEP_UP, types_pb2.Obligation(type="notification")])
    assert not Decision.from_proto(answer, {"step-up"}).allowed


def test_a_deny_keeps_its_code_though_it_has_obligations() -> None:
    decision = Decision.from_proto(deny(obligations=[STEP_UP]))
    assert decision.code is DecisionCode.NOT_PERMITTED


def test_answer_with_an_error_is_a_deny_even_if_it_says_permit() -> None:
    decision = Decision.from_proto(permit(error=status_pb2.Status(code=3, message="no")))
    assert decision.code is DecisionCode.NOT_ASKED
    assert str(decision.error) == "no"


@pytest.mark.parametrize("decision_id", ["", "x", DECISION_ID.upper(), DECISION_ID + "\n"])
def test_answer_without_a_decision_id_is_malformed(decision_id: str) -> None:
    with pytest.raises(MalformedAnswerError):
        Decision.from_proto(permit(decision_id=decision_id))


def test_policy_age_out_of_range_is_malformed() -> None:
    answer = permit()
    answer.policy.age.seconds = 2**62
    with pytest.raises(MalformedAnswerError):
        Decision.from_proto(answer)


def test_a_decision_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match=r"decision\.allowed"):
        bool(Decision.from_proto(permit()))


def test_require_raises_the_decision_on_deny_and_shows_no_policy() -> None:
    decision = Decision.from_proto(deny(reasons=["secret-policy"]))
    with pytest.raises(DeniedError) as caught:
        decision.require()
    assert caught.value.decision is decision
    assert "secret-policy" not in str(caught.value)


def test_policy_and_shadow_are_read() -> None:
    answer = deny()
    answer.policy.digest, answer.policy.bundle_version, answer.policy.epoch = "sha-256:0", 7, "e"
    answer.policy.age.FromMilliseconds(1500)
    answer.shadow.decision = True
    answer.shadow.reasons.append("new")
    decision = Decision.from_proto(answer)
    assert (decision.policy.version, decision.policy.epoch) == (7, "e")
    assert decision.policy.age == timedelta(seconds=1.5)
    assert decision.shadow is not None
    assert decision.shadow.would_allow
    assert not decision.allowed


@given(st.binary())
def test_any_bytes_that_parse_allow_only_what_the_invariant_says(data: bytes) -> None:
    answer = types_pb2.Evaluation()
    try:
        answer.ParseFromString(data)
        decision = Decision.from_proto(answer)
    except Exception as error:  # noqa: BLE001 - named just below
        assert type(error).__name__ in {"DecodeError", "MalformedAnswerError"}
        return
    if decision.allowed:
        assert answer.decision
        assert answer.code == types_pb2.DECISION_CODE_PERMITTED
        assert not answer.HasField("error")
        assert not answer.obligations
