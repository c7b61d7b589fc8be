"""Upstreams: for what agents get tokens, and how.

Values only. Who may have a token is for policies to say (``token/exchange``); how one is asked
for and checked is for others. No signature of an access token is verified here or there: it
comes straight from its issuer, over TLS, and is for the resource server to verify. What it
claims is held against what is stated here.

RFC 8693 (exchange), RFC 7523 (assertions), RFC 8707 (``resource``), RFC 6749 (scopes, client
credentials), draft-ietf-oauth-identity-assertion-authz-grant (ID-JAG).
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, model_validator

from governd.policy.authorization_servers import AuthorizationServer, ClientId
from governd.policy.canonical import service_of
from governd.policy.delegated import EvidenceKind
from governd.policy.table import Label, Table, refuse_twice
from governd.policy.trusted import Address, Audience
from governd.policy.upstream_parts import AgentClients, Resource, Scope, Seconds

MAX_SCOPES = 64
_USERS_OWN = frozenset({EvidenceKind.ID_TOKEN, EvidenceKind.ACCESS_TOKEN})
_BY_EXCHANGE = ("token-exchange", "id-jag")
_SUBJECTS = {
    "token-exchange": ("user", "agent"),
    "id-jag": ("user",),
    "jwt-bearer": ("user",),
    "client-credentials": ("agent",),
}


class Upstream(Table):
    """An API or MCP server, and how a token for it is got.

    Attributes:
        name: By which agents ask for it.
        resource: Where its tokens are good (RFC 8707); or ``audience``, or both.
        audience: The same by the name that its authorization server has for it.
        send: Which of them are sent; ``None`` for all that are stated.
        token_audiences: What may be in ``aud`` of its tokens; empty for ``resource`` and
            ``audience`` (``token_audiences_or_default``).
        authorization_server: Who issues the access token.
        grant: How.
        identity_provider: Of ``id-jag``: who says, for the authorization server, who the
            user is.
        subject: Whose token it is: a user's, or the agent's own.
        users_from: Issuers of whose users alone it is; empty for all that prove who they are.
            One with ``jwt-bearer``, whose assertion has of a user but the ``sub``.
        renames_users: Of ``jwt-bearer``: whether the server calls users otherwise than
            governd does, so that ``sub`` of its tokens cannot be compared.
        client: Who proves itself to the authorization server; ``agent`` with its own SVID.
        agent_client: What the server calls agents, where that is not their SPIFFE ID.
        actor: How the token names who acts for the user; ``None`` where there is no user.
        assertion_issuer: Of ``jwt-bearer``: ``iss`` of what governd signs; ``None`` for its
            ``client_id``.
        scopes: The most there are to ask for, and what is asked for by who names none.
        token_format: ``opaque`` where the token says nothing that could be checked.
        max_lifetime_seconds: A token is handed out no longer than that.
        min_lifetime_seconds: A token that lasts less when it comes is refused.
    """

    name: Label
    resource: Resource | None = None
    audience: Audience | None = None
    send: tuple[Literal["resource", "audience"], ...] | None = None
    token_audiences: Annotated[tuple[Audience, ...], Field(max_length=16)] = ()
    authorization_server: Label
    grant: Literal["token-exchange", "id-jag", "jwt-bearer", "client-credentials"]
    identity_provider: Label | None = None
    subject: Literal["user", "agent"]
    users_from: Annotated[tuple[Address, ...], Field(max_length=16)] = ()
    renames_users: StrictBool = False
    client: Literal["governd", "agent"] = "governd"
    agent_client: AgentClients = ()
    actor: Literal["agent", "governd", "client", "unsafe_none"] | None
    assertion_issuer: ClientId | None = None
    scopes: Annotated[tuple[Scope, ...], Field(max_length=MAX_SCOPES)] = ()
    token_format: Literal["jwt", "opaque"] = "jwt"  # noqa: S105  a form, and no token
    max_lifetime_seconds: Annotated[Seconds, Field(ge=1)] = 3600
    min_lifetime_seconds: Seconds = 30

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, value: object) -> object:
        """States what follows of the rest; what is not said to be the agent's is the user's."""
        if not isinstance(value, dict):
            return value
        subject = "agent" if value.get("grant") == "client-credentials" else "user"
        whole = {"subject": subject, **value}
        return {"actor": None if whole["subject"] == "agent" else "agent", **whole}

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        for what in ("send", "token_audiences", "users_from", "scopes"):
            refuse_twice(what, getattr(self, what) or ())
        for wrong in (*_target(self), *_parties(self), *_users(self), *_token(self)):
            raise ValueError(wrong)
        return self

    @property
    def for_user(self) -> bool:
        """Whether it is reached for a user; else evidence of one is refused."""
        return self.subject == "user"

    def is_for_users_of(self, issuer: str) -> bool:
        """Whether it is for the users of an issuer, by the ``iss`` of their tokens."""
        return not self.users_from or issuer in self.users_from

    @property
    def is_opaque(self) -> bool:
        """Whether its tokens say nothing that could be checked."""
        return self.token_format == "opaque"  # noqa: S105  a form, and no token

    @property
    def evidence(self) -> frozenset[EvidenceKind]:
        """What may show who the user is; nothing where there is none.

        Only governd itself knows its acting-as tokens, and no identity provider takes
        another's access token (ID-JAG draft, section 4.3: an ID token or a SAML assertion).
        """
        if self.grant == "jwt-bearer":
            return _USERS_OWN | {EvidenceKind.ACTING_AS}
        if self.grant == "id-jag":
            return frozenset({EvidenceKind.ID_TOKEN})
        return _USERS_OWN if self.for_user else frozenset()

    @property
    def sent_resource(self) -> str | None:
        """What is sent as ``resource`` (RFC 8707)."""
        return self.resource if self.send is None or "resource" in self.send else None

    @property
    def sent_audience(self) -> str | None:
        """What is sent as ``audience`` (RFC 8693)."""
        return self.audience if self.send is None or "audience" in self.send else None

    def name_of(self, agent: str) -> str | None:
        """What the server calls an agent that is its client, beside its SPIFFE ID."""
        return next((one.client_id for one in self.agent_client if one.agent == agent), None)

    @property
    def token_audiences_or_default(self) -> tuple[str, ...]:
        """What may be in ``aud`` of its tokens."""
        stated = (one for one in (self.resource, self.audience) if one is not None)
        return self.token_audiences or tuple(stated)

    @property
    def shows_agent_svid(self) -> bool:
        """Whether the agent's own JWT-SVID is shown, so that no token outlives it."""
        exchanged = self.grant == "token-exchange" and self.subject == "agent"
        acts = self.grant in _BY_EXCHANGE and self.actor == "agent"
        return exchanged or acts or self.client == "agent"

    @cached_property
    def service(self) -> str:
        """The id of the external service that policies are asked about."""
        return service_of(self.resource or self.audience or "", field="resource")


