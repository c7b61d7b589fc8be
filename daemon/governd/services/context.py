"""The type of gRPC's context, which servicers are handed and need not use."""

from typing import Any, TypeAlias

import grpc.aio

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
"""Who calls is in ``application.call``, errors are raised: nothing here needs gRPC's."""
