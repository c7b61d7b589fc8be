"""Puts the services together, for the composition root."""

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass

from governd._proto.governd.v1 import (
    admin_service_pb2_grpc,
    identity_service_pb2_grpc,
    policy_service_pb2_grpc,
)
from governd.adapters.decision_report import DecisionReport
from governd.application.evaluate import Evaluator
from governd.application.operate import Operator
from governd.application.report import Reporter
from governd.application.sync_policy import PolicyKeeper
from governd.application.watch_epoch import EpochFeed
from governd.audit.ports import DecisionLog
from governd.config import Config
from governd.endpoints import status
from governd.endpoints.methods import Register
from governd.observability import logs
from governd.observability.metrics import Metrics
from governd.policy.arguments import ArgumentLimits, parse_arguments
from governd.services.admin_service import AdminServicer
from governd.services.answers import Answers
from governd.services.convert import Parse
from governd.services.identity_service import IdentityServicer
from governd.services.policy_service import PolicyServicer, UseCases
from governd.services.questions import Questions


@dataclass(frozen=True, slots=True)
class Parts:
    """What the services need.

    Attributes:
        config: Limits and leases.
        keeper: Holds the policy in force.
        epochs: Tells of its changes.
        records: Where decisions and reports are put on record.
        metrics: Count them.
        operator: The use case behind the admin socket.
    """

    config: Config
    keeper: PolicyKeeper
    epochs: EpochFeed
    records: DecisionLog
    metrics: Metrics
    operator: Operator


def workload_services(parts: Parts) -> Iterator[Register]:
    """The services on every workload listener."""
    policy = PolicyServicer(
        UseCases(_evaluator(parts), parts.epochs, _reporter(parts)),
        Questions(_argument_parser(parts.config)),
        Answers(status.to_status),
        batch_size=parts.config.limits.batch_size,
    )
    identity = IdentityServicer(parts.operator.tenant_of)
    yield functools.partial(policy_service_pb2_grpc.add_PolicyServiceServicer_to_server, policy)
    yield functools.partial(
        identity_service_pb2_grpc.add_IdentityServiceServicer_to_server, identity
    )


def admin_service(parts: Parts) -> Register:
    """The operator's service."""
    admin = AdminServicer(parts.operator, _argument_parser(parts.config))
    return functools.partial(admin_service_pb2_grpc.add_AdminServiceServicer_to_server, admin)


def _evaluator(parts: Parts) -> Evaluator:
    config = parts.config
    return Evaluator(
        parts.keeper,
        parts.records,
        DecisionReport(parts.metrics, logs.get("decision"), logged=config.log.decisions),
        clock=time.monotonic,
        wall_clock=time.time,
        max_lease_seconds=config.leases.max_seconds,
        unsafe_answer_without_log=config.decision_log.unsafe_answer_without_log,
    )


def _reporter(parts: Parts) -> Reporter:
    return Reporter(parts.records, parts.metrics, wall_clock=time.time)


def _argument_parser(config: Config) -> Parse:
    bounds = ArgumentLimits(config.limits.arguments_bytes, config.limits.arguments_depth)
    return functools.partial(parse_arguments, limits=bounds)
