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

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from google.rpc import status_pb2

from governd_client._proto.governd.v1 import (
    identity_service_pb2,
    policy_service_pb2,
    token_service_pb2,
    tool_service_pb2,
    types_pb2,
)
from governd_client.channel import (
    REPORT_OUTCOME,
    AsyncPort,
    Port,
)
from governd_client.fake_delegations import FakeDelegations
from governd_client.fake_port import AsyncFakePort, FakePort, serve
from governd_client.fake_streams import FakeStreams, status_of
from governd_client.fake_tokens import FakeTokens, FakeUpstream

__all__ = [
    "DECISION_ID",
    "FakeGovernd",
    "FakeUpstream",
    "Rule",
    "deny",
    "permit",
    "show_all",
    "status_of",
]

DECISION_ID: Final = "0123456789abcdef0123456789abcdef"
Rule = Callable[[policy_service_pb2.EvaluateRequest], types_pb2.Evaluation]
Shows = Callable[[tool_service_pb2.FilterToolsRequest], Iterable[int]]
Takes = Callable[
    [tool_service_pb2.RegisterToolsRequest], Iterable[tool_service_pb2.QuarantinedDefinition]
]
MAX_QUARANTINED: Final = 256
"""An answer to a registration tells of no more."""
_WORKERS: Final = 64  # each stream takes one for as long as it lives
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


def show_all(request: tool_service_pb2.FilterToolsRequest) -> Iterable[int]:
    """Every entry of a list."""
    return range(len(request.definitions))


