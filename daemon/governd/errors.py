"""Every error that governd raises on purpose.

One tree. Each class carries the ``reason`` that goes onto the wire as ``google.rpc.ErrorInfo``
(``protos/governd/v1/error_reason.proto``). Messages are lower case, without a full stop, and
say which field and what was expected. None has a secret or a policy's text.

A denial is not an error: it is a decision.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from governd.problem import Problem as Problem  # noqa: PLC0414  errors are told with it


class GoverndError(Exception):
    """Base of the tree.

    Attributes:
        field: Path of the offending request field or setting, ``""`` for none.
        retry_after: Seconds after which a retry may help, ``None`` if it cannot.
        metadata: Further facts for the caller, bounded and never secret.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Keeps the message and what is known beside it."""
        super().__init__(message)
        self.field = field
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})


class RequestError(GoverndError):
    """A field of a request is missing, too long or malformed."""

    reason = "REQUEST_INVALID"


class ArgumentsError(RequestError):
    """``context.arguments_json`` breaks one of its rules."""

    reason = "ARGUMENTS_INVALID"


class SubjectError(GoverndError):
    """The caller may not name that subject."""

    reason = "SUBJECT_NOT_ALLOWED"


class ServerUnknownError(GoverndError):
    """The policy declares no such MCP server, or none with the caller's SPIFFE ID."""

    reason = "SERVER_UNKNOWN"


class ServerNotAllowedError(GoverndError):
    """The caller is not the MCP server that it names."""

    reason = "SERVER_NOT_ALLOWED"


class DefinitionError(RequestError):
    """A definition breaks one of its rules."""

    reason = "DEFINITION_INVALID"


class DefinitionUnknownError(GoverndError):
    """Nothing of that name is registered."""

    reason = "DEFINITION_UNKNOWN"


class ApprovalError(GoverndError):
    """What is to be approved is not what is registered, or cannot be approved."""

    reason = "APPROVAL_REFUSED"


class CardError(RequestError):
    """An agent card breaks one of its rules."""

    reason = "CARD_INVALID"


class AgentUnknownError(GoverndError):
    """No agent of that SPIFFE ID is registered."""

    reason = "AGENT_UNKNOWN"


class LimitError(GoverndError):
    """A limit of the caller is used up. Subclasses say which."""


class MessageTooLargeError(LimitError):
    """The message is larger than the configured limit."""

    reason = "MESSAGE_TOO_LARGE"


class RegistrationTooLargeError(LimitError):
    """A registration has more definitions or bytes than the configuration allows."""

    reason = "REGISTRATION_TOO_LARGE"


class RateLimitedError(LimitError):
    """The caller has used up its rate."""

    reason = "RATE_LIMITED"


class ConcurrencyLimitedError(LimitError):
    """The caller has too many calls in flight."""

    reason = "CONCURRENCY_LIMITED"


class StreamsLimitedError(LimitError):
    """The caller has too many streams open."""

    reason = "STREAMS_LIMITED"


class DrainingError(GoverndError):
    """governd is shutting down."""

    reason = "DRAINING"


class ProblemsError(GoverndError):
    """Several mistakes, all found in one pass."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Takes at least one problem."""
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(
            "\n".join(str(problem) for problem in self.problems),
            metadata={"file": first.file, "line": str(first.line)},
        )


class PolicyError(ProblemsError):
    """A policy source was refused as a whole."""

    reason = "POLICY_INVALID"


class ConfigError(ProblemsError):
    """The configuration was refused as a whole."""

    reason = "CONFIG_INVALID"


class ListenerError(GoverndError):
    """A socket could not be put at its path safely."""

    reason = "LISTENER_REFUSED"


class PeerError(GoverndError):
    """What the channel says of a caller proves no identity that counts here, or no longer."""

    reason = "CALLER_UNVERIFIED"


class IdentityError(GoverndError):
    """An identity cannot be had now. Subclasses say why; a retry may help with each."""

    reason = "IDENTITY_UNAVAILABLE"


class SourceAwayError(IdentityError):
    """What issues identities does not answer. What was issued stays good until its end."""


class IdentityFaultError(SourceAwayError):
    """governd tripped over what issues identities. What was issued stays good, too."""


class NotDelegateError(IdentityError):
    """What issues identities does not let governd have those of workloads."""


class InvalidIdentityError(IdentityError):
    """What was issued does not hold what it promises; nothing of it is believed."""


class NoIdentityError(IdentityError):
    """Nothing is issued to that workload."""

    reason = "IDENTITY_NOT_ISSUED"


class NotRegisteredError(NoIdentityError):
    """What issues identities answered, and nothing that is registered matches the workload."""


class MintError(GoverndError):
    """Nothing was minted: policy does not permit it, or it would widen what was delegated."""

    reason = "MINT_REFUSED"


class UpstreamUnknownError(GoverndError):
    """The policy source names no such upstream."""

    reason = "UPSTREAM_UNKNOWN"


class TokenRefusedError(GoverndError):
    """An authorization server gives no token, or none that may be handed on."""

    reason = "TOKEN_REFUSED"


class IssuerUnavailableError(GoverndError):
    """An authorization server cannot be asked now."""

    reason = "ISSUER_UNAVAILABLE"


class RegistrationsError(GoverndError):
    """What was registered earlier cannot be read back or kept."""

    reason = "REGISTRATIONS_UNAVAILABLE"


class DecisionLogError(GoverndError):
    """The decision log could not be written."""

    reason = "LOG_UNAVAILABLE"


class VolumeError(GoverndError):
    """A volume for a pod's socket cannot be made, kept or removed."""

    reason = "VOLUME_REFUSED"
