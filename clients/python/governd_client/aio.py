"""The asynchronous client, for one event loop. Says and does what ``Client`` does."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

from governd_client._proto.governd.v1 import identity_service_pb2
from governd_client.channel import (
    EVALUATE,
    EVALUATE_BATCH,
    WHO_AM_I,
    AsyncGrpcPort,
    AsyncPort,
    resolve,
)
from governd_client.decision import Decision
from governd_client.identity import Identity
from governd_client.question import Question, Semantic, batch_answers, batch_request
from governd_client.terms import DEFAULT_TIMEOUT_SECONDS, Terms


class AsyncClient:
    """Asks governd. Whatever goes wrong raises a ``GoverndError``: never an allow."""

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        supported_obligations: Collection[str] = (),
        traceparent: Callable[[], str | None] | None = None,
        port: AsyncPort | None = None,
    ) -> None:
        """Connects on the first call. Make it inside the running event loop.

        Args:
            target: The socket, as a path or ``unix:///path``; else ``GOVERND_SOCKET``, else
                ``/governd/governd.sock``.
            timeout: Seconds for each call that does not say otherwise.
            supported_obligations: Types of the obligations that the caller always performs.
            traceparent: Tells the current W3C trace context for calls that bring none.
            port: Stands in for the wire, in tests.

        Raises:
            TargetError: The address is not one.
        """
        self._port = port if port is not None else AsyncGrpcPort(resolve(target))
        self._terms = Terms(timeout, frozenset(supported_obligations), traceparent)

    async def evaluate(
        self,
        action: str,
        resource: tuple[str, str],
        *,
        arguments: Mapping[str, object] | None = None,
        subject: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
        supported_obligations: Collection[str] = (),
        traceparent: str | None = None,
    ) -> Decision:
        """Asks one question. A deny is an answer; ``.require()`` makes it raise.

        Args:
            action: The protocol's own word, for example ``tools/call``.
            resource: Type and id, for example ``Resource("tool", "git/git_commit")``.
            arguments: Arguments of the call.
            subject: SPIFFE ID the question is about; only for a call this workload received.
            timeout: Seconds, retries and waiting for governd included.
            supported_obligations: Further obligations that the caller performs this time.
            traceparent: W3C trace context.

        Raises:
            GoverndError: There is no answer, which is never an allow.
        """
        answer = await self._port.call(
            EVALUATE,
            Question(action, resource, arguments, subject).to_proto(),
            self._terms.of_call(timeout, traceparent),
        )
        return Decision.from_proto(answer.evaluation, self._terms.supported(supported_obligations))

    async def evaluate_batch(
        self,
        questions: Sequence[Question],
        *,
        semantic: Semantic = Semantic.EXECUTE_ALL,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
        supported_obligations: Collection[str] = (),
        traceparent: str | None = None,
    ) -> tuple[Decision, ...]:
        """Asks several questions; answers come in their order, fewer if ``semantic`` stops.

        governd applies ``semantic`` before this client weighs obligations. A question that
        cannot be asked is a deny with ``Decision.error``.

        Raises:
            GoverndError: There is no answer, or not one for each question.
        """
        answer = await self._port.call(
            EVALUATE_BATCH,
            batch_request(questions, semantic),
            self._terms.of_call(timeout, traceparent),
        )
        supported = self._terms.supported(supported_obligations)
        return batch_answers(answer, len(questions), semantic, supported)

    async def whoami(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
    ) -> Identity:
        """Asks who governd takes this workload for.

        Raises:
            GoverndError: There is no answer.
        """
        answer = await self._port.call(
            WHO_AM_I,
            identity_service_pb2.WhoAmIRequest(),
            self._terms.of_call(timeout, None),
        )
        return Identity.from_proto(answer)

    async def close(self) -> None:
        """Gives the connection back."""
        await self._port.close()

    async def __aenter__(self) -> Self:
        """Returns the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the client."""
        await self.close()
