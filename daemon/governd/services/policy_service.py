"""PolicyService: questions in, answers out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from governd._proto.governd.v1 import policy_service_pb2, policy_service_pb2_grpc
from governd.application import call
from governd.application.answer import Answer
from governd.application.evaluate import Evaluator
from governd.application.report import Reporter
from governd.application.watch_epoch import EpochFeed
from governd.errors import GoverndError, RateLimitedError, RequestError
from governd.observability import trace
from governd.policy.question import Question
from governd.services import convert, reports
from governd.services.answers import Answers
from governd.services.context import Context
from governd.services.evidence import EvidenceReader
from governd.services.questions import Questions

_FIRST_DENY = policy_service_pb2.EVALUATIONS_SEMANTIC_DENY_ON_FIRST_DENY
_FIRST_PERMIT = policy_service_pb2.EVALUATIONS_SEMANTIC_PERMIT_ON_FIRST_PERMIT
_STOPS = {_FIRST_DENY: False, _FIRST_PERMIT: True}
_AT_A_TIME = 4
"""Questions that are decided before others get a turn."""
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class UseCases:
    """What stands behind the service.

    Attributes:
        evaluator: Decides.
        epochs: Tells of changes.
        reporter: Takes reports.
        evidence: Says in whose name questions are asked.
    """

    evaluator: Evaluator
    epochs: EpochFeed
    reporter: Reporter
    evidence: EvidenceReader


class PolicyServicer(policy_service_pb2_grpc.PolicyServiceServicer):
    """governd.v1.PolicyService."""

    def __init__(
        self, use_cases: UseCases, questions: Questions, answers: Answers, *, batch_size: int
    ) -> None:
        """Takes the use cases, what reads and what writes, and the bound of a batch."""
        self._evaluator = use_cases.evaluator
        self._epochs = use_cases.epochs
        self._reporter = use_cases.reporter
        self._evidence = use_cases.evidence
        self._questions = questions
        self._answers = answers
        self._batch_size = batch_size

    async def Evaluate(  # noqa: N802
        self,
        request: policy_service_pb2.EvaluateRequest,
        context: Context,  # noqa: ARG002
    ) -> policy_service_pb2.EvaluateResponse:
        """Decides one question."""
        this = call.current()
        question = await self._read(this, request)
        response = policy_service_pb2.EvaluateResponse()
        self._answers.write(await self._evaluator.evaluate(this, question), response.evaluation)
        return response

    async def EvaluateBatch(  # noqa: N802
        self,
        request: policy_service_pb2.EvaluateBatchRequest,
        context: Context,  # noqa: ARG002
    ) -> policy_service_pb2.EvaluateBatchResponse:
        """Decides several questions in order."""
        this = call.current()
        items = self._items(request)
        this.charge(len(items) - 1)
        stop = _STOPS.get(request.evaluations_semantic)
        results: list[Answer | GoverndError] = []
        for item in items:
            results.append(await self._decide(this, convert.filled(item, request)))
            if stop is not None and _allows(results[-1]) == stop:
                break
            await _give_way(len(results))
        response = policy_service_pb2.EvaluateBatchResponse()
        for answer in await self._on_record(results):
            self._answers.write(answer, response.evaluations.add())
        return response

    async def EvaluateStream(  # noqa: N802
        self,
        request_iterator: AsyncIterator[policy_service_pb2.EvaluateStreamRequest],
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[policy_service_pb2.EvaluateStreamResponse]:
        """Decides questions as they come; one message's before the next is read."""
        this = call.current()
        async for request in request_iterator:
            self._check_size(request.questions, "questions", least=1)
            answers, pause = await self._answer_message(this, request)
            response = policy_service_pb2.EvaluateStreamResponse()
            for asked, answer in zip(request.questions, answers, strict=True):
                message = response.answers.add(correlation_id=asked.correlation_id)
                self._answers.write(answer, message.evaluation)
            yield response
            await asyncio.sleep(pause)

    async def WatchEpoch(  # noqa: N802
        self,
        request: policy_service_pb2.WatchEpochRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[policy_service_pb2.WatchEpochResponse]:
        """Tells the epoch, until either side ends it."""
        async for info in self._epochs.follow():
            yield policy_service_pb2.WatchEpochResponse(
                policy=convert.policy_info(info),
                beat=convert.duration(self._epochs.beat_seconds),
                silence=convert.duration(self._epochs.silence_seconds),
            )

    async def ReportOutcome(  # noqa: N802
        self,
        request: policy_service_pb2.ReportOutcomeRequest,
        context: Context,  # noqa: ARG002
    ) -> policy_service_pb2.ReportOutcomeResponse:
        """Puts on record what a caller says of its permits."""
        this = call.current()
        self._check_size([*request.outcomes, *request.lease_uses], "outcomes")
        report = reports.read(request)
        this.charge(len(report.outcomes) + len(report.lease_uses) - 1)
        await self._reporter.take(this.workload, report)
        return policy_service_pb2.ReportOutcomeResponse()

    def _items(
        self, request: policy_service_pb2.EvaluateBatchRequest
    ) -> Sequence[policy_service_pb2.EvaluateRequest]:
        self._check_size(request.evaluations, "evaluations")
        if request.evaluations_semantic not in policy_service_pb2.EvaluationsSemantic.values():
            message = "evaluations_semantic: unknown value"
            raise RequestError(message, field="evaluations_semantic")
        return request.evaluations or [policy_service_pb2.EvaluateRequest()]

    def _check_size(self, items: Sequence[object], field: str, *, least: int = 0) -> None:
        if not least <= len(items) <= self._batch_size:
            message = f"{field}: expected {least} to {self._batch_size}, not {len(items)}"
            raise RequestError(message, field=field)

    async def _answer_message(
        self, this: call.Call, request: policy_service_pb2.EvaluateStreamRequest
    ) -> tuple[Sequence[Answer | GoverndError], float]:
        """Answers in order, and after how many seconds the next message is read."""
        try:
            this.charge(len(request.questions))
        except RateLimitedError as error:
            pause = min(error.retry_after or 0.0, _LONGEST_PAUSE_SECONDS)
            return [error] * len(request.questions), pause
        results = []
        for number, asked in enumerate(request.questions, 1):
            context = trace.parse(asked.traceparent) if asked.traceparent else None
            results.append(await self._decide(this, asked.request, context))
            await _give_way(number)
        return await self._on_record(results), 0.0

    async def _decide(
        self,
        this: call.Call,
        request: policy_service_pb2.EvaluateRequest,
        context: trace.TraceContext | None = None,
    ) -> Answer | GoverndError:
        try:
            question = await self._read(this, request)
            return self._evaluator.decide(this, question, context)
        except GoverndError as error:
            return error

    async def _read(self, this: call.Call, request: policy_service_pb2.EvaluateRequest) -> Question:
        """The question that a request asks, in the name that its evidence shows."""
        caller = this.workload
        if not request.context.HasField("evidence"):
            return self._questions.read(request, caller.spiffe_id)
        subject, evidence = convert.subject(request, caller.spiffe_id), request.context.evidence
        circumstances = await self._evidence.circumstances(
            evidence, subject, caller, field="context.evidence"
        )
        return self._questions.read(request, caller.spiffe_id, circumstances)

    async def _on_record(
        self, results: Sequence[Answer | GoverndError]
    ) -> Sequence[Answer | GoverndError]:
        """The results as they are answered: what is not on record is no permit."""
        decided = [result for result in results if isinstance(result, Answer)]
        answers = iter(await self._evaluator.put_on_record(decided)) if decided else iter(())
        return [result if isinstance(result, GoverndError) else next(answers) for result in results]


async def _give_way(count: int) -> None:
    """A long batch holds nobody else up."""
    if count % _AT_A_TIME == 0:
        await asyncio.sleep(0)


def _allows(result: Answer | GoverndError) -> bool:
    return isinstance(result, Answer) and result.decision.allowed
