"""Ask governd, the node-local governance daemon, whether an agent may do something.

``Client`` and ``AsyncClient`` ask; a ``Decision`` is the answer. No answer is never an
allow: it raises a ``GoverndError``. ``governd_client.mcp`` and
``governd_client.grpc_server`` ask about calls that a server received and refuse them
themselves. Everything not named in ``__all__`` of a module is private to this package.
"""

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
from governd_client.errors import (
    ArgumentsInvalidError,
    CallerUnknownError,
    DeadlineExceededError,
    DefinitionInvalidError,
    DeniedError,
    GoverndError,
    InternalError,
    InvalidRequestError,
    LimitExceededError,
    MalformedAnswerError,
    NotReadyError,
    RegistrationTooLargeError,
    ServerNotAllowedError,
    ServerUnknownError,
    SubjectNotAllowedError,
    TargetError,
    UnavailableError,
)
from governd_client.filtering import Filtered, ListPhase
from governd_client.identity import Identity
from governd_client.outcomes import Outcome
from governd_client.question import Question, Resource, Semantic
from governd_client.readiness import Phase, Readiness
from governd_client.session import Stats

__all__ = [
    "ArgumentsInvalidError",
    "AsyncClient",
    "CallerUnknownError",
    "Client",
    "DeadlineExceededError",
    "Decision",
    "DecisionCode",
    "Definition",
    "DefinitionInvalidError",
    "DeniedError",
    "Filtered",
    "GoverndError",
    "Identity",
    "InternalError",
    "InvalidRequestError",
    "Kind",
    "LimitExceededError",
    "ListPhase",
    "MalformedAnswerError",
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
    "UnavailableError",
]