class FakeGovernd(FakeTokens, FakeDelegations, FakeStreams):
    """Answers as it is told.

    Attributes:
        rule: Answers one question; denies unless replaced.
        shows: Says which entries of a list are shown; none unless replaced.
        takes: Says which definitions of a registration are quarantined; none unless replaced.
        status: Where set, every call fails with it.
        refusals: What calls of a method fail with, by its name, e.g. ``"WatchEpoch"``.
        wait: Called before a single call is answered, but not in an event loop.
        lease: Seconds that each permit without obligations, and each filtered list, may be
            reused; ``None`` for none.
        spiffe_id: Who every caller is told to be.
        mints: Says whether a token is minted or extended; none is unless replaced. What it
            minted it verifies, once, as governd does: audience, time and scopes aside.
        card: What is known of the agent whose card was registered, level 0 unless replaced.
        attestation: What an agent is given to show to others.
        cards: The requests of RegisterAgent so far.
        upstreams: Those for which there are tokens, by name; none unless set. A token is
            handed out again until it ends, another one as soon as ``renew`` asks for it.
        tokens: The requests of GetToken and Exchange so far.
        reports: The requests of ReportOutcome so far.
        registrations: The requests of RegisterTools so far, each in one message.
        metadata: The headers of the last call that was neither a stream nor a report.
    """

    def __init__(self) -> None:
        """Begins by denying everything."""
        super().__init__()
        self.rule: Rule = lambda _: deny()
        self.shows: Shows = lambda _: ()
        self.takes: Takes = lambda _: ()
        self.status: status_pb2.Status | None = None
        self.refusals: dict[str, status_pb2.Status] = {}
        self.wait: Callable[[], object] = lambda: None
        self.lease: float | None = None
        self.reports: list[policy_service_pb2.ReportOutcomeRequest] = []
        self.registrations: list[tool_service_pb2.RegisterToolsRequest] = []
        self.metadata: dict[str, str | bytes] = {}

    def answer(self, request: Any) -> Any:  # noqa: ANN401 - any call of the API
        """What governd says to a request."""
        match request:
            case policy_service_pb2.ReportOutcomeRequest():
                self.reports.append(request)
                return policy_service_pb2.ReportOutcomeResponse()
            case policy_service_pb2.EvaluateRequest():
                self.requests.append(request)
                return policy_service_pb2.EvaluateResponse(evaluation=self.judge(request))
            case policy_service_pb2.EvaluateBatchRequest():
                self.requests.append(request)
                return self._batch(request)
            case tool_service_pb2.FilterToolsRequest():
                self.requests.append(request)
                return self._filter(request)
            case tool_service_pb2.RegisterToolsRequest():
                self.registrations.append(request)
                return self._register(request)
            case _:
                return self._of_identities(request)

    def _of_identities(self, request: Any) -> Any:  # noqa: ANN401 - the other services
        if isinstance(request, identity_service_pb2.WhoAmIRequest):
            self.requests.append(request)
            return self._who_am_i()
        if isinstance(
            request, token_service_pb2.GetTokenRequest | token_service_pb2.ExchangeRequest
        ):
            return self.handed(request)
        return self.delegated(request)

    def _who_am_i(self) -> identity_service_pb2.WhoAmIResponse:
        return identity_service_pb2.WhoAmIResponse(
            spiffe_id="" if self.waits_for else self.spiffe_id,
            attestation=identity_service_pb2.ATTESTATION_STATIC,
            phase=self.phase,
            reason=self.waits_for,
        )

    def judge(self, request: policy_service_pb2.EvaluateRequest) -> types_pb2.Evaluation:
        """Answers one question."""
        answer = types_pb2.Evaluation()
        answer.CopyFrom(self.rule(request))
        answer.policy.epoch = answer.policy.epoch or self.epoch
        if self.lease is not None and answer.decision and not answer.obligations:
            answer.lease.valid_for.FromNanoseconds(round(self.lease * 1e9))
        return answer

    def _filter(
        self, request: tool_service_pb2.FilterToolsRequest
    ) -> tool_service_pb2.FilterToolsResponse:
        answer = tool_service_pb2.FilterToolsResponse(
            shown=self.shows(request),
            decision_id=DECISION_ID,
            policy=types_pb2.PolicyInfo(epoch=self.epoch),
        )
        if self.lease is not None:
            answer.lease.valid_for.FromNanoseconds(round(self.lease * 1e9))
        return answer

    def _register(
        self, request: tool_service_pb2.RegisterToolsRequest
    ) -> tool_service_pb2.RegisterToolsResponse:
        quarantined = list(self.takes(request))
        return tool_service_pb2.RegisterToolsResponse(
            server=request.server or "server",
            active=len(request.definitions) - len(quarantined),
            quarantined=quarantined[:MAX_QUARANTINED],
            quarantined_count=len(quarantined),
            changed=True,
            policy=types_pb2.PolicyInfo(epoch=self.epoch),
        )

    def _batch(
        self, request: policy_service_pb2.EvaluateBatchRequest
    ) -> policy_service_pb2.EvaluateBatchResponse:
        response = policy_service_pb2.EvaluateBatchResponse()
        for each in request.evaluations:
            answer = self.judge(each)
            response.evaluations.append(answer)
            if answer.decision is _STOPS_AT.get(request.evaluations_semantic):
                break
        return response

    def refusal(self, path: str) -> status_pb2.Status | None:
        """What a call of a method fails with now."""
        return self.status or self.refusals.get(path.rpartition("/")[2])

    def note(self, path: str, metadata: dict[str, str | bytes]) -> None:
        """Notes the headers of a call."""
        if path != REPORT_OUTCOME.path:
            self.metadata = metadata

    def port(self) -> Port:
        """For ``Client(port=...)``."""
        return FakePort(self)

    def async_port(self) -> AsyncPort:
        """For ``AsyncClient(port=...)``."""
        return AsyncFakePort(self)

    @contextmanager
    def serve(self, path: Path) -> Iterator[str]:
        """Serves on a Unix socket; yields the path for ``Client(...)``."""
        server = grpc.server(ThreadPoolExecutor(_WORKERS))
        serve(self, server)
        server.add_insecure_port(f"unix://{path}")
        server.start()
        try:
            yield str(path)
        finally:
            server.stop(None).wait()
