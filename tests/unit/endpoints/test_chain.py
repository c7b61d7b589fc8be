"""The chain around servicers: sizes, parsing, errors, all four kinds of method."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue

from governd.endpoints.chain import draining
from governd.endpoints.handlers import Handler
from governd.errors import GoverndError, PeerError, RequestError
from tests.unit.endpoints.doubles import (
    MESSAGE_BYTES,
    Context,
    a_call,
    chain,
    metrics,
    requests,
    run,
)


def unary(servicer: Callable[..., Any]) -> Handler:
    return grpc.unary_unary_rpc_method_handler(
        servicer, StringValue.FromString, StringValue.SerializeToString
    )


async def echo(request: StringValue, context: Context) -> StringValue:
    return request


def wrapped(handler: Handler) -> Handler:
    """The chain around a handler of calls that all are let in."""
    return chain().wrap(lambda _context: None, "/test/Unary", handler)


async def call(servicer: Callable[..., Any], raw: bytes = b"") -> tuple[Context, str]:
    """Calls a unary servicer through the chain; its context, and how the call ended."""
    context = Context()
    handler = wrapped(unary(servicer))
    with a_call() as at_hand, pytest.raises(grpc.aio.AbortError):
        await run(handler, raw, context)
    return context, at_hand.code


async def test_a_message_is_parsed_answered_and_serialised() -> None:
    handler = wrapped(unary(echo))
    raw = StringValue(value="hello").SerializeToString()
    with a_call() as at_hand:
        assert await run(handler, raw, Context()) == raw
    assert at_hand.code == "OK"


async def test_a_message_of_exactly_the_limit_is_accepted() -> None:
    handler = wrapped(unary(echo))
    raw = StringValue(value="x" * (MESSAGE_BYTES - 2)).SerializeToString()
    assert len(raw) == MESSAGE_BYTES
    with a_call():
        assert await run(handler, raw, Context()) == raw


async def test_an_oversized_message_is_refused_before_it_is_parsed() -> None:
    context, code = await call(echo, b"\xff" * (MESSAGE_BYTES + 1))
    assert code == "RESOURCE_EXHAUSTED"
    assert context.error_info.reason == "MESSAGE_TOO_LARGE"
    assert context.error_info.metadata == {"limit_bytes": str(MESSAGE_BYTES)}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xff", id="no protocol buffer"),
        pytest.param(b"\x0a\x02\xc3\x28", id="invalid UTF-8 in a string"),
        pytest.param(b"\x0a\x7f", id="cut off"),
    ],
)
async def test_a_message_that_does_not_parse_is_an_invalid_argument(raw: bytes) -> None:
    context, code = await call(echo, raw)
    assert code == "INVALID_ARGUMENT"
    assert context.error_info.reason == "REQUEST_INVALID"


async def test_an_error_raised_on_purpose_becomes_its_status() -> None:
    async def refuse(request: StringValue, context: Context) -> StringValue:
        message = "subject.id: not a SPIFFE ID"
        raise RequestError(message, field="subject.id")

    context, code = await call(refuse)
    assert code == "INVALID_ARGUMENT"
    assert context.error_info.metadata == {"field": "subject.id"}


async def test_a_fault_is_internal_without_details_and_logged_with_its_traceback() -> None:
    async def fail(request: StringValue, context: Context) -> StringValue:
        message = "the secret"
        raise ZeroDivisionError(message)

    with structlog.testing.capture_logs() as logs:
        context, code = await call(fail)
    assert code == "INTERNAL"
    assert context.status is not None
    assert "secret" not in str(context.status)
    assert [(line["event"], line["method"]) for line in logs] == [("call failed", "/test/Unary")]
    assert logs[0]["exc_info"]


async def test_an_answer_of_the_wrong_type_is_a_fault() -> None:
    async def nothing(request: StringValue, context: Context) -> None:
        return None

    with structlog.testing.capture_logs():
        _, code = await call(nothing)
    assert code == "INTERNAL"


async def test_a_servicers_own_abort_passes_unchanged() -> None:
    async def abort(request: StringValue, context: Context) -> StringValue:
        await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service", ())

    context, code = await call(abort)
    assert code == "NOT_FOUND"
    assert context.status == (grpc.StatusCode.NOT_FOUND, "unknown service", ())


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, 5])
async def test_a_code_that_a_servicer_set_is_the_calls(code: grpc.StatusCode | int) -> None:
    async def set_code(request: StringValue, context: Context) -> StringValue:
        context.set_to = code
        return request

    with a_call() as at_hand:
        await run(wrapped(unary(set_code)), b"", Context())
    assert at_hand.code == "NOT_FOUND"


async def test_a_refusal_is_counted_by_its_reason() -> None:
    def refuse(_context: object) -> None:
        raise RequestError("no")  # noqa: EM101  that is all there is

    counted = metrics()
    handler = chain(counted).wrap(refuse, "/test/Unary", unary(echo))
    with a_call() as at_hand, pytest.raises(grpc.aio.AbortError):
        await run(handler, b"", Context())
    sample = counted.registry.get_sample_value(
        "governd_refusals_total", {"reason": "REQUEST_INVALID"}
    )
    assert (sample, at_hand.code) == (1, "INVALID_ARGUMENT")


async def cancelled_call(ending: GoverndError | None) -> tuple[Context, str, asyncio.Task[object]]:
    """A call that waits until it is cancelled."""
    context = Context()

    async def wait(request: StringValue, context: Context) -> StringValue:
        await asyncio.Event().wait()
        return request

    handler = wrapped(unary(wait))
    with a_call() as at_hand:
        task: asyncio.Task[object] = asyncio.ensure_future(run(handler, b"", context))
        await asyncio.sleep(0)
        at_hand.ending = ending
        task.cancel()
        await asyncio.wait([task])
    return context, at_hand.code, task


async def test_a_callers_cancellation_passes_as_it_is() -> None:
    context, code, task = await cancelled_call(ending=None)
    assert task.cancelled()
    assert (context.status, code) == (None, "CANCELLED")


async def test_a_call_that_a_drain_ends_is_told_to_come_back() -> None:
    context, code, task = await cancelled_call(ending=draining())
    assert isinstance(task.exception(), grpc.aio.AbortError)
    assert code == "UNAVAILABLE"
    assert context.error_info.reason == "DRAINING"


async def test_a_call_whose_caller_is_verified_no_longer_is_told_so() -> None:
    context, code, task = await cancelled_call(ending=PeerError("the certificate has expired"))
    assert isinstance(task.exception(), grpc.aio.AbortError)
    assert code == "UNAUTHENTICATED"
    assert context.error_info.reason == "CALLER_UNVERIFIED"


async def test_a_stream_of_answers_is_written_one_by_one() -> None:
    async def twice(request: StringValue, context: Context) -> AsyncIterator[StringValue]:
        yield request
        yield request

    handler = wrapped(
        grpc.unary_stream_rpc_method_handler(
            twice, StringValue.FromString, StringValue.SerializeToString
        ),
    )
    context, message = Context(), StringValue(value="again")
    with a_call() as at_hand:
        await run(handler, message.SerializeToString(), context)
    assert (context.written, at_hand.code) == ([message, message], "OK")


async def test_a_servicer_may_write_its_stream_to_the_context() -> None:
    async def write(request: StringValue, context: Context) -> None:
        await context.write(request)

    handler = wrapped(
        grpc.unary_stream_rpc_method_handler(
            write, StringValue.FromString, StringValue.SerializeToString
        ),
    )
    context = Context()
    with a_call():
        await run(handler, b"", context)
    assert context.written == [StringValue()]


async def join(received: AsyncIterator[StringValue], context: Context) -> StringValue:
    return StringValue(value="+".join([message.value async for message in received]))


async def test_a_stream_of_requests_is_parsed_one_by_one() -> None:
    handler = wrapped(
        grpc.stream_unary_rpc_method_handler(
            join, StringValue.FromString, StringValue.SerializeToString
        ),
    )
    sent = [StringValue(value=text).SerializeToString() for text in ("a", "b")]
    with a_call():
        answer = await run(handler, requests(*sent), Context())
    assert StringValue.FromString(answer).value == "a+b"


async def test_a_bad_message_in_the_middle_of_a_stream_ends_it() -> None:
    async def each(
        received: AsyncIterator[StringValue], context: Context
    ) -> AsyncIterator[StringValue]:
        async for message in received:
            yield message

    handler = wrapped(
        grpc.stream_stream_rpc_method_handler(
            each, StringValue.FromString, StringValue.SerializeToString
        ),
    )
    context = Context()
    with a_call() as at_hand, pytest.raises(grpc.aio.AbortError):
        await run(handler, requests(b"", b"\xff", b""), context)
    assert (context.written, at_hand.code) == ([StringValue()], "INVALID_ARGUMENT")
