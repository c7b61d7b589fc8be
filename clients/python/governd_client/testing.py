"""A governd to test against: settable answers, in memory or on a Unix socket.

A fake and nothing more: it knows no policy and checks no request. It denies whatever it was
not told to permit. ``port`` and ``async_port`` open no socket; ``serve`` puts the same
answers behind a real gRPC server.

Example:
    >>> from governd_client import Client, Resource
    >>> from governd_client.testing import FakeGovernd, permit
    >>> fake = FakeGovernd()
    >>> fake.rule = lambda question: permit()
    >>> Client(port=fake.port()).evaluate("tools/call", Resource("tool", "git/git_log")).allowed
    True
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc

from governd_client._proto.governd.v1 import (
    identity_service_pb2,
    identity_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    types_pb2,
)
from governd_client.channel import A, AsyncPort, CallTerms, Method, Port, Q
from governd_client.errors import from_status

if TYPE_CHECKING:
    from google.rpc import status_pb2

DECISION_ID: Final = "0123456789abcdef0123456789abcdef"
Rule = Callable[[policy_service_pb2.EvaluateRequest], types_pb2.Evaluation]
_DETAILS: Final = "grpc-status-details-bin"
_STOPS_AT: Final = {
    policy_service_pb2.EVALUATIONS_SEMANTIC_DENY_ON_FIRST_DENY: False,
    policy_service_pb2.EVALUATIONS_SEMANTIC_PERMIT_ON_FIRST_PERMIT: True,
}


def permit(**fields: Any) -> types_pb2.Evaluation:  # noqa: ANN401 - the message's own
    """A permit, with further fields of ``governd.v1.Evaluation``."""
    return deny(**{"decision": True, "code": types_pb2.DECISION_CODE_PERMITTED, **fields})


def deny(**fields: Any) -> types_pb2.Evaluation:  # noqa: ANN401 - the message's own
    """A deny, with further fields of ``governd.v1.Evaluation``."""
    given = {"decision_id": DECISION_ID, "code": types_pb2.DECISION_CODE_NOT_PERMITTED}
    return types_pb2.Evaluation(**{**given, **fields})


class FakeGovernd:
    """Answers as it is told.

    Attributes:
        rule: Answers one question; denies unless replaced.
        status: Where set, every call fails with it.
        wait: Called before each answer, for tests of deadlines on a socket.
        spiffe_id: Who every caller is told to be.
        requests: The requests so far.
        metadata: The headers of the last call.
    """

    def __init__(self) -> None:
        """Begins by denying everything."""
        self.rule: Rule = lambda _: deny()
        self.status: status_pb2.Status | None = None
        self.wait: Callable[[], object] = lambda: None
        self.spiffe_id = "spiffe://example.org/agent/test"
        self.requests: list[Any] = []
        self.metadata: dict[str, str | bytes] = {}

    def answer(self, request: Any) -> Any:  # noqa: ANN401 - any call of the API
        """What governd says to a request."""
        self.requests.append(request)
        match request:
            case policy_service_pb2.EvaluateRequest():
                return policy_service_pb2.EvaluateResponse(evaluation=self.rule(request))
            case policy_service_pb2.EvaluateBatchRequest():
                return self._batch(request)
            case _:
                return identity_service_pb2.WhoAmIResponse(
                    spiffe_id=self.spiffe_id, attestation=identity_service_pb2.ATTESTATION_STATIC
                )

    def _batch(
        self, request: policy_service_pb2.EvaluateBatchRequest
    ) -> policy_service_pb2.EvaluateBatchResponse:
        response = policy_service_pb2.EvaluateBatchResponse()
        for each in request.evaluations:
            answer = self.rule(each)
            response.evaluations.append(answer)
            if answer.decision is _STOPS_AT.get(request.evaluations_semantic):
                break
        return response

    def port(self) -> Port:
        """For ``Client(port=...)``."""
        return _FakePort(self)

    def async_port(self) -> AsyncPort:
        """For ``AsyncClient(port=...)``."""
        return _AsyncFakePort(self)

    @contextmanager
    def serve(self, path: Path) -> Iterator[str]:
        """Serves on a Unix socket; yields the path for ``Client(...)``."""
        server = grpc.server(ThreadPoolExecutor(max_workers=4))
        servicer = _Servicer(self)
        policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(servicer, server)
        identity_service_pb2_grpc.add_IdentityServiceServicer_to_server(servicer, server)
        server.add_insecure_port(f"unix://{path}")
        server.start()
        try:
            yield str(path)
        finally:
            server.stop(None).wait()


class _FakePort:
    def __init__(self, governd: FakeGovernd) -> None:
        self._governd = governd

    def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        self._governd.metadata = dict(terms["metadata"])
        if self._governd.status is not None:
            raise from_status(self._governd.status)
        # Through bytes, as on the wire.
        sent = method.request.FromString(request.SerializeToString())
        return method.answer.FromString(self._governd.answer(sent).SerializeToString())

    def close(self) -> None:
        pass


class _AsyncFakePort:
    def __init__(self, governd: FakeGovernd) -> None:
        self._port = _FakePort(governd)

    async def call(self, method: Method[Q, A], request: Q, terms: CallTerms) -> A:
        return self._port.call(method, request, terms)

    async def close(self) -> None:
        pass


class _Servicer(
    policy_service_pb2_grpc.PolicyServiceServicer,
    identity_service_pb2_grpc.IdentityServiceServicer,
):
    def __init__(self, governd: FakeGovernd) -> None:
        self._governd = governd

    def _answer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401
        self._governd.metadata = dict(context.invocation_metadata())
        self._governd.wait()
        status = self._governd.status
        if status is not None:
            context.set_trailing_metadata(((_DETAILS, status.SerializeToString()),))
            code = next(each for each in grpc.StatusCode if each.value[0] == status.code)
            context.abort(code, status.message)
        return self._governd.answer(request)

    Evaluate = EvaluateBatch = WhoAmI = _answer
