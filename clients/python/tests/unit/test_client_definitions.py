"""Registrations: what is sent, in which messages, and what may be taken for an answer."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd_client import (
    AsyncClient,
    Client,
    Definition,
    DefinitionInvalidError,
    InvalidRequestError,
    Kind,
    MalformedAnswerError,
    Quarantined,
    QuarantineReason,
    RegistrationResult,
)
from governd_client._proto.governd.v1 import tool_service_pb2
from governd_client.definitions import MAX_MESSAGE_BYTES, registration_messages
from governd_client.testing import FakeGovernd, status_of

LOG = Definition(Kind.TOOL, b'{"name":"git_log"}', ("git:read",))
README = Definition(Kind.RESOURCE, b'{"uri":"file:///README"}')
Register = Callable[..., Awaitable[RegistrationResult]]


@pytest.fixture(params=["sync", "async"])
def register(request: pytest.FixtureRequest, governd: FakeGovernd) -> Register:
    """``register_tools`` of either client, so that each test holds for both."""

    async def call(*args: Any, **terms: Any) -> RegistrationResult:
        if request.param == "sync":
            with Client(port=governd.port()) as client:
                return client.register_tools(*args, **terms)
        async with AsyncClient(port=governd.async_port()) as client:
            return await client.register_tools(*args, **terms)

    return call


@pytest.mark.req("sdk-4", part=True)
async def test_definitions_arrive_with_what_they_require_in_their_order(
    governd: FakeGovernd, register: Register
) -> None:
    result = await register([LOG, README], server="git")
    [taken] = governd.registrations
    assert taken.server == "git"
    assert [
        (each.kind, each.definition_json, tuple(each.requires)) for each in taken.definitions
    ] == [
        (tool_service_pb2.DEFINITION_KIND_TOOL, LOG.definition_json, ("git:read",)),
        (tool_service_pb2.DEFINITION_KIND_RESOURCE, README.definition_json, ()),
    ]
    assert (result.server, result.active, result.changed) == ("git", 2, True)


async def test_a_server_that_offers_nothing_says_so(
    governd: FakeGovernd, register: Register
) -> None:
    await register([])
    [taken] = governd.registrations
    assert not taken.definitions


async def test_what_is_quarantined_comes_back_with_its_reasons(
    governd: FakeGovernd, register: Register
) -> None:
    governd.takes = lambda _: [
        tool_service_pb2.QuarantinedDefinition(
            kind=tool_service_pb2.DEFINITION_KIND_TOOL,
            name="git_log",
            digest="sha-256:aa",
            reasons=[tool_service_pb2.QUARANTINE_REASON_CHANGED, cast("Any", 99)],
            detail="description differs",
        )
    ]
    result = await register([LOG, README])
    reasons = (QuarantineReason.CHANGED, QuarantineReason.UNRECOGNISED)
    assert result.active == 1
    assert result.quarantined == (
        Quarantined(Kind.TOOL, "git_log", "sha-256:aa", reasons, "description differs"),
    )


async def test_how_many_are_quarantined_is_known_where_not_all_are_told_of(
    governd: FakeGovernd, register: Register
) -> None:
    governd.takes = lambda request: [
        tool_service_pb2.QuarantinedDefinition(kind=each.kind) for each in request.definitions
    ]
    result = await register([LOG] * 300)
    assert (len(result.quarantined), result.quarantined_count) == (256, 300)


def test_every_reason_of_the_proto_has_a_name_here() -> None:
    names = {
        name.removeprefix("QUARANTINE_REASON_")
        for name in tool_service_pb2.QuarantineReason.DESCRIPTOR.values_by_name
    }
    assert names - {"UNSPECIFIED"} == {each.value for each in QuarantineReason} - {"UNRECOGNISED"}


def test_every_kind_of_the_proto_has_a_name_here() -> None:
    numbers = set(tool_service_pb2.DefinitionKind.DESCRIPTOR.values_by_number)
    assert numbers - {0} == {each.value for each in Kind}


async def test_a_refused_definition_is_named(governd: FakeGovernd, register: Register) -> None:
    governd.refusals["RegisterTools"] = status_of("INVALID_ARGUMENT", "DEFINITION_INVALID")
    with pytest.raises(DefinitionInvalidError):
        await register([LOG])


@pytest.mark.parametrize(
    ("definition", "server"),
    [
        (Definition(Kind.TOOL, b"{}", ("\ud800",)), "git"),
        (Definition(Kind.TOOL, b"{}", (7,)), "git"),  # type: ignore[arg-type]
        (Definition(Kind.TOOL, "{}"), "git"),  # type: ignore[arg-type]
        (LOG, "\ud800"),
    ],
    ids=repr,
)
async def test_what_cannot_be_written_is_not_sent(
    governd: FakeGovernd, register: Register, definition: Definition, server: str
) -> None:
    with pytest.raises(InvalidRequestError):
        await register([definition], server=server)
    assert governd.registrations == []


@pytest.mark.parametrize(
    "answer",
    [
        tool_service_pb2.RegisterToolsResponse(),
        tool_service_pb2.RegisterToolsResponse(
            server="git", quarantined=[tool_service_pb2.QuarantinedDefinition(name="x")]
        ),
        tool_service_pb2.RegisterToolsResponse(
            server="git",
            quarantined=[
                tool_service_pb2.QuarantinedDefinition(name="x", kind=cast("Any", 99)),
            ],
        ),
    ],
    ids=["empty", "of no kind", "of an unknown kind"],
)
def test_an_answer_that_is_none_is_malformed(
    answer: tool_service_pb2.RegisterToolsResponse,
) -> None:
    with pytest.raises(MalformedAnswerError):
        RegistrationResult.from_proto(answer)


@given(sizes=st.lists(st.integers(0, 3 * MAX_MESSAGE_BYTES // 2), max_size=12))
def test_messages_are_small_and_lose_nothing(sizes: list[int]) -> None:
    definitions = [
        Definition(Kind.TOOL, str(number).encode() * size) for number, size in enumerate(sizes)
    ]
    messages = list(registration_messages(definitions, "git"))
    assert [each.server for each in messages] == ["git"] + [""] * (len(messages) - 1)
    sent = [each.definition_json for message in messages for each in message.definitions]
    assert sent == [each.definition_json for each in definitions]
    for message in messages:
        assert message.ByteSize() <= MAX_MESSAGE_BYTES + 200 or len(message.definitions) == 1
    assert all(message.definitions for message in messages) or not definitions


@given(content=st.binary(max_size=200))
def test_whatever_is_answered_it_is_read_or_malformed(content: bytes) -> None:
    answer = tool_service_pb2.RegisterToolsResponse()
    try:
        answer.ParseFromString(content)
    except Exception:  # noqa: BLE001 - not a message: the port says so
        return
    try:
        result = RegistrationResult.from_proto(answer)
    except MalformedAnswerError:
        return
    assert result.server
