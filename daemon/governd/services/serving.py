"""Makes of the services what listeners serve, for the composition root."""

from collections.abc import Sequence

from governd.endpoints.chain import Chain
from governd.endpoints.csi.limits import KUBELET_MESSAGE_BYTES
from governd.endpoints.health import Health, reflection_of
from governd.endpoints.methods import Methods, Register
from governd.observability import logs
from governd.services import composition
from governd.services.composition import Parts
from governd.services.openings import Served

HEALTH = "grpc.health.v1.Health"


def serve(parts: Parts, health: Health) -> Served:
    """What listeners serve.

    Args:
        parts: What the services need.
        health: Served beside them, to workloads and to the operator.
    """
    services, log = composition.services(parts), logs.get("governd")

    def chain(message_bytes: int) -> Chain:
        return Chain(message_bytes=message_bytes, metrics=parts.metrics, log=log)

    def methods(register: Sequence[Register], names: Sequence[str]) -> Methods:
        found = [*register, health.register, reflection_of([*names, HEALTH])]
        return Methods(found, chain(parts.config.limits.message_bytes))

    return Served(
        methods(services.workload, composition.WORKLOAD),
        methods([services.admin], [composition.ADMIN]),
        lambda register: Methods(register, chain(KUBELET_MESSAGE_BYTES)),
    )
