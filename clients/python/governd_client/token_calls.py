"""What both clients ask for: access to upstreams, without holding a credential for them."""

from collections.abc import Collection
from typing import Final

from governd_client.channel import EXCHANGE, GET_TOKEN, AsyncPort, Port
from governd_client.evidence import Evidence
from governd_client.terms import Terms
from governd_client.tokens import AccessToken, ExchangedToken, exchange_request, token_request

TOKEN_TIMEOUT_SECONDS: Final = 20.0
"""Longer than for a question: an authorization server may have to be asked. As governd is preset
it says after 15 s at the latest why there is no token; who gives up before is not told."""


class TokenCalls:
    """TokenService, for the synchronous client."""

    _port: Port
    _terms: Terms

    def token(
        self,
        upstream: str,
        *,
        evidence: Evidence | None = None,
        scopes: Collection[str] = (),
        renew: bool = False,
        timeout: float = TOKEN_TIMEOUT_SECONDS,
        traceparent: str | None = None,
    ) -> AccessToken:
        """Gets a token for an upstream. Do not keep it: governd does, and knows if it counts.

        Args:
            upstream: Its name in the policy source.
            evidence: In whose name; required where the upstream is reached for a user, and
                refused where it is reached for this workload itself.
            scopes: Words of the upstream; all that the policy source has for it unless set.
            renew: Whether the upstream refused the token that came before.
            timeout: Seconds, retries and waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            MintRefusedError: Policy denies it.
            EvidenceInvalidError: The evidence does not hold.
            UpstreamUnknownError: The policy names no such upstream.
            TokenRefusedError: Its authorization server refuses, or gave what is no such token.
            UnavailableError: The authorization server, or governd, cannot be asked now.
            GoverndError: There is no token.
        """
        request = token_request(upstream, evidence, scopes, renew=renew)
        answer = self._port.call(GET_TOKEN, request, self._terms.of_call(timeout, traceparent))
        return AccessToken.from_proto(answer, request)

    def exchange(
        self,
        evidence: Evidence,
        *,
        resource: str = "",
        audience: str = "",
        scopes: Collection[str] = (),
        timeout: float = TOKEN_TIMEOUT_SECONDS,
        traceparent: str | None = None,
    ) -> ExchangedToken:
        """Exchanges a user's token for one of an upstream, in the words of RFC 8693.

        Who acts is this workload; it is not asked for and cannot be said.

        Args:
            evidence: The subject token: an ID token or an access token of the user.
            resource: Where the token is to be used. This or ``audience``.
            audience: The same by the name that the authorization server has for it.
            scopes: As for ``token``.
            timeout: Seconds, retries and waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            UpstreamUnknownError: There is not exactly one such upstream.
            GoverndError: There is no token; as for ``token``.
        """
        request = exchange_request(evidence, resource, audience, scopes)
        answer = self._port.call(EXCHANGE, request, self._terms.of_call(timeout, traceparent))
        return ExchangedToken.from_proto(answer, request)


class AsyncTokenCalls:
    """TokenService, for the asynchronous client."""

    _port: AsyncPort
    _terms: Terms

    async def token(
        self,
        upstream: str,
        *,
        evidence: Evidence | None = None,
        scopes: Collection[str] = (),
        renew: bool = False,
        timeout: float = TOKEN_TIMEOUT_SECONDS,  # noqa: ASYNC109 - a gRPC deadline
        traceparent: str | None = None,
    ) -> AccessToken:
        """Gets a token for an upstream. Do not keep it: governd does, and knows if it counts.

        Args:
            upstream: Its name in the policy source.
            evidence: In whose name; required where the upstream is reached for a user, and
                refused where it is reached for this workload itself.
            scopes: Words of the upstream; all that the policy source has for it unless set.
            renew: Whether the upstream refused the token that came before.
            timeout: Seconds, retries and waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            MintRefusedError: Policy denies it.
            EvidenceInvalidError: The evidence does not hold.
            UpstreamUnknownError: The policy names no such upstream.
            TokenRefusedError: Its authorization server refuses, or gave what is no such token.
            UnavailableError: The authorization server, or governd, cannot be asked now.
            GoverndError: There is no token.
        """
        request = token_request(upstream, evidence, scopes, renew=renew)
        terms = self._terms.of_call(timeout, traceparent)
        answer = await self._port.call(GET_TOKEN, request, terms)
        return AccessToken.from_proto(answer, request)

    async def exchange(
        self,
        evidence: Evidence,
        *,
        resource: str = "",
        audience: str = "",
        scopes: Collection[str] = (),
        timeout: float = TOKEN_TIMEOUT_SECONDS,  # noqa: ASYNC109 - a gRPC deadline
        traceparent: str | None = None,
    ) -> ExchangedToken:
        """Exchanges a user's token for one of an upstream, in the words of RFC 8693.

        Who acts is this workload; it is not asked for and cannot be said.

        Args:
            evidence: The subject token: an ID token or an access token of the user.
            resource: Where the token is to be used. This or ``audience``.
            audience: The same by the name that the authorization server has for it.
            scopes: As for ``token``.
            timeout: Seconds, retries and waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            UpstreamUnknownError: There is not exactly one such upstream.
            GoverndError: There is no token; as for ``token``.
        """
        request = exchange_request(evidence, resource, audience, scopes)
        terms = self._terms.of_call(timeout, traceparent)
        answer = await self._port.call(EXCHANGE, request, terms)
        return ExchangedToken.from_proto(answer, request)
