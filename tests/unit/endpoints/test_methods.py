"""The table of methods."""

import functools

import grpc
import grpc.aio
import pytest

from governd._proto.governd.v1 import identity_service_pb2, identity_service_pb2_grpc
from governd.endpoints.methods import Methods, begin_with
from tests.unit.endpoints.doubles import Context, a_call, chain, run

WHO_AM_I = "/governd.v1.IdentityService/WhoAmI"


class Identity(identity_service_pb2_grpc.IdentityServiceServicer):
    """Overrides one method."""

    async def WhoAmI(  # noqa: N802
        self, request: identity_service_pb2.WhoAmIRequest, context: object
    ) -> identity_service_pb2.WhoAmIResponse:
        return identity_service_pb2.WhoAmIResponse()


class Nothing(identity_service_pb2_grpc.IdentityServiceServicer):
    """Overrides nothing; the generated base class answers for it, synchronously."""


def methods(servicer: identity_service_pb2_grpc.IdentityServiceServicer) -> Methods:
    add = identity_service_pb2_grpc.add_IdentityServiceServicer_to_server
    return Methods([functools.partial(add, servicer)], chain())


def test_generated_code_registers_here_as_on_a_server() -> None:
    found = methods(Identity()).find(WHO_AM_I)  # type: ignore[abstract]  # on purpose
    assert (found.label, found.stream) == (WHO_AM_I, False)
    assert found.handler.stream_unary is not None, "gRPC would read the message first"


def test_a_method_is_wrapped_once_not_for_each_call() -> None:
    table = methods(Identity())  # type: ignore[abstract]  # on purpose
    assert table.find(WHO_AM_I) is table.find(WHO_AM_I)


@pytest.mark.parametrize(
    "name", [WHO_AM_I, "/governd.v1.IdentityService/whoami", "/nothing", "", WHO_AM_I + "/"]
)
async def test_what_is_not_served_is_unimplemented_and_no_label(name: str) -> None:
    found = methods(Nothing()).find(name)  # type: ignore[abstract]  # on purpose
    assert found.label == "other"
    context = Context()
    begin_with(lambda method, context: None)
    with a_call() as at_hand, pytest.raises(grpc.aio.AbortError):
        await run(found.handler, None, context)
    assert at_hand.code == "UNIMPLEMENTED"
