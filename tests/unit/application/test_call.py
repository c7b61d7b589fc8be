"""The call at hand."""

import pytest

from governd.application import call as calls
from governd.application.call import Call
from governd.endpoints.limits import Admission
from governd.errors import NoIdentityError, RateLimitedError
from governd.identity import OPERATOR, Attestation, Caller, Newcomer, SpiffeId, Who
from governd.observability.trace import TraceContext
from tests.unit.endpoints.doubles import Clock, Limits

WRITER = Caller(SpiffeId.parse("spiffe://example.org/agent/writer"), Attestation.STATIC)
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


def a_call(caller: Who = WRITER, trace: TraceContext | None = None) -> Call:
    clock = Clock()
    return Call(caller, trace, Admission(Limits(), clock()), clock)


def test_outside_of_a_call_there_is_no_caller() -> None:
    with pytest.raises(LookupError):
        calls.current()
    assert calls.log_context() == {}


def test_within_a_call_its_caller_is_at_hand_and_afterwards_no_more() -> None:
    with calls.serving(a_call()) as call:
        assert calls.current() is call
        assert calls.current().workload == WRITER
    with pytest.raises(LookupError):
        calls.current()


def test_the_operator_is_not_taken_for_a_workload() -> None:
    with pytest.raises(RuntimeError, match="admin socket"):
        _ = a_call(caller=OPERATOR).workload


def test_attack_a_newcomer_is_taken_neither_for_a_workload_nor_for_the_operator() -> None:
    newcomer = a_call(caller=Newcomer("web"))
    with pytest.raises(NoIdentityError, match="no identity yet"):
        _ = newcomer.workload
    assert newcomer.log_context() == {"caller": "listener:web"}


def test_log_lines_say_the_caller_and_its_trace() -> None:
    with calls.serving(a_call(trace=TRACE)):
        assert calls.log_context() == {
            "caller": "spiffe://example.org/agent/writer",
            "trace_id": TRACE.trace_id,
            "span_id": TRACE.parent_span_id,
        }
    with calls.serving(a_call(caller=OPERATOR)):
        assert calls.log_context() == {"caller": "operator"}


def test_a_batch_is_charged_to_the_rate_and_an_empty_one_is_free() -> None:
    call = a_call()
    call.charge(Limits().burst)
    call.charge(0)
    with pytest.raises(RateLimitedError):
        call.charge(1)
