"""Acting-as tokens for calls of gRPC that this workload makes.

``ActingAsInterceptor`` is for ``grpc.intercept_channel``, ``acting_as_interceptors`` for the
``interceptors`` of a ``grpc.aio`` channel; both serve all four kinds of call. Each call gets
a token of its own, in the metadata ``acting-as-token``, tied to ``POST`` and
``<origin>/<service>/<method>``; messages have no digest. gRPC's own retries would send a token
twice, which is refused: let whoever calls try again.
"""

from typing import Any, Final, NamedTuple

import grpc

from governd_client.acting import ActingAs, AsyncActingAs
from governd_client.carriage import GRPC_METADATA
from governd_client.delegation import BoundRequest
from governd_client.origin import origin_of

METHOD: Final = "POST"
"""What every call of gRPC is, in HTTP/2."""


class _Details(NamedTuple):
    """``grpc.ClientCallDetails`` as interceptors hand it on."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class ActingAsInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Puts a token on each call of a synchronous channel."""

    def __init__(self, source: ActingAs, *, origin: str) -> None:
        """Takes where tokens come from, and under which origin the server is called.

        Args:
            source: Makes the tokens.
            origin: As ``https://tools.example.org``, the server's own name for itself.

        Raises:
            ValueError: ``origin`` is none.
        """
        self._source = source
        self._origin = origin_of(origin)

    def _with_token(self, details: Any) -> _Details:  # noqa: ANN401 - gRPC's
        token = self._source.token(BoundRequest.of(METHOD, self._origin + details.method))
        metadata = (*_others(details.metadata), *token.grpc_metadata)
        return _Details(
            details.method,
            details.timeout,
            metadata,
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )

    def intercept_unary_unary(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        """Puts a token on a call."""
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        """Puts a token on a call."""
        return continuation(self._with_token(client_call_details), request)

    def intercept_stream_unary(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request_iterator: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        """Puts a token on a call."""
        return continuation(self._with_token(client_call_details), request_iterator)

    def intercept_stream_stream(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request_iterator: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        """Puts a token on a call."""
        return continuation(self._with_token(client_call_details), request_iterator)


class _AsyncInterceptor:
    def __init__(self, source: AsyncActingAs, origin: str) -> None:
        self._source = source
        self._origin = origin

    async def _with_token(self, details: Any) -> Any:  # noqa: ANN401 - gRPC's
        method = details.method.decode() if isinstance(details.method, bytes) else details.method
        token = await self._source.token(BoundRequest.of(METHOD, self._origin + method))
        metadata = grpc.aio.Metadata(*_others(details.metadata), *token.grpc_metadata)
        return details._replace(metadata=metadata)


class _UnaryUnary(_AsyncInterceptor, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        return await continuation(await self._with_token(client_call_details), request)


class _UnaryStream(_AsyncInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        return await continuation(await self._with_token(client_call_details), request)


class _StreamUnary(_AsyncInterceptor, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request_iterator: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        return await continuation(await self._with_token(client_call_details), request_iterator)


class _StreamStream(_AsyncInterceptor, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self,
        continuation: Any,  # noqa: ANN401 - gRPC's
        client_call_details: Any,  # noqa: ANN401 - likewise
        request_iterator: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise
        return await continuation(await self._with_token(client_call_details), request_iterator)


def acting_as_interceptors(
    source: AsyncActingAs, *, origin: str
) -> list[grpc.aio.ClientInterceptor]:
    """Interceptors that put a token on each call of a ``grpc.aio`` channel.

    grpc.aio has one kind for each kind of call, and takes an object for one of them only.

    Raises:
        ValueError: ``origin`` is none.
    """
    place = origin_of(origin)
    kinds = (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)
    return [kind(source, place) for kind in kinds]


def _others(metadata: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - gRPC's
    """What is sent beside the token: never a second one."""
    return [(key, value) for key, value in metadata or () if key != GRPC_METADATA]
