"""Authorization servers: who issues tokens for upstreams, and what governd is there.

Values only. No signature of what they issue is verified: access tokens come straight from
their issuer, over TLS, and are for the resource server to verify.

RFC 8414 (``issuer``), RFC 7523 with its revision (assertions for exactly one issuer),
draft-ietf-oauth-spiffe-client-auth (``jwt-spiffe``).
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, StringConstraints, model_validator

from governd.policy.table import Label, Table, refuse_twice
from governd.policy.trusted import Address

ClientId = Annotated[str, StringConstraints(pattern=r"^[!-~](?:[ -~]*[!-~])?$", max_length=256)]


class AuthorizationServer(Table):
    """Who issues tokens, and what governd is there.

    Attributes:
        name: For people, metrics and ``[[upstream]]``.
        issuer: The ``issuer`` of its metadata (RFC 8414) and ``iss`` of its tokens, spelled
            exactly so.
        client_authentication: How governd proves who it is: by its own JWT-SVID, or by an
            assertion that it signs.
        client_id: What governd is called there; ``None`` where the server knows it by its
            SPIFFE ID.
        client_key: With which key of governd's configuration assertions are signed.
        token_endpoint: Where to ask; ``None`` for where the metadata says.
    """

    name: Label
    issuer: Address
    client_authentication: Literal["jwt-spiffe", "private_key_jwt"]
    client_id: ClientId | None = None
    client_key: Label | None = None
    token_endpoint: Address | None = None

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.client_authentication == "private_key_jwt":
            for name in ("client_id", "client_key"):
                if getattr(self, name) is None:
                    message = f"{name}: required with private_key_jwt"
                    raise ValueError(message)
        return self


def _are_distinct(servers: tuple[AuthorizationServer, ...]) -> tuple[AuthorizationServer, ...]:
    refuse_twice("name", (one.name for one in servers))
    return servers


AuthorizationServers = Annotated[tuple[AuthorizationServer, ...], AfterValidator(_are_distinct)]
