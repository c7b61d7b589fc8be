"""A question: may this subject do this to that?

Parsed once, at the door it came through; every door leads to the same evaluator.
"""

from dataclasses import dataclass

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.arguments import NO_ARGUMENTS, Arguments
from governd.policy.canonical import check_service, check_uri

MAX_NAME_BYTES = 256
MAX_ID_BYTES = 2048


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """What an action is done to, as it is named on the wire.

    Attributes:
        type: ``tool``, ``mcp_server``, ``resource``, ``prompt``, ``agent``,
            ``external_service``, or an entity type of the schema's extension.
        id: Its id; ``<server>/<name>`` for what belongs to an MCP server.
    """

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        subject: Who it is about.
        action: The protocol's own word, e.g. ``tools/call``.
        resource: What it is done to.
        arguments: The arguments of the call.
        asserted_by: The caller that named the subject; ``None`` where the caller asks
            about itself.
    """

    subject: SpiffeId
    action: str
    resource: ResourceRef
    arguments: Arguments = NO_ARGUMENTS
    asserted_by: SpiffeId | None = None


def parse_name(text: str, *, field: str, limit: int = MAX_NAME_BYTES) -> str:
    """A name that a request must have: not empty, bounded, printable.

    Raises:
        RequestError: It is missing, too long, or has control characters.
    """
    if not text:
        message = f"{field}: required"
        raise RequestError(message, field=field)
    if len(text.encode("utf-8", "surrogatepass")) > limit:
        message = f"{field}: has more than {limit} bytes"
        raise RequestError(message, field=field)
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):  # noqa: PLR2004
        message = f"{field}: must not have control characters"
        raise RequestError(message, field=field)
    return text


def parse_resource(kind: str, name: str) -> ResourceRef:
    """The resource of a request.

    Raises:
        RequestError: A part of it is missing or malformed.
    """
    resource = ResourceRef(
        parse_name(kind, field="resource.type"),
        parse_name(name, field="resource.id", limit=MAX_ID_BYTES),
    )
    if resource.type == "agent":
        SpiffeId.parse(resource.id, field="resource.id")
    elif resource.type == "external_service":
        check_service(resource.id, field="resource.id")
    elif resource.type == "resource":
        check_uri(resource.id.partition("/")[2], field="resource.id")
    return resource