def _target(upstream: Upstream) -> Iterator[str]:
    stated = [name for name in ("resource", "audience") if getattr(upstream, name) is not None]
    if not stated:
        yield "resource: expected it, or audience, or both"
    for name in upstream.send or ():
        if name not in stated:
            yield f"send: {name} is not stated"
    if upstream.send == () and upstream.is_opaque:
        yield "send: expected resource or audience: nothing else says what an opaque token is for"


def _parties(upstream: Upstream) -> Iterator[str]:
    grant, actor, client = upstream.grant, upstream.actor, upstream.client
    if upstream.subject not in _SUBJECTS[grant]:
        yield f'subject: expected "{_SUBJECTS[grant][0]}" with {grant}'
    if (grant == "id-jag") != (upstream.identity_provider is not None):
        yield "identity_provider: required with id-jag, and refused with any other grant"
    if grant == "id-jag" and client == "agent":
        yield "client: an ID-JAG is for one client of the authorization server: governd"
    if upstream.for_user != (actor is not None):
        yield 'actor: required with subject "user", and refused with "agent"'
    if actor == "client" and client != "agent":
        yield 'actor: "client" says who acts only where the client is the agent'
    if actor == "governd" and (client == "agent" or grant not in _BY_EXCHANGE):
        yield 'actor: "governd" is for token-exchange and id-jag with governd as the client'
    if upstream.agent_client and client != "agent":
        yield "agent_client: only where the client is the agent"


def _users(upstream: Upstream) -> Iterator[str]:
    """Whose word governd gives says which user by ``sub`` alone, which is one issuer's name."""
    if upstream.users_from and not upstream.for_user:
        yield "users_from: only where it is reached for a user"
    if upstream.grant == "jwt-bearer":
        if len(upstream.users_from) != 1:
            yield "users_from: expected one issuer with jwt-bearer: two may call users alike"
        return
    if upstream.renames_users:
        yield "renames_users: only jwt-bearer has governd say who the user is"
    if upstream.assertion_issuer is not None:
        yield "assertion_issuer: only jwt-bearer has an assertion of governd's"


def _token(upstream: Upstream) -> Iterator[str]:
    if upstream.is_opaque and upstream.actor not in {None, "unsafe_none"}:
        yield 'token_format: an opaque token cannot say who acts: expected actor "unsafe_none"'
    if upstream.min_lifetime_seconds >= upstream.max_lifetime_seconds:
        yield "min_lifetime_seconds: expected less than max_lifetime_seconds"


def _are_distinct(upstreams: tuple[Upstream, ...]) -> tuple[Upstream, ...]:
    refuse_twice("name", (one.name for one in upstreams))
    return upstreams


Upstreams = Annotated[tuple[Upstream, ...], AfterValidator(_are_distinct)]

__all__ = ["AuthorizationServer", "Upstream", "Upstreams"]
