"""What the asynchronous client asks about acting-as tokens; as ``delegation_calls``."""

from collections.abc import Collection

from governd_client.channel import EXTEND, MINT, VERIFY, AsyncPort
from governd_client.delegation import ActingAsToken, Binding, BoundRequest, Delegation
from governd_client.delegation_requests import (
    Details,
    extend_request,
    mint_request,
    verify_request,
    write_terms,
)
from governd_client.evidence import Evidence
from governd_client.terms import Terms


class AsyncDelegations:
    """DelegationService, for the asynchronous client: ``AsyncClient.delegation``."""

    def __init__(self, port: AsyncPort, terms: Terms) -> None:
        """Asks through ``port``."""
        self._port = port
        self._terms = terms

    async def mint(
        self,
        audience: str,
        evidence: Evidence,
        *,
        scopes: Collection[str] = (),
        details: Details = (),
        request: BoundRequest | None = None,
        lifetime: int | None = None,
        max_depth: int = 0,
        transaction: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
        traceparent: str | None = None,
    ) -> ActingAsToken:
        """Mints the first token of a chain: this workload acts for the user.

        Args:
            audience: SPIFFE ID of the one workload that is to take it, and may extend it.
            evidence: In whose name: an ID token or an access token. With an acting-as token,
                ``extend``.
            scopes: Words that the audience knows. None permit nothing.
            details: The same, finer.
            request: The one request that it is for. Without, receivers refuse it unless they
                are told to take what is tied to the caller only.
            lifetime: Seconds, 300 at most, and no more than policy lets it last.
            max_depth: How many actors there may be in all, 1 to 8; 4 unless set, and no more
                than policy lets there be.
            transaction: Names what all follows from one cause; a new one unless set.
            timeout: Seconds, waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            MintRefusedError: Policy denies it.
            GoverndError: There is no token.
        """
        message = mint_request(audience, evidence, max_depth, transaction)
        write_terms(message, scopes, details, request, lifetime)
        answer = await self._port.call(MINT, message, self._terms.of_call(timeout, traceparent))
        return ActingAsToken.from_proto(answer)

    async def extend(
        self,
        audience: str,
        parent: Delegation,
        *,
        scopes: Collection[str] = (),
        details: Details = (),
        request: BoundRequest | None = None,
        lifetime: int | None = None,
        max_depth: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
        traceparent: str | None = None,
    ) -> ActingAsToken:
        """Mints the next token of a chain: this workload acts on, for the same user.

        Args:
            audience: As for ``mint``.
            parent: The delegation with which this workload was called.
            scopes: A subset of the parent's.
            details: Each covered by one of the parent's.
            request: As for ``mint``.
            lifetime: As for ``mint``; cut to the parent's end.
            max_depth: Never more than the parent's, which it is unless set.
            timeout: Seconds, waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            MintRefusedError: Policy denies it, or it would say more than its parent.
            EvidenceInvalidError: The parent counts no more, or was not verified by this
                governd since that began.
            GoverndError: There is no token.
        """
        message = extend_request(audience, parent, max_depth)
        write_terms(message, scopes, details, request, lifetime)
        answer = await self._port.call(EXTEND, message, self._terms.of_call(timeout, traceparent))
        return ActingAsToken.from_proto(answer)

    async def verify(
        self,
        token: str,
        *,
        request: BoundRequest | None = None,
        peer: str = "",
        peer_certificate: str = "",
        least_binding: Binding = Binding.REQUEST,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
        traceparent: str | None = None,
    ) -> Delegation:
        """Says who acts in whose name, by a token that came with a request to this workload.

        The token counts as used then. What it permits is policy's word: ask ``evaluate``
        with the answer's ``evidence``.

        Args:
            token: As it came.
            request: The request with which it came, its authority from this workload's own
                configuration.
            peer: SPIFFE ID that the channel proved for who sent the request, ``""`` for none.
            peer_certificate: ``x5t#S256`` of the certificate that the peer showed.
            least_binding: What is tied less is rejected.
            timeout: Seconds, waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            TokenRejectedError: The token does not count.
            GoverndError: There is no answer: the token does not count either.
        """
        message = verify_request(token, request, peer, peer_certificate, least_binding)
        answer = await self._port.call(VERIFY, message, self._terms.of_call(timeout, traceparent))
        return Delegation.from_proto(answer, message)


class AsyncDelegationCalls:
    """Where an asynchronous client has its delegations."""

    _port: AsyncPort
    _terms: Terms

    @property
    def delegation(self) -> AsyncDelegations:
        """Mints, extends and verifies acting-as tokens."""
        return AsyncDelegations(self._port, self._terms)
