"""What tables of upstreams are made of."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from governd.errors import RequestError
from governd.policy.authorization_servers import ClientId
from governd.policy.canonical import service_of
from governd.policy.table import Table, WorkloadText, refuse_twice
from governd.policy.trusted import is_address

MAX_LIFETIME_SECONDS = 86_400
MAX_AGENT_CLIENTS = 1024
_WEB = re.compile(r"https?:", re.IGNORECASE)
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:[^#]+")
_SPIFFE = "spiffe:"


def _is_resource(text: str) -> str:
    """RFC 8707, section 2: an absolute URI; one of the web is where a secret may be shown."""
    if _WEB.match(text):
        return is_address(text)
    if not _ABSOLUTE.fullmatch(text):
        message = "expected an absolute URI without fragment"
        raise ValueError(message)
    try:
        service_of(text, field="value")
    except RequestError as error:
        raise ValueError(str(error)) from error
    return text


def _is_other_name(text: str) -> str:
    """An agent is known by its SPIFFE ID anyway, and by nobody else's."""
    if text.lower().startswith(_SPIFFE):
        message = "is a SPIFFE ID: by its own, an agent is known without it"
        raise ValueError(message)
    return text


Resource = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_is_resource)]
Scope = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$", max_length=256)]
Seconds = Annotated[int, Field(ge=0, le=MAX_LIFETIME_SECONDS, strict=True)]


class AgentClient(Table):
    """What an authorization server calls an agent that is a client of its own there.

    Attributes:
        agent: Its SPIFFE ID; just that one.
        client_id: ``client_id`` or ``azp`` of tokens that it gets, and that nobody else does.
    """

    agent: WorkloadText
    client_id: Annotated[ClientId, AfterValidator(_is_other_name)]


def _are_distinct(clients: tuple[AgentClient, ...]) -> tuple[AgentClient, ...]:
    """One name for two agents would not say which of them acts."""
    refuse_twice("agent", (one.agent for one in clients))
    refuse_twice("client_id", (one.client_id for one in clients))
    return clients


AgentClients = Annotated[
    tuple[AgentClient, ...], Field(max_length=MAX_AGENT_CLIENTS), AfterValidator(_are_distinct)
]
