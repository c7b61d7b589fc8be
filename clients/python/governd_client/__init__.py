"""Ask governd, the node-local governance daemon, whether an agent may do something.

``Client`` and ``AsyncClient`` ask; a ``Decision`` is the answer. No answer is never an
allow: it raises a ``GoverndError``. ``governd_client.mcp`` and
``governd_client.grpc_server`` ask about calls that a server received and refuse them
themselves. Everything not named in ``__all__`` of a module is private to this package.
"""

from governd_client.aio import AsyncClient
from governd_client.client import Client
from governd_client.decision import Decision, DecisionCode, Obligation, Policy, Shadow
from governd_client.errors import (
    ArgumentsInvalidError,
    CallerUnknownError,
    DeadlineExceededError,
    DeniedError,
    GoverndError,
    InternalError,
    InvalidRequestError,
    LimitExceededError,
    MalformedAnswerError,
    SubjectNotAllowedError,
    TargetError,
    UnavailableError,
)
from governd_client.identity import Identity
from governd_client.outcomes import Outcome
from governd_client.question import Question, Resource, Semantic
from governd_client.session import Stats

__all__ = [
    "ArgumentsInvalidError",
    "AsyncClient",
    "CallerUnknownError",
    "Client",
    "DeadlineExceededError",
    "Decision",
    "DecisionCode",
    "DeniedError",
    "GoverndError",
    "Identity",
    "InternalError",
    "InvalidRequestError",
    "LimitExceededError",
    "MalformedAnswerError",
    "Obligation",
    "Outcome",
    "Policy",
    "Question",
    "Resource",
    "Semantic",
    "Shadow",
    "Stats",
    "SubjectNotAllowedError",
    "TargetError",
    "UnavailableError",
]
