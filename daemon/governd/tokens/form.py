"""Requests to a token endpoint, as the forms that they are.

Follows RFC 6749 (section 4.4 and appendix B), RFC 8693 (section 2.1), RFC 7523 (section 2.1),
RFC 7521 (section 4.2), RFC 8707 (section 2) and the ID-JAG draft. One request has one target
and every parameter once: what two servers could read differently is never sent.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias
from urllib.parse import quote_plus

from governd.identity.secret import Secret
from governd.tokens import words
from governd.tokens.faults import TokenFault, refuse
from governd.tokens.words import TypedToken

CONTENT_TYPE = "application/x-www-form-urlencoded"
_Value: TypeAlias = str | Secret


class Target(NamedTuple):
    """What a token is asked for.

    Attributes:
        resource: Where it is to be good, a URI (RFC 8707); ``None`` where it is not sent.
        audience: The same by the server's own name for it (RFC 8693); likewise.
        scopes: What it is to permit; none is sent where there are none.
    """

    resource: str | None
    audience: str | None
    scopes: tuple[str, ...]


class ClientProof(NamedTuple):
    """Who asks, and what proves it.

    Attributes:
        client_id: Its name at the server; ``None`` where the proof alone names it.
        assertion_type: ``words.ASSERTED_BY_JWT`` or ``words.ASSERTED_BY_SPIFFE``.
        assertion: What it signed, or its JWT-SVID.
    """

    client_id: str | None
    assertion_type: str
    assertion: Secret


class Form:
    """Parameters in their order, each once. Shows the names of those that are secret."""

    __slots__ = ("_parameters",)

    def __init__(self, parameters: Iterable[tuple[str, _Value | None]]) -> None:
        """Takes what is there: ``None`` leaves a parameter out, as an empty text does."""
        self._parameters = tuple((name, value) for name, value in parameters if value)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in their order."""
        return tuple(name for name, _ in self._parameters)

    def encode(self) -> Secret:
        """The body of the request, of ``CONTENT_TYPE`` in UTF-8."""
        pairs = (f"{name}={quote_plus(_revealed(value))}" for name, value in self._parameters)
        return Secret("&".join(pairs).encode())

    def __repr__(self) -> str:
        """The parameters, and of secrets that they are there."""
        shown = ", ".join(f"{name}={value!r}" for name, value in self._parameters)
        return f"Form({shown})"


def token_exchange(
    target: Target,
    subject: TypedToken,
    actor: TypedToken | None,
    client: ClientProof,
    requested: str = words.ACCESS_TOKEN,
) -> Form:
    """Asks for a token for a target, in exchange for one of the subject (RFC 8693).

    Args:
        target: What for.
        subject: In whose name.
        actor: Who acts, where the server is to name it in the token.
        client: Who asks.
        requested: A token type.
    """
    acting: list[tuple[str, _Value | None]] = (
        [("actor_token", actor.token), ("actor_token_type", actor.type)] if actor else []
    )
    return Form(
        [
            ("grant_type", words.TOKEN_EXCHANGE),
            ("requested_token_type", requested),
            ("subject_token", subject.token),
            ("subject_token_type", subject.type),
            *acting,
            *_targeted(target),
            *_proven(client),
        ]
    )


def id_jag_request(
    target: Target, subject: TypedToken, actor: TypedToken | None, client: ClientProof
) -> Form:
    """Asks an identity provider for an ID-JAG, leg 1 of the draft.

    Args:
        target: The other server's issuer as the audience; the upstream as the resource.
        subject: The user's ID token.
        actor: As for ``token_exchange``.
        client: Who asks.

    Raises:
        TokenRefusedError: The subject's is no ID token: an access token is for somebody who
            serves, and says nothing of who the user signed in to.
    """
    if subject.type != words.ID_TOKEN:
        refuse(TokenFault.ID_JAG, "subject_token: expected an ID token")
    return token_exchange(target, subject, actor, client, words.ID_JAG)


def jwt_bearer(assertion: Secret, target: Target, client: ClientProof) -> Form:
    """Asks for a token with a signed assertion of who it is for (RFC 7523), or an ID-JAG."""
    return Form(
        [
            ("grant_type", words.JWT_BEARER),
            ("assertion", assertion),
            *_targeted(target),
            *_proven(client),
        ]
    )


def client_credentials(target: Target, client: ClientProof) -> Form:
    """Asks for a token of the client's own (RFC 6749, section 4.4)."""
    return Form(
        [("grant_type", words.CLIENT_CREDENTIALS), *_targeted(target), *_proven(client)],
    )


def _targeted(target: Target) -> list[tuple[str, _Value | None]]:
    return [
        ("resource", target.resource),
        ("audience", target.audience),
        ("scope", " ".join(target.scopes)),
    ]


def _proven(client: ClientProof) -> list[tuple[str, _Value | None]]:
    return [
        ("client_id", client.client_id),
        ("client_assertion_type", client.assertion_type),
        ("client_assertion", client.assertion),
    ]


def _revealed(value: _Value) -> str | bytes:
    return value.reveal() if isinstance(value, Secret) else value
