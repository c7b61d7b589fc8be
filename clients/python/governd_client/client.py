"""The synchronous client. Safe to share between threads.

Answers that governd leases are given again without asking, and questions of several threads
share one stream; ``governd_client.leases`` and ``governd_client.exchange`` have the rules.
"""

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

from governd_client._proto.governd.v1 import policy_service_pb2, types_pb2
from governd_client.agent_calls import AgentCalls
from governd_client.channel import (
    EVALUATE,
    EVALUATE_BATCH,
    CallTerms,
    Port,
    resolve,
)
from governd_client.decision import Decision
from governd_client.delegation_calls import DelegationCalls
from governd_client.evidence import Evidence
from governd_client.exchange import StreamEndedError
from governd_client.grpc_port import GrpcPort
from governd_client.identity_calls import IdentityCalls
from governd_client.outcomes import AnswerPath
from governd_client.question import (
    Question,
    Semantic,
    batch_answers,
    batch_request,
    key_of,
    request_of,
)
from governd_client.session import Session
from governd_client.telling import Telling
from governd_client.terms import DEFAULT_TIMEOUT_SECONDS, Terms, require_end, rest_of
from governd_client.thread_stream import ThreadStream
from governd_client.threads import Background
from governd_client.token_calls import TokenCalls
from governd_client.tool_calls import ToolCalls


class Client(IdentityCalls, ToolCalls, DelegationCalls, AgentCalls, TokenCalls, Telling):
    """Asks governd. Whatever goes wrong raises a ``GoverndError``: never an allow."""

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        supported_obligations: Collection[str] = (),
        traceparent: Callable[[], str | None] | None = None,
        leases: bool = True,
        port: Port | None = None,
    ) -> None:
        """Connects on the first call.

        Args:
            target: The socket, as a path or ``unix:///path``; else ``GOVERND_SOCKET``, else
                ``/governd/governd.sock``.
            timeout: Seconds for each call that does not say otherwise.
            supported_obligations: Types of the obligations that the caller always performs.
            traceparent: Tells the current W3C trace context for calls that bring none.
            leases: Whether leased answers are given again without asking.
            port: Stands in for the wire, in tests.

        Raises:
            TargetError: The address is not one.
        """
        self._port = port if port is not None else GrpcPort(resolve(target))
        self._terms = Terms(timeout, frozenset(supported_obligations), traceparent)
        self._session = Session(leases=leases)
        self._background: Background = Background(self._port, self._session)
        self._stream = ThreadStream(self._port, self._session)

    def evaluate(
        self,
        action: str,
        resource: tuple[str, str],
        *,
        arguments: Mapping[str, object] | None = None,
        subject: str | None = None,
        evidence: Evidence | None = None,
        timeout: float | None = None,
        supported_obligations: Collection[str] = (),
        traceparent: str | None = None,
    ) -> Decision:
        """Asks one question. A deny is an answer; ``.require()`` makes it raise.

        Nobody is asked where a lease holds; ``Decision.leased`` says so.

        Args:
            action: The protocol's own word, for example ``tools/call``.
            resource: Type and id, for example ``Resource("tool", "git/git_commit")``.
            arguments: Arguments of the call.
            subject: SPIFFE ID the question is about; only for a call this workload received.
            evidence: Shows in whose name the subject acts.
            timeout: Seconds, retries and waiting for governd included.
            supported_obligations: Further obligations that the caller performs this time.
            traceparent: W3C trace context.

        Raises:
            GoverndError: There is no answer, which is never an allow.
        """
        session = self._session
        began = session.clock()
        key = key_of(action, resource, arguments, subject, evidence)
        if timeout is not None:
            require_end(timeout)
        decision = session.reuse(key, began)
        if decision is None:
            supported = self._terms.supported(supported_obligations)
            evaluation, path = self._ask(request_of(key), self._terms.of_call(timeout, traceparent))
            decision = session.answered(key, evaluation, supported, path=path, began=began)
        if session.due:
            self._background.tend()
        return decision

    def _ask(
        self, request: policy_service_pb2.EvaluateRequest, terms: CallTerms
    ) -> tuple[types_pb2.Evaluation, AnswerPath]:
        began = self._session.clock()
        try:
            if self._session.enter(request.ByteSize()):
                with contextlib.suppress(StreamEndedError):
                    return self._stream.ask(request, terms), AnswerPath.STREAM
                terms = rest_of(terms, self._session.clock() - began)
            return self._port.call(EVALUATE, request, terms).evaluation, AnswerPath.UNARY
        finally:
            self._session.leave()

    def evaluate_batch(
        self,
        questions: Sequence[Question],
        *,
        semantic: Semantic = Semantic.EXECUTE_ALL,
        timeout: float | None = None,
        supported_obligations: Collection[str] = (),
        traceparent: str | None = None,
    ) -> tuple[Decision, ...]:
        """Asks several questions; answers come in their order, fewer if ``semantic`` stops.

        governd applies ``semantic`` before this client weighs obligations. A question that
        cannot be asked is a deny with ``Decision.error``.

        Raises:
            GoverndError: There is no answer, or not one for each question.
        """
        answer = self._port.call(
            EVALUATE_BATCH,
            batch_request(questions, semantic),
            self._terms.of_call(timeout, traceparent),
        )
        supported = self._terms.supported(supported_obligations)
        return batch_answers(answer, len(questions), semantic, supported)

    def close(self) -> None:
        """Reports what is left, for half a second at most, and gives the connection back.

        Whoever still waits for an answer gets an ``UnavailableError``.
        """
        if self._session.came_along():
            self._session.close()
            self._stream.close()
            self._background.close()
        self._port.close()

    def __enter__(self) -> Self:
        """Returns the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the client."""
        self.close()
