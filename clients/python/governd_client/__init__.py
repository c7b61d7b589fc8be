"""Ask governd, the node-local governance daemon, whether an agent may do something.

``Client`` and ``AsyncClient`` ask; a ``Decision`` is the answer. No answer is never an
allow: it raises a ``GoverndError``. ``governd_client.mcp`` and
``governd_client.grpc_server`` ask about calls that a server received and refuse them
themselves. Everything not named in ``__all__`` of a module is private to this package.
"""

from governd_client.acting import ActingAs, AsyncActingAs, current_delegation, current_evidence
from governd_client.agent import Agent, KyaLevel
from governd_client.aio import AsyncClient
from governd_client.client import Client
from governd_client.decision import Decision, DecisionCode, Obligation, Policy, Shadow
from governd_client.definitions import (
    Definition,
    Kind,
    Quarantined,
    QuarantineReason,
    RegistrationResult,
)
from governd_client.delegation import ActingAsToken, Binding, BoundRequest, Delegation
from governd_client.errors import (
    AgentUnknownError,
    ArgumentsInvalidError,
    CallerUnknownError,
    CardInvalidError,
    DeadlineExceededError,
    DefinitionInvalidError,
    DeniedError,
    EvidenceInvalidError,
    GoverndError,
    InternalError,
    InvalidRequestError,
    LimitExceededError,
    MalformedAnswerError,
    MintRefusedError,
    NoDelegationError,
    NotReadyError,
    RegistrationTooLargeError,
    ServerNotAllowedError,
    ServerUnknownError,
    SubjectNotAllowedError,
    TargetError,
    TokenRefusedError,
    TokenRejectedError,
    UnavailableError,
    UpstreamUnknownError,
)
from governd_client.evidence import Evidence, EvidenceKind
from governd_client.filtering import Filtered, ListPhase
from governd_client.identity import Identity
from governd_client.outcomes import Outcome
from governd_client.question import Question, Resource, Semantic
from governd_client.readiness import Phase, Readiness
from governd_client.receiving import Acceptance, Arrived
from governd_client.session import Stats
from governd_client.tokens import AccessToken, ExchangedToken

__all__ = [
    "Acceptance",
    "AccessToken",
    "ActingAs",
    "ActingAsToken",
    "Agent",
    "AgentUnknownError",
    "ArgumentsInvalidError",
    "Arrived",
    "AsyncActingAs",
    "AsyncClient",
    "Binding",
    "BoundRequest",
    "CallerUnknownError",
    "CardInvalidError",
    "Client",
    "DeadlineExceededError",
    "Decision",
    "DecisionCode",
    "Definition",
    "DefinitionInvalidError",
    "Delegation",
    "DeniedError",
    "Evidence",
    "EvidenceInvalidError",
    "EvidenceKind",
    "ExchangedToken",
    "Filtered",
    "GoverndError",
    "Identity",
    "InternalError",
    "InvalidRequestError",
    "Kind",
    "KyaLevel",
    "LimitExceededError",
    "ListPhase",
    "MalformedAnswerError",
    "MintRefusedError",
    "NoDelegationError",
    "NotReadyError",
    "Obligation",
    "Outcome",
    "Phase",
    "Policy",
    "QuarantineReason",
    "Quarantined",
    "Question",
    "Readiness",
    "RegistrationResult",
    "RegistrationTooLargeError",
    "Resource",
    "Semantic",
    "ServerNotAllowedError",
    "ServerUnknownError",
    "Shadow",
    "Stats",
    "SubjectNotAllowedError",
    "TargetError",
    "TokenRefusedError",
    "TokenRejectedError",
    "UnavailableError",
    "UpstreamUnknownError",
    "current_delegation",
    "current_evidence",
]
