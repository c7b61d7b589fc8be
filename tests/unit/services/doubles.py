"""What gRPC hands to servicers: metadata, and a way to end a call with a status."""

from dataclasses import dataclass
from typing import NoReturn, cast

import grpc
import grpc.aio

from governd.services.context import Context

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass
class FakeContext:
    """The part of ``grpc.aio.ServicerContext`` that servicers use.

    Attributes:
        metadata: What the caller sent.
        status: How the servicer ended the call.
    """

    metadata: Metadata | None = ()
    status: tuple[grpc.StatusCode, str] | None = None

    def invocation_metadata(self) -> Metadata | None:
        return self.metadata

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self.status = (code, details)
        raise grpc.aio.AbortError

    def as_grpcs(self) -> Context:
        """For a servicer's parameter."""
        return cast("Context", self)
