"""PolicyService: questions in, answers out."""

import asyncio
import functools
from collections.abc import Callable, Sequence

from google.rpc import status_pb2

from governd._proto.governd.v1 import policy_service_pb2, policy_service_pb2_grpc, types_pb2
from governd.application import call
from governd.application.evaluate import Answer, Evaluator
from governd.errors import GoverndError, RequestError
from governd.services import convert
from governd.services.context import Context

_FIRST_DENY = policy_service_pb2.EVALUATIONS_SEMANTIC_DENY_ON_FIRST_DENY
_FIRST_PERMIT = policy_service_pb2.EVALUATIONS_SEMANTIC_PERMIT_ON_FIRST_PERMIT
_STOPS = {_FIRST_DENY: False, _FIRST_PERMIT: True}


class PolicyServicer(policy_service_pb2_grpc.PolicyServiceServicer):
    """governd.v1.PolicyService."""

    def __init__(
        self,
        evaluator: Evaluator,
        parse: convert.Parse,
        *,
        batch_size: int,
        to_status: Callable[[GoverndError], status_pb2.Status],
    ) -> None:
        """Takes the use case, what reads arguments, the bound of a batch, and errors' form."""
        self._evaluator = evaluator
        self._parse = parse
        self._batch_size = batch_size
        self._to_status = to_status

    async def Evaluate(  # noqa: N802
        self,
        request: policy_service_pb2.EvaluateRequest,
        context: Context,  # noqa: ARG002
    ) -> policy_service_pb2.EvaluateResponse:
        """Decides one question."""
        this = call.current()
        question = convert.question(request, this.workload.spiffe_id, self._parse)
        answer = await self._evaluator.evaluate(this, question)
        return policy_service_pb2.EvaluateResponse(evaluation=convert.evaluation(answer))

    async def EvaluateBatch(  # noqa: N802
        self,
        request: policy_service_pb2.EvaluateBatchRequest,
        context: Context,  # noqa: ARG002
    ) -> policy_service_pb2.EvaluateBatchResponse:
        """Decides several questions in order."""
        this = call.current()
        items = self._items(request)
        this.charge(len(items) - 1)
        parse = functools.cache(self._parse)  # defaults are parsed once
        stop = _STOPS.get(request.evaluations_semantic)
        results: list[Answer | GoverndError] = []
        for item in items:
            results.append(self._decide(this, item, parse, request))
            if stop is not None and _allows(results[-1]) == stop:
                break
            await asyncio.sleep(0)  # a long batch holds nobody else up
        return policy_service_pb2.EvaluateBatchResponse(evaluations=await self._answers(results))

    def _items(
        self, request: policy_service_pb2.EvaluateBatchRequest
    ) -> Sequence[policy_service_pb2.EvaluateRequest]:
        if len(request.evaluations) > self._batch_size:
            message = f"evaluations: at most {self._batch_size}, not {len(request.evaluations)}"
            raise RequestError(message, field="evaluations")
        if request.evaluations_semantic not in policy_service_pb2.EvaluationsSemantic.values():
            message = "evaluations_semantic: unknown value"
            raise RequestError(message, field="evaluations_semantic")
        return request.evaluations or [policy_service_pb2.EvaluateRequest()]

    def _decide(
        self,
        this: call.Call,
        item: policy_service_pb2.EvaluateRequest,
        parse: convert.Parse,
        defaults: policy_service_pb2.EvaluateBatchRequest,
    ) -> Answer | GoverndError:
        try:
            question = convert.question(item, this.workload.spiffe_id, parse, defaults)
            return self._evaluator.decide(this, question)
        except GoverndError as error:
            return error

    async def _answers(self, results: list[Answer | GoverndError]) -> list[types_pb2.Evaluation]:
        decided = [result for result in results if isinstance(result, Answer)]
        answers = iter(await self._evaluator.put_on_record(decided))
        return [
            types_pb2.Evaluation(error=self._to_status(result))
            if isinstance(result, GoverndError)
            else convert.evaluation(next(answers))
            for result in results
        ]


def _allows(result: Answer | GoverndError) -> bool:
    return isinstance(result, Answer) and result.decision.allowed
