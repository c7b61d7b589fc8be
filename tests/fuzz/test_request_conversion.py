"""Requests as they come off the wire: whatever they hold, a question or a named error.

Raw: bytes that may be a message. Structured: messages whose fields may hold anything.
"""

from typing import Literal

from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from governd._proto.governd.v1 import policy_service_pb2, types_pb2
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.arguments import ArgumentLimits, Arguments, parse_arguments
from governd.policy.question import Question
from governd.services import convert

CALLER = SpiffeId.parse("spiffe://example.org/agent/writer")
OTHER = "spiffe://example.org/agent/reader"
LIMITS = ArgumentLimits(max_bytes=1024, max_depth=8)
FIELDS = {
    "action.name",
    "context.arguments_json",
    "resource.id",
    "resource.type",
    "subject.id",
    "subject.type",
}

PARTS: tuple[Literal["subject", "action", "resource", "context"], ...] = (
    "subject",
    "action",
    "resource",
    "context",
)

# Protobuf takes no lone surrogates, so neither does this.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.one_of(text, st.sampled_from(["", "agent", "tool", "tools/call", OTHER, str(CALLER)]))
requests = st.builds(
    policy_service_pb2.EvaluateRequest,
    subject=st.none() | st.builds(types_pb2.Subject, type=names, id=names),
    action=st.none() | st.builds(types_pb2.Action, name=names),
    resource=st.none() | st.builds(types_pb2.Resource, type=names, id=names),
    context=st.none() | st.builds(types_pb2.Context, arguments_json=st.binary(max_size=60)),
)


def parse(text: bytes) -> Arguments:
    return parse_arguments(text, LIMITS)


def converted(
    request: policy_service_pb2.EvaluateRequest,
    defaults: policy_service_pb2.EvaluateBatchRequest | None = None,
) -> Question | None:
    try:
        asked = request if defaults is None else convert.filled(request, defaults)
        return convert.question(asked, CALLER, parse)
    except RequestError as error:
        assert any(error.field.startswith(field) for field in FIELDS), error.field
        assert str(error)
        return None


@given(requests)
def test_a_request_becomes_a_question_or_an_error_that_names_its_field(
    request: policy_service_pb2.EvaluateRequest,
) -> None:
    question = converted(request)
    if question is None:
        return
    assert question.action == request.action.name
    assert (question.resource.type, question.resource.id) == (
        request.resource.type,
        request.resource.id,
    )
    assert CALLER in {question.subject, question.asserted_by}


@given(requests)
def test_who_asks_is_never_taken_from_the_message(
    request: policy_service_pb2.EvaluateRequest,
) -> None:
    question = converted(request)
    if question is not None:
        assert question.asserted_by in {None, CALLER}
        assert (question.asserted_by is None) == (question.subject == CALLER)


@given(st.binary(max_size=200))
@example(b"\x12\x0c\x0a\x0atools/call\x1a\x08\x0a\x04tool\x12\x00")
def test_bytes_are_a_question_a_named_error_or_no_message(raw: bytes) -> None:
    try:
        request = policy_service_pb2.EvaluateRequest.FromString(raw)
    except DecodeError:
        return
    converted(request)


@given(requests, requests)
def test_a_batch_s_defaults_stand_for_whole_parts_that_a_question_leaves_out(
    item: policy_service_pb2.EvaluateRequest, defaults: policy_service_pb2.EvaluateRequest
) -> None:
    batch = policy_service_pb2.EvaluateBatchRequest()
    merged = policy_service_pb2.EvaluateRequest()
    for name in PARTS:
        if defaults.HasField(name):
            getattr(batch, name).CopyFrom(getattr(defaults, name))
        source = item if item.HasField(name) else defaults
        if source.HasField(name):
            getattr(merged, name).CopyFrom(getattr(source, name))
    assert converted(item, batch) == converted(merged)
