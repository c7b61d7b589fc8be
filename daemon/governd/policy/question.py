"""A question: may this subject do this to that?

Parsed once, at the door it came through; every door leads to the same evaluator.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.arguments import NO_ARGUMENTS, Arguments
from governd.policy.canonical import check_service, check_uri
from governd.policy.delegated import PLAIN, Circumstances, check_actor

MAX_NAME_BYTES = 256
MAX_ID_BYTES = 2048
_OVERHEAD_CHARS = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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


class Names(NamedTuple):
    """A question's names, as they are on the wire.

    Attributes:
        subject: SPIFFE ID of who it is about.
        action: What is asked for.
        resource_type: Type of what it is done to.
        resource_id: Its id.
    """

    subject: str
    action: str
    resource_type: str
    resource_id: str

    @property
    def chars(self) -> int:
        """What keeping them costs, in characters."""
        return _OVERHEAD_CHARS + sum(map(len, self))


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
        circumstances: What was verified of the subject, and for whom it acts.
        names: Subject, action and resource, as they are on the wire.
    """

    subject: SpiffeId
    action: str
    resource: ResourceRef
    arguments: Arguments = NO_ARGUMENTS
    asserted_by: SpiffeId | None = None
    circumstances: Circumstances = PLAIN
    names: Names = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Puts the names together once; they are looked up again and again.

        Raises:
            RequestError: The subject is not the first of the actors.
        """
        names = Names(str(self.subject), self.action, self.resource.type, self.resource.id)
        object.__setattr__(self, "names", names)
        check_actor(self.circumstances, self.subject)


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
    if _CONTROL.search(text):
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
