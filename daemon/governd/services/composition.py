"""Puts the services together, for the composition root."""

import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from governd._proto.governd.v1 import (
    admin_service_pb2_grpc,
    identity_service_pb2_grpc,
    policy_service_pb2_grpc,
    tool_service_pb2_grpc,
)
from governd.adapters.decision_report import DecisionReport
from governd.adapters.identity_parts import IdentityParts
from governd.adapters.tool_report import ToolReport
from governd.application.evaluate import Evaluator
from governd.application.filter_tools import ToolFilter
from governd.application.issue_jwt_svid import JwtSvidIssuer
from governd.application.keep_tools import ToolKeeper
from governd.application.list_tools import ToolList
from governd.application.operate import Operator
from governd.application.registrations import Registrations
from governd.application.report import Reporter
from governd.application.sync_policy import PolicyKeeper
from governd.application.watch_epoch import EpochFeed
from governd.application.workload_view import WorkloadViews
from governd.audit.ports import DecisionLog
from governd.config import Config
from governd.endpoints import status
from governd.endpoints.methods import Register
from governd.observability import logs
from governd.observability.metrics import Metrics
from governd.policy.arguments import ArgumentLimits, parse_arguments
from governd.policy.definitions import DefinitionLimits
from governd.services import workload_stubs
from governd.services.admin_identities import AdminIdentities
from governd.services.admin_service import AdminServicer, AdminUseCases
from governd.services.admin_tools import AdminTools
from governd.services.agent_parts import AgentParts
from governd.services.answers import Answers
from governd.services.convert import Parse
from governd.services.delegation_parts import DelegationParts
from governd.services.evidence_parts import EvidenceParts
from governd.services.identity_service import IdentityServicer
from governd.services.policy_service import PolicyServicer, UseCases
from governd.services.questions import Questions
from governd.services.registrations import RegistrationLimits
from governd.services.token_parts import TokenParts
from governd.services.tool_service import ToolServicer, ToolUseCases
from governd.services.workload_api import WorkloadApiServicer

POLICY = "governd.v1.PolicyService"
IDENTITY = "governd.v1.IdentityService"
ADMIN = "governd.v1.AdminService"
GATED = (
    POLICY,
    "governd.v1.ToolService",
    "governd.v1.DelegationService",
    "governd.v1.TokenService",
)
"""Services that are not ready before there is a policy."""
STANDING = (IDENTITY, "governd.v1.AgentService", ADMIN)
"""Those that are."""
WORKLOAD = (*GATED, *STANDING[:-1], workload_stubs.SERVICE)
"""What workload listeners serve."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the services need.

    Attributes:
        config: Limits and leases.
        keeper: Holds the policy in force.
        registrations: What MCP servers registered beside it.
        epochs: Tells of its changes.
        records: Where decisions and reports are put on record.
        metrics: Count them.
        tool_report: Tells of registrations.
        operator: The use case behind the admin socket.
        identities: What issues and holds identities.
        agents: What is about agents.
        evidence: What verifies evidence, and what revokes.
        delegations: What is about acting-as tokens.
        tokens: What is about tokens for upstreams.
    """

    config: Config
    keeper: PolicyKeeper
    registrations: Registrations
    epochs: EpochFeed
    records: DecisionLog
    metrics: Metrics
    tool_report: ToolReport
    operator: Operator
    identities: IdentityParts
    agents: AgentParts
    evidence: EvidenceParts
    delegations: DelegationParts
    tokens: TokenParts


@dataclass(frozen=True, slots=True)
class Services:
    """What listeners serve.

    Attributes:
        workload: On every workload listener.
        admin: On the operator's.
    """

    workload: Sequence[Register]
    admin: Register


def services(parts: Parts) -> Services:
    """The services."""
    keeper = _tool_keeper(parts)
    return Services([*_workload(parts, keeper)], _admin(parts, keeper))


def _workload(parts: Parts, tool_keeper: ToolKeeper) -> Iterator[Register]:
    evaluator = _evaluator(parts)
    policy = PolicyServicer(
        UseCases(evaluator, parts.epochs, _reporter(parts), parts.delegations.reader),
        Questions(_argument_parser(parts.config)),
        Answers(status.to_status),
        batch_size=parts.config.limits.batch_size,
    )
    identity = IdentityServicer(parts.operator.tenant_of)
    views = WorkloadViews(parts.identities.keeper)
    issuer = JwtSvidIssuer(evaluator, views)
    workload_api = WorkloadApiServicer(views, issuer, wall_clock=time.time)
    tools = ToolServicer(
        ToolUseCases(tool_keeper, _tool_filter(parts), parts.tool_report, parts.delegations.reader),
        _registration_limits(parts.config),
    )
    yield functools.partial(policy_service_pb2_grpc.add_PolicyServiceServicer_to_server, policy)
    yield functools.partial(
        identity_service_pb2_grpc.add_IdentityServiceServicer_to_server, identity
    )
    yield functools.partial(tool_service_pb2_grpc.add_ToolServiceServicer_to_server, tools)
    yield functools.partial(workload_stubs.add_to_server, workload_api)
    yield parts.agents.register(evaluator)
    yield parts.delegations.register(evaluator, parts.agents.attester)
    yield parts.tokens.register(evaluator)


def _admin(parts: Parts, tool_keeper: ToolKeeper) -> Register:
    tools = AdminTools(ToolList(parts.keeper, parts.registrations), tool_keeper)
    identities = AdminIdentities(parts.identities.list)
    use_cases = AdminUseCases(
        tools, identities, parts.agents.admin, parts.evidence.admin, parts.tokens.admin
    )
    admin = AdminServicer(parts.operator, use_cases, _argument_parser(parts.config))
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
        level_of=parts.agents.agents.level,
    )


def _reporter(parts: Parts) -> Reporter:
    return Reporter(parts.records, parts.metrics, wall_clock=time.time)


def _tool_keeper(parts: Parts) -> ToolKeeper:
    return ToolKeeper(
        parts.keeper,
        parts.registrations,
        parts.records,
        parts.tool_report,
        accept_first=parts.config.tools.first_registration == "accept",
        clock=time.monotonic,
        wall_clock=time.time,
    )


def _tool_filter(parts: Parts) -> ToolFilter:
    config = parts.config
    return ToolFilter(
        parts.keeper,
        parts.records,
        parts.tool_report,
        clock=time.monotonic,
        wall_clock=time.time,
        max_lease_seconds=config.leases.max_seconds,
        unsafe_answer_without_log=config.decision_log.unsafe_answer_without_log,
        level_of=parts.agents.agents.level,
    )


def _registration_limits(config: Config) -> RegistrationLimits:
    tools = config.tools
    each = DefinitionLimits(max_bytes=tools.definition_bytes)
    return RegistrationLimits(tools.definitions, tools.registration_bytes, each)


def _argument_parser(config: Config) -> Parse:
    bounds = ArgumentLimits(config.limits.arguments_bytes, config.limits.arguments_depth)
    return functools.partial(parse_arguments, limits=bounds)
