"""SpiffeWorkloadAPI: gives stock SPIFFE libraries their identities.

Follows the SPIFFE Workload API and Workload Endpoint standards
(https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md,
https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md). Clients know
nothing of governd, so what goes wrong here is one of the standard's four status codes and a
message, without governd's details:

* INVALID_ARGUMENT: the metadata that shows intent is missing, or a field is wrong; not to be
  retried.
* PERMISSION_DENIED: no identity is issued to the caller, or policy denies the token; a retry
  may help later.
* UNAVAILABLE: identities cannot be had now.
* UNIMPLEMENTED: what is not served, the WIT-SVID profile.

What stands around every servicer, limits and drain, gives its own.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime
from types import TracebackType

import grpc

from governd.application import call
from governd.application.issue_jwt_svid import Denial, JwtSvidIssuer
from governd.application.keep_identities import HeldIdentity
from governd.application.workload_view import (
    See,
    Seen,
    WorkloadViews,
    jwt_bundles,
    x509_bundles,
)
from governd.errors import GoverndError, IdentityError, NoIdentityError, RequestError
from governd.identity import SpiffeId
from governd.identity.jwt_verification import verify_jwt_svid
from governd.services import workload_messages as convert
from governd.services.context import Context
from governd.services.workload_stubs import messages

INTENT = ("workload.spiffe.io", "true")
"""Metadata that no other protocol's client sends by accident (Workload Endpoint, section 5)."""


class WorkloadApiServicer:
    """The SPIFFE Workload API."""

    def __init__(
        self,
        views: WorkloadViews,
        issuer: JwtSvidIssuer,
        *,
        wall_clock: Callable[[], float],
    ) -> None:
        """Takes the use cases.

        Args:
            views: Shows what is held for a caller.
            issuer: Issues JWT-SVIDs.
            wall_clock: Seconds since 1970.
        """
        self._views = views
        self._issuer = issuer
        self._wall_clock = wall_clock

    async def FetchX509SVID(  # noqa: N802
        self,
        request: messages.X509SVIDRequest,  # noqa: ARG002
        context: Context,
    ) -> AsyncIterator[messages.X509SVIDResponse]:
        """X.509-SVIDs with keys and trust bundles, now and whenever they are others."""
        async with _PlainCodes(context), self._follow(context, convert.see_issued) as seen:
            async for one in seen:
                yield convert.issued(one)

    async def FetchX509Bundles(  # noqa: N802
        self,
        request: messages.X509BundlesRequest,  # noqa: ARG002
        context: Context,
    ) -> AsyncIterator[messages.X509BundlesResponse]:
        """X.509 trust bundles, now and whenever they are others."""
        async with _PlainCodes(context), self._follow(context, x509_bundles) as seen:
            async for one in seen:
                yield convert.x509_authorities(one)

    async def FetchJWTSVID(  # noqa: N802
        self, request: messages.JWTSVIDRequest, context: Context
    ) -> messages.JWTSVIDResponse:
        """JWT-SVIDs for the audiences, if policy permits each."""
        async with _PlainCodes(context):
            held = self._held(context)
            spiffe_id = SpiffeId.parse(request.spiffe_id) if request.spiffe_id else None
            found = await self._issuer.issue(call.current(), held, request.audience, spiffe_id)
            if isinstance(found, Denial):
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(found))
            return convert.tokens(found)

    async def FetchJWTBundles(  # noqa: N802
        self,
        request: messages.JWTBundlesRequest,  # noqa: ARG002
        context: Context,
    ) -> AsyncIterator[messages.JWTBundlesResponse]:
        """JWT trust bundles, now and whenever they are others."""
        async with _PlainCodes(context), self._follow(context, convert.see_jwt_keys) as seen:
            async for one in seen:
                yield convert.jwt_authorities(one)

    async def ValidateJWTSVID(  # noqa: N802
        self, request: messages.ValidateJWTSVIDRequest, context: Context
    ) -> messages.ValidateJWTSVIDResponse:
        """Whose a JWT-SVID is, in the trust domains that the caller trusts."""
        async with _PlainCodes(context):
            held = self._held(context)
            if not request.audience:
                message = "audience: required"
                raise RequestError(message, field="audience")
            key_sets = await self._views.first(held, jwt_bundles)
            now = datetime.fromtimestamp(self._wall_clock(), UTC)
            return convert.validated(verify_jwt_svid(request.svid, request.audience, key_sets, now))

    def _follow(
        self, context: Context, see: See[Seen]
    ) -> "contextlib.aclosing[AsyncGenerator[Seen, None]]":
        return contextlib.aclosing(self._views.follow(self._held(context), see))

    def _held(self, context: Context) -> HeldIdentity:
        sent = context.invocation_metadata() or ()
        if [value for key, value in sent if key == INTENT[0]] != [INTENT[1]]:
            message = "metadata: expected {}: {}, once".format(*INTENT)
            raise RequestError(message)
        held = call.current().held
        if held is None:
            message = "governd holds no identities for callers of this listener"
            raise NoIdentityError(message)
        return held


class _PlainCodes:
    """Gives what is raised within it the standard's status codes."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        """Nothing is wrong yet."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, RequestError | IdentityError):
            await self._context.abort(_code(error), str(error))


def _code(error: GoverndError) -> grpc.StatusCode:
    if isinstance(error, RequestError):
        return grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, NoIdentityError):
        return grpc.StatusCode.PERMISSION_DENIED
    return grpc.StatusCode.UNAVAILABLE
