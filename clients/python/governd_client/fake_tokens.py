"""The part of ``testing.FakeGovernd`` that hands out access tokens for upstreams."""

import itertools
import time
from dataclasses import dataclass
from typing import Final, TypeAlias

from google.rpc import status_pb2

from governd_client._proto.governd.v1 import token_service_pb2 as protos
from governd_client.fake_streams import status_of
from governd_client.tokens import ACCESS_TOKEN_TYPE, AUTHORIZATION, BEARER, ID_TOKEN_TYPE

_DECISION_ID: Final = "0123456789abcdef0123456789abcdef"

TokenRequest: TypeAlias = protos.GetTokenRequest | protos.ExchangeRequest
_Key: TypeAlias = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FakeUpstream:
    """An upstream to which everybody may go.

    Attributes:
        resource: Where its tokens are good; ``""`` where that is not said.
        audience: The name that its authorization server has for it, ``""`` for none.
        scopes: All that there are.
        for_user: Whether it is reached for a user, who has to be shown, and not for the
            workload itself.
        lifetime: Seconds for which a token counts.
    """

    resource: str = ""
    audience: str = ""
    scopes: tuple[str, ...] = ()
    for_user: bool = False
    lifetime: float = 300.0


class FakeTokens:
    """Hands out what it holds, or a new token where it holds none or is told to renew.

    Attributes:
        upstreams: By name; none unless set.
        tokens: The requests of GetToken and Exchange so far.
    """

    def __init__(self) -> None:
        """Begins without an upstream."""
        super().__init__()
        self.upstreams: dict[str, FakeUpstream] = {}
        self.tokens: list[TokenRequest] = []
        self._held: dict[_Key, tuple[str, float]] = {}
        self._serials = itertools.count(1)

    def handed(
        self, request: TokenRequest
    ) -> protos.GetTokenResponse | protos.ExchangeResponse | status_pb2.Status:
        """What governd says to a request; a status where it refuses."""
        self.tokens.append(request)
        if isinstance(request, protos.GetTokenRequest):
            return self._get(request)
        return self._exchange(request)

    def _get(self, request: protos.GetTokenRequest) -> protos.GetTokenResponse | status_pb2.Status:
        upstream = self.upstreams.get(request.upstream)
        if upstream is None:
            return status_of("NOT_FOUND", "UPSTREAM_UNKNOWN", field="upstream")
        shown = request.evidence.SerializeToString(deterministic=True)
        if bool(shown) is not upstream.for_user:
            return status_of("INVALID_ARGUMENT", "REQUEST_INVALID", field="evidence")
        scopes = tuple(sorted(request.scopes or upstream.scopes))
        if not set(scopes) <= set(upstream.scopes) or len(set(scopes)) < len(scopes):
            return status_of("INVALID_ARGUMENT", "REQUEST_INVALID", field="scopes")
        key = (request.upstream, shown.hex(), scopes)
        token, ends = self._token(key, upstream, renew=request.renew)
        answer = protos.GetTokenResponse(
            access_token=token,
            token_type=BEARER,
            scopes=scopes,
            headers={AUTHORIZATION: f"{BEARER} {token}"},
            resource=upstream.resource,
            decision_id=_DECISION_ID,
        )
        answer.expires_at.FromNanoseconds(round(ends * 1e9))
        return answer

    def _token(self, key: _Key, upstream: FakeUpstream, *, renew: bool) -> tuple[str, float]:
        now = time.time()
        token, ends = self._held.get(key, ("", now))
        if renew or ends <= now:
            token, ends = f"fake.{key[0]}.{next(self._serials)}", now + upstream.lifetime
            self._held[key] = token, ends
        return token, ends

    def _exchange(
        self, request: protos.ExchangeRequest
    ) -> protos.ExchangeResponse | status_pb2.Status:
        if not request.resource and not request.audience:
            return status_of("INVALID_ARGUMENT", "REQUEST_INVALID", field="resource")
        named = [name for name, one in self.upstreams.items() if _is_meant(one, request)]
        if len(named) != 1:
            field = "resource" if request.resource else "audience"
            return status_of("NOT_FOUND", "UPSTREAM_UNKNOWN", field=field)
        asked = protos.GetTokenRequest(
            upstream=named[0], scopes=request.scope.split(" ") if request.scope else ()
        )
        if request.subject_token_type == ID_TOKEN_TYPE:
            asked.evidence.id_token = request.subject_token
        else:
            asked.evidence.access_token = request.subject_token
        answer = self._get(asked)
        if isinstance(answer, status_pb2.Status):
            return answer
        exchanged = protos.ExchangeResponse(
            access_token=answer.access_token,
            issued_token_type=ACCESS_TOKEN_TYPE,
            token_type=BEARER,
            scope=" ".join(answer.scopes),
            decision_id=answer.decision_id,
        )
        exchanged.expires_in.FromSeconds(int(answer.expires_at.seconds - time.time()))
        return exchanged


def _is_meant(upstream: FakeUpstream, request: protos.ExchangeRequest) -> bool:
    target = (request.resource or upstream.resource, request.audience or upstream.audience)
    return upstream.for_user and target == (upstream.resource, upstream.audience)
