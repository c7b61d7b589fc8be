"""What MCP servers list, as governd is told of it, and what becomes of a registration.

Pure. A definition is one entry of a list; governd pins each by its digest when it is first
registered and quarantines one that changes (``governd/v1/tool_service.proto``).
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from governd_client._proto.governd.v1 import tool_service_pb2
from governd_client.decision import Policy, policy_of
from governd_client.errors import InvalidRequestError, MalformedAnswerError

MAX_MESSAGE_BYTES: Final = 128 * 1024
"""A message of a registration is no larger, unless one definition alone is."""
_PREFIX: Final = "QUARANTINE_REASON_"


class Kind(enum.Enum):
    """What a definition defines."""

    TOOL = tool_service_pb2.DEFINITION_KIND_TOOL
    RESOURCE = tool_service_pb2.DEFINITION_KIND_RESOURCE
    RESOURCE_TEMPLATE = tool_service_pb2.DEFINITION_KIND_RESOURCE_TEMPLATE
    PROMPT = tool_service_pb2.DEFINITION_KIND_PROMPT


class QuarantineReason(enum.Enum):
    """Why a definition is quarantined; ``tool_service.proto`` says more of each."""

    CHANGED = "CHANGED"
    DIFFERS_FROM_SOURCE = "DIFFERS_FROM_SOURCE"
    DUPLICATE = "DUPLICATE"
    NAME_TAKEN = "NAME_TAKEN"
    LOOKALIKE = "LOOKALIKE"
    ODD_NAME = "ODD_NAME"
    UNSAFE_SCHEMA = "UNSAFE_SCHEMA"
    NOT_APPROVED = "NOT_APPROVED"

    UNRECOGNISED = "UNRECOGNISED"
    """This client's: a reason that it does not know."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One thing that an MCP server offers.

    Attributes:
        kind: What it defines.
        definition_json: The entry as the server lists it, one JSON object.
        requires: Tools only. Capabilities that a caller needs, beside those that the policy
            requires.
    """

    kind: Kind
    definition_json: bytes
    requires: tuple[str, ...] = ()

    def to_proto(self) -> tool_service_pb2.Definition:
        """Writes the definition.

        Raises:
            InvalidRequestError: A capability is no text in UTF-8.
        """
        try:
            return tool_service_pb2.Definition(
                kind=self.kind.value, definition_json=self.definition_json, requires=self.requires
            )
        except (TypeError, ValueError) as error:
            message = "definitions: expected JSON in bytes, and capabilities in UTF-8"
            raise InvalidRequestError(message, field="definitions") from error


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A definition that is hidden and denied for now.

    Attributes:
        kind: What it defines.
        name: Its name: of a resource its URI, of a template its URI template.
        digest: ``sha-256:<hex>`` of its canonical form.
        reasons: Why, the gravest first.
        detail: The same in words.
    """

    kind: Kind
    name: str
    digest: str
    reasons: tuple[QuarantineReason, ...]
    detail: str

    @classmethod
    def from_proto(cls, each: tool_service_pb2.QuarantinedDefinition) -> Self:
        """Reads one.

        Raises:
            MalformedAnswerError: It is of no kind.
        """
        try:
            kind = Kind(each.kind)
        except ValueError as error:
            message = "the answer has a definition of no known kind"
            raise MalformedAnswerError(message) from error
        return cls(kind, each.name, each.digest, tuple(map(_reason, each.reasons)), each.detail)


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """What became of a registration.

    Attributes:
        server: The name under which the policy declares the server.
        active: How many definitions are in force.
        quarantined: The others, the first 256 of them.
        quarantined_count: How many they are in all.
        changed: Whether anything differs from the registration before.
        policy: The policy that decides now.
    """

    server: str
    active: int
    quarantined: tuple[Quarantined, ...]
    quarantined_count: int
    changed: bool
    policy: Policy

    @classmethod
    def from_proto(cls, answer: tool_service_pb2.RegisterToolsResponse) -> Self:
        """Reads the answer of ``RegisterTools``.

        Raises:
            MalformedAnswerError: It is none.
        """
        if not answer.server:
            message = "the answer names no server"
            raise MalformedAnswerError(message)
        return cls(
            server=answer.server,
            active=answer.active,
            quarantined=tuple(map(Quarantined.from_proto, answer.quarantined)),
            quarantined_count=max(answer.quarantined_count, len(answer.quarantined)),
            changed=answer.changed,
            policy=policy_of(answer.policy),
        )


def registration_messages(
    definitions: Sequence[Definition], server: str
) -> Iterator[tool_service_pb2.RegisterToolsRequest]:
    """Writes a registration, in messages of at most about 128 KiB; there is always one.

    Raises:
        InvalidRequestError: The name or a definition cannot be written.
    """
    try:
        message = tool_service_pb2.RegisterToolsRequest(server=server)
    except (TypeError, ValueError) as error:
        text = "server: expected text in UTF-8"
        raise InvalidRequestError(text, field="server") from error
    size = 0
    for each in definitions:
        written = each.to_proto()
        size += written.ByteSize()
        if message.definitions and size > MAX_MESSAGE_BYTES:
            yield message
            message, size = tool_service_pb2.RegisterToolsRequest(), written.ByteSize()
        message.definitions.append(written)
    yield message


def _reason(number: int) -> QuarantineReason:
    known = tool_service_pb2.QuarantineReason.DESCRIPTOR.values_by_number.get(number)
    try:
        return QuarantineReason(known.name.removeprefix(_PREFIX) if known else "")
    except ValueError:
        return QuarantineReason.UNRECOGNISED
