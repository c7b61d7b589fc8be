"""What can go wrong when governd is asked, as one small tree.

None of these is ever an allow: whoever asks and gets an exception has no permission. A
deny is an answer and no error, unless the caller asked with ``require``, which raises
``DeniedError``.

``governd_client.statuses`` tells which of them a failed call is.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import grpc

if TYPE_CHECKING:
    from governd_client.decision import Decision

CLOSED: Final = "the client is closed"


class GoverndError(Exception):
    """Base of the tree: governd gave no usable answer.

    Attributes:
        code: The gRPC status, ``None`` where the call was never made.
        reason: governd's reason, ``""`` where it gave none.
        field: Path of the offending request field, ``""`` for none.
        retry_after: Seconds after which a retry may help, ``None`` if not told.
        metadata: Further facts that governd gave.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        field: str = "",
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Keeps the message and what is known beside it."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.field = field
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})


class TargetError(GoverndError):
    """The address of governd's socket is not one."""


class UnavailableError(GoverndError):
    """governd is away, draining, without an identity for us, or did not answer in time."""


class DeadlineExceededError(UnavailableError):
    """The deadline passed without an answer."""


class NotReadyError(DeadlineExceededError):
    """This workload got no identity in time.

    Attributes:
        waits_for: What it waited for last. For people: the words may change.
    """

    def __init__(
        self, message: str, *, waits_for: str, code: grpc.StatusCode | None = None
    ) -> None:
        """Keeps the message and what was waited for."""
        super().__init__(message, code=code)
        self.waits_for = waits_for


class InvalidRequestError(GoverndError):
    """A field of the question is missing, too long or malformed."""


class ArgumentsInvalidError(InvalidRequestError):
    """The arguments of the call break one of the rules for arguments."""


class DefinitionInvalidError(InvalidRequestError):
    """A definition breaks one of its rules; nothing of the registration was taken."""


class CardInvalidError(InvalidRequestError):
    """An agent card breaks one of its rules; nothing was registered."""


class EvidenceInvalidError(GoverndError):
    """What was to show in whose name this workload acts does not hold."""


class MintRefusedError(GoverndError):
    """No token: policy denies it, or an acting-as token would say more than was delegated.

    ``metadata["rule"]`` names the rule, for example ``SCOPE_WIDENED``.
    """


class AgentUnknownError(GoverndError):
    """No agent of that SPIFFE ID is registered on this node."""


class NoDelegationError(GoverndError):
    """Nobody is known in whose name to act: no acting-as token came, and no evidence."""


class TokenRejectedError(GoverndError):
    """An acting-as token that came with a request does not count.

    For the operator: whoever sent it is told no more than that it was not taken.

    Attributes:
        rejection: The rule that it breaks, for example ``AUDIENCE``; the names are those of
            ``RejectionReason`` in ``delegation_service.proto``, ``UNRECOGNISED`` for one
            that this client does not know.
    """

    def __init__(self, rejection: str, detail: str) -> None:
        """Keeps the rule; the message never has a part of the token."""
        super().__init__(f"the acting-as token was rejected: {detail or rejection}")
        self.rejection = rejection


class SubjectNotAllowedError(GoverndError):
    """This workload may not ask about that subject."""


class LimitExceededError(GoverndError):
    """A limit of this workload is used up; see ``retry_after``."""


class RegistrationTooLargeError(LimitExceededError):
    """A registration has more definitions or bytes than governd takes. Retrying is no help."""


class ServerUnknownError(GoverndError):
    """The policy declares no such MCP server; it may with its next change."""


class ServerNotAllowedError(GoverndError):
    """This workload is not the MCP server that it names."""


class UpstreamUnknownError(GoverndError):
    """The policy names no such upstream; it may with its next change."""


class TokenRefusedError(GoverndError):
    """There is no token: its authorization server refuses, or gave what is no such token.

    ``metadata["rule"]`` says which, for example ``scope_widened`` or ``refused``; then
    ``metadata["error"]`` is the server's own code.
    """


class InternalError(GoverndError):
    """A fault in governd."""


class MalformedAnswerError(GoverndError):
    """The answer is not one that governd may give."""


class CallerUnknownError(GoverndError):
    """The peer of a received call has no usable SPIFFE ID."""


class DeniedError(GoverndError):
    """The answer is a deny.

    Attributes:
        decision: The whole answer.
    """

    def __init__(self, decision: "Decision") -> None:
        """Keeps the decision; the message names its id and no policy."""
        super().__init__(f"denied (decision {decision.decision_id or 'none'})")
        self.decision = decision
