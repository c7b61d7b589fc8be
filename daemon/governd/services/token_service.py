"""TokenService: access to upstreams, without a credential in the agent."""

from collections.abc import Callable

from governd._proto.governd.v1 import token_service_pb2 as pb
from governd._proto.governd.v1 import token_service_pb2_grpc
from governd.application import call
from governd.application.get_token import TokenGetter
from governd.services import token_messages as messages
from governd.services.context import Context


class TokenServicer(token_service_pb2_grpc.TokenServiceServicer):
    """governd.v1.TokenService."""

    def __init__(self, getter: TokenGetter, *, wall_clock: Callable[[], float]) -> None:
        """Takes the use case, and seconds since 1970."""
        self._getter = getter
        self._wall_clock = wall_clock

    async def GetToken(  # noqa: N802
        self,
        request: pb.GetTokenRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.GetTokenResponse:
        """A token for an upstream that the policy source names."""
        wanted, shown = messages.wanted(request), messages.shown(request)
        return messages.handed(await self._getter.get(call.current(), wanted, shown))

    async def Exchange(  # noqa: N802
        self,
        request: pb.ExchangeRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ExchangeResponse:
        """The same in the words of RFC 8693."""
        wanted, shown = messages.exchange(request)
        handed = await self._getter.get(call.current(), wanted, shown)
        return messages.exchanged(handed, self._wall_clock)
