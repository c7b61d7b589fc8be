"""The standard services of every listener: grpc.health.v1 and reflection.

Liveness is that the process answers at all. Readiness is SERVING for the empty service
name: questions are answered from a policy. The services that need a policy share that
state; the others serve as long as the daemon does.

Health: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import functools
from collections.abc import Sequence

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

# Public as grpc_health.v1.health.aio and grpc_reflection.v1alpha.reflection.aio, which
# have no types; these have.
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from governd.endpoints.methods import Register

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_OVERALL = ""
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name


class Health:
    """Health of the daemon, one for all listeners.

    Attributes:
        ready: Whether the daemon says SERVING.
    """

    def __init__(self, servicer: HealthServicer, gated: Sequence[str]) -> None:
        """Use ``create``."""
        self.ready = False
        self._draining = False
        self._servicer = servicer
        self._gated = (_OVERALL, *gated)

    @classmethod
    async def create(cls, *, gated: Sequence[str], standing: Sequence[str]) -> "Health":
        """Begins not ready.

        Args:
            gated: Services that serve only while the daemon is ready.
            standing: Services that serve regardless.
        """
        health = cls(HealthServicer(), gated)
        for service in (*standing, _HEALTH):
            await health._servicer.set(service, _SERVING)
        await health.set_ready(ready=False)
        return health

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the service, as generated ``add_*_to_server`` functions do."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_ready(self, *, ready: bool) -> None:
        """Says whether questions are answered from a policy; no effect in a drain."""
        self.ready = ready and not self._draining
        for service in self._gated:
            await self._servicer.set(service, _SERVING if ready else _NOT_SERVING)

    async def draining(self) -> None:
        """Says NOT_SERVING for everything, for good."""
        self.ready, self._draining = False, True
        await self._servicer.enter_graceful_shutdown()


def reflection_of(services: Sequence[str]) -> Register:
    """Reflection that names ``services``, for grpcurl and its like."""
    servicer = ReflectionServicer((*services, _REFLECTION))
    return functools.partial(reflection_pb2_grpc.add_ServerReflectionServicer_to_server, servicer)
