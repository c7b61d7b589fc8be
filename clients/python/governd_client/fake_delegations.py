"""The part of ``testing.FakeGovernd`` that knows of acting-as tokens and agent cards."""

import itertools
import json
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from google.rpc import status_pb2

from governd_client._proto.governd.v1 import (
    agent_service_pb2,
)
from governd_client._proto.governd.v1 import delegation_service_pb2 as protos
from governd_client.carriage import A2A_EXTENSION, HTTP_HEADER, MCP_META
from governd_client.fake_streams import status_of

USER: Final = "alice"
USER_ISSUER: Final = "https://idp.example"
LIFETIME_SECONDS: Final = 120
_DECISION_ID: Final = "0123456789abcdef0123456789abcdef"

Asked: TypeAlias = protos.MintRequest | protos.ExtendRequest
Mints: TypeAlias = Callable[[Asked], bool]


class FakeDelegations:
    """Mints what it is told to, and verifies what it minted, each token once."""

    spiffe_id: str

    def __init__(self) -> None:
        """Begins by minting nothing."""
        super().__init__()
        self.spiffe_id = "spiffe://example.org/agent/test"
        self.mints: Mints = lambda _: False
        self.card = agent_service_pb2.Agent()
        self.attestation = ""
        self.cards: list[agent_service_pb2.RegisterAgentRequest] = []
        self.delegations: list[Asked | protos.VerifyRequest] = []
        self._minted: dict[str, tuple[protos.VerifiedDelegation, protos.RequestBinding]] = {}
        self._used: set[str] = set()
        self._numbers = itertools.count(1)

    def delegated(self, request: Any) -> Any:  # noqa: ANN401 - any call of the two services
        """What governd says to a request; a status where it refuses."""
        match request:
            case protos.MintRequest() | protos.ExtendRequest():
                self.delegations.append(request)
                return self._mint(request)
            case protos.VerifyRequest():
                self.delegations.append(request)
                return self._verify(request)
            case agent_service_pb2.RegisterAgentRequest():
                self.cards.append(request)
                return agent_service_pb2.RegisterAgentResponse(
                    agent=self._agent(), attestation=self.attestation
                )
            case _:
                if not self.cards:
                    return status_of("NOT_FOUND", "AGENT_UNKNOWN")
                return agent_service_pb2.GetAgentResponse(
                    agent=self._agent(), attestation=self.attestation
                )

    def _agent(self) -> agent_service_pb2.Agent:
        agent = agent_service_pb2.Agent(spiffe_id=self.spiffe_id)
        agent.MergeFrom(self.card)
        return agent

    def _mint(
        self, request: Asked
    ) -> protos.MintResponse | protos.ExtendResponse | status_pb2.Status:
        if isinstance(request, protos.ExtendRequest) and request.parent_token not in self._used:
            return status_of("PERMISSION_DENIED", "EVIDENCE_INVALID")  # was not verified
        parent = self._parent(request)
        if parent is None or not self.mints(request):
            return status_of("PERMISSION_DENIED", "MINT_REFUSED")
        token = f"fake.{next(self._numbers)}.token"
        said = protos.VerifiedDelegation()
        said.CopyFrom(parent)
        del said.scopes[:], said.actors[:]
        said.scopes.extend(sorted(request.scopes))
        said.actors.extend([self.spiffe_id, *parent.actors])
        said.authorization_details_json = request.authorization_details_json
        said.token_id = said.digest = token.replace(".", "-")
        said.expires_at.FromSeconds(int(time.time()) + LIFETIME_SECONDS)
        self._minted[token] = said, request.request
        answer = protos.MintResponse if _is_first(request) else protos.ExtendResponse
        return answer(delegation=_carried(token, said), decision_id=_DECISION_ID)

    def _parent(self, request: Asked) -> protos.VerifiedDelegation | None:
        """What the new token goes on from; ``None`` where that was never minted."""
        if isinstance(request, protos.ExtendRequest):
            return self._minted.get(request.parent_token, (None, None))[0]
        return protos.VerifiedDelegation(
            user=USER,
            user_issuer=USER_ISSUER,
            signer="spiffe://example.org/governd/signer/fake",
            transaction=request.transaction or "fake",
        )

    def _verify(self, request: protos.VerifyRequest) -> protos.VerifyResponse:
        said, bound = self._minted.get(request.token, (None, protos.RequestBinding()))
        if said is None:
            return _rejected(protos.REJECTION_REASON_SIGNATURE)
        binding = _binding(bound) if request.peer else protos.BINDING_LEVEL_UNSAFE_NONE
        for reason, holds in (
            (protos.REJECTION_REASON_REQUEST_URI, _is_for(bound, request.request)),
            (protos.REJECTION_REASON_CALLER, request.peer in {"", said.actors[0]}),
            (protos.REJECTION_REASON_BINDING_TOO_WEAK, binding >= _least(request)),
            (protos.REJECTION_REASON_REPLAYED, request.token not in self._used),
        ):
            if not holds:
                return _rejected(reason)
        self._used.add(request.token)
        found = protos.VerifyResponse(verified=said)
        found.verified.binding = binding
        return found


def _is_for(bound: protos.RequestBinding, came: protos.RequestBinding) -> bool:
    """Whether a token came with the request that it is tied to."""
    same = (bound.method, bound.uri) in {("", ""), (came.method, came.uri)}
    return same and bound.body_digest in {"", came.body_digest}


def _least(request: protos.VerifyRequest) -> int:
    return request.least_binding or protos.BINDING_LEVEL_REQUEST


def _is_first(request: Asked) -> bool:
    return isinstance(request, protos.MintRequest)


def _binding(bound: protos.RequestBinding) -> protos.BindingLevel.ValueType:
    if not bound.method:
        return protos.BINDING_LEVEL_CALLER
    return protos.BINDING_LEVEL_BODY if bound.body_digest else protos.BINDING_LEVEL_REQUEST


def _carried(token: str, said: protos.VerifiedDelegation) -> protos.Delegation:
    return protos.Delegation(
        token=token,
        headers={HTTP_HEADER: token},
        mcp_meta_json=json.dumps({MCP_META: token}).encode(),
        a2a_metadata_json=json.dumps({A2A_EXTENSION: {"token": token}}).encode(),
        expires_at=said.expires_at,
        token_id=said.token_id,
        transaction=said.transaction,
    )


def _rejected(reason: protos.RejectionReason.ValueType) -> protos.VerifyResponse:
    return protos.VerifyResponse(rejected=reason, detail="as the fake has it")
