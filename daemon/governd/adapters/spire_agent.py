"""SPIRE as the source of identities: the Delegated Identity API of the node's agent.

https://github.com/spiffe/spire/blob/main/doc/spire_agent.md#delegated-identity-api
(``protos/spire``). One connection to the agent's admin socket carries everything. The agent
attests governd and takes its word for the selectors of workloads, so the selectors must come
from somebody who knows, never from the workload.

Promises:
    * A subscription tells the full state each time, also of trust domains taken away.
    * What came is checked (``spire_messages``); no message is kept once it has been handed on.
    * Every failure is an ``IdentityError``. Trying again is left to whoever subscribed.
    * An agent that is there and says nothing is away. A subscription that is quiet is told
      from it by the trust bundles, which are asked for again and again; when no answer comes,
      every subscription ends. Not by HTTP/2 pings: the agent's gRPC takes more than one in
      five minutes for an attack and hangs up.
    * An agent tells a subscriber that it is no delegate any more only when it has something
      to tell. So where the trust bundles are refused, every subscription ends as well: each
      is asked for anew, and refused.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import grpc
import grpc.aio

from governd._proto.spire.api.agent.delegatedidentity.v1 import (
    delegatedidentity_pb2 as delegated,
)
from governd._proto.spire.api.agent.delegatedidentity.v1.delegatedidentity_pb2_grpc import (
    DelegatedIdentityStub,
)
from governd._proto.spire.api.types import types_pb2
from governd.adapters import spire_messages, spire_streams
from governd.adapters.spire_errors import fetch_error
from governd.adapters.spire_streams import Request, Response
from governd.errors import NoIdentityError, NotDelegateError, SourceAwayError
from governd.identity import SpiffeId
from governd.identity.svid import JwtSvid, TrustBundles, Workload, WorkloadSvids

if TYPE_CHECKING:
    from governd._proto.spire.api.agent.delegatedidentity.v1.delegatedidentity_pb2_grpc import (
        DelegatedIdentityAsyncStub,
    )

MAX_MESSAGE_BYTES = 4 << 20
FETCH_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""For what an agent tells at once: trust bundles, and that nothing matches a workload."""
QUIET_SECONDS = 15.0
"""The longest between two looks whether the agent still answers."""
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # An agent that is back is found at once: subscribers wait by themselves between two tries.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class SpireAgent:
    """The SPIRE agent of this node; implements ``governd.identity.ports.IdentitySource``."""

    name = "spire"

    def __init__(self, socket: Path, trust_domain: str) -> None:
        """Connects to nothing yet.

        Args:
            socket: The agent's ``admin_socket_path``.
            trust_domain: Every identity must be of it.
        """
        self._socket = socket
        self._trust_domain = trust_domain
        self._channel: grpc.aio.Channel | None = None
        self._streams: set[grpc.aio.Call] = set()

    async def svids(self, workload: Workload) -> AsyncGenerator[WorkloadSvids, None]:
        """The workload's X.509-SVIDs now, and again whenever they change.

        An agent that has to renew all at once, because an authority was tainted, forgets what
        it had first, and may tell subscribers so. Who subscribes then is kept waiting until
        all is there, and is told at once where nothing is to come. So whoever seems to have
        lost an identity is asked for anew, and has lost it if no better answer comes in time.

        Raises:
            IdentityError: As the port says.
        """
        doubt: WorkloadSvids | None = None
        while True:
            async with contextlib.aclosing(self._told(workload)) as told:
                said = await _first(told, doubt)
                while said is not None:
                    ids = _ids(said)
                    yield said
                    del said  # or it would be kept, with its keys
                    said = await anext(told, None)
                    if said is not None and not ids <= _ids(said):
                        break
                doubt = said
                del said

    async def _told(self, workload: Workload) -> AsyncGenerator[WorkloadSvids, None]:
        """What one subscription tells."""
        request = delegated.SubscribeToX509SVIDsRequest(selectors=_selectors(workload))
        with self._stream(self._stub().SubscribeToX509SVIDs, request) as read:
            while True:  # no message has a name here: it would be kept with its keys
                yield spire_messages.read_x509_svids(await read(), workload, self._trust_domain)

    async def bundles(self) -> AsyncGenerator[TrustBundles, None]:
        """The trust bundles of this and of federated trust domains, and every change.

        An agent goes on telling of a trust domain that was taken away, to those who
        subscribed before; only the first message of a stream is the full state. So each
        change is asked for anew, and so they are when nothing was told for a while.

        Raises:
            IdentityError: As the port says.
        """
        stub = self._stub()
        x509, jwt = (
            delegated.SubscribeToX509BundlesRequest(),
            delegated.SubscribeToJWTBundlesRequest(),
        )
        while True:
            with (
                self._stream(stub.SubscribeToX509Bundles, x509) as read_x509,
                self._stream(stub.SubscribeToJWTBundles, jwt) as read_jwt,
                self._all_end_with_it(),
            ):
                async with asyncio.timeout(ANSWER_SECONDS):
                    said = (await read_x509(), await read_jwt())
                yield spire_messages.read_bundles(*said, self._trust_domain)
                await spire_streams.either(read_x509, read_jwt, seconds=QUIET_SECONDS)

    async def jwt_svids(self, workload: Workload, audiences: Sequence[str]) -> tuple[JwtSvid, ...]:
        """One JWT-SVID for each ID of the workload, for exactly these audiences.

        The agent keeps a JWT-SVID to half of its lifetime; nothing is kept here.

        Raises:
            IdentityError: As the port says.
        """
        request = delegated.FetchJWTSVIDsRequest(audience=audiences, selectors=_selectors(workload))
        try:
            response = await self._stub().FetchJWTSVIDs(request, timeout=FETCH_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise fetch_error(error, self._socket) from error
        response = spire_streams.parsed(response)
        return spire_messages.read_jwt_svids(response, workload, audiences, self._trust_domain)

    async def close(self) -> None:
        """Ends the connection and all that goes over it. To be called last."""
        if self._channel is not None:
            await self._channel.close()

    def _stub(self) -> "DelegatedIdentityAsyncStub":
        if self._channel is None:
            target = f"unix:{quote(str(self._socket))}"
            self._channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        return DelegatedIdentityStub(self._channel)

    @contextlib.contextmanager
    def _stream(
        self, method: "grpc.aio.UnaryStreamMultiCallable[Request, Response]", request: Request
    ) -> Iterator[Callable[[], Coroutine[None, None, Response]]]:
        """Begins a stream, to read from within the block."""
        call = method(request)
        self._streams.add(call)
        try:
            yield functools.partial(spire_streams.read, call, self._socket)
        finally:
            self._streams.discard(call)
            call.cancel()

    @contextlib.contextmanager
    def _all_end_with_it(self) -> Iterator[None]:
        """Has every stream end if the agent does not answer within the block, or refuses."""
        try:
            yield
        except TimeoutError:
            self._end_streams()
            raise SourceAwayError(spire_streams.SILENT) from None
        except NotDelegateError:
            self._end_streams()
            raise

    def _end_streams(self) -> None:
        for call in list(self._streams):
            call.cancel()


def _selectors(workload: Workload) -> list[types_pb2.Selector]:
    if not workload.selectors:
        message = "nothing is known of the workload by which an entry could match"
        raise NoIdentityError(message)
    return spire_messages.selectors(workload)


async def _first(
    told: AsyncGenerator[WorkloadSvids, None], doubt: WorkloadSvids | None
) -> WorkloadSvids | None:
    """What a subscription tells first; ``doubt``, where there is one, if that does not come."""
    try:
        async with asyncio.timeout(None if doubt is None else ANSWER_SECONDS):
            return await anext(told)
    except TimeoutError:
        return doubt


def _ids(said: WorkloadSvids) -> frozenset[SpiffeId]:
    return frozenset(svid.spiffe_id for svid in said.svids)
