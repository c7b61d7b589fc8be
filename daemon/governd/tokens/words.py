"""The words of OAuth that are sent and looked for."""

from typing import NamedTuple

from governd.identity.secret import Secret

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  a word
"""Grant type of RFC 8693, section 2.1."""
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
"""Grant type of RFC 7523, section 2.1."""
CLIENT_CREDENTIALS = "client_credentials"
"""Grant type of RFC 6749, section 4.4."""

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  a word
"""Token type of RFC 8693, section 3."""
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105  likewise
"""Token type of RFC 8693, section 3."""
JWT = "urn:ietf:params:oauth:token-type:jwt"
"""Token type of RFC 8693, section 3; a JWT-SVID's, too."""
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
"""Token type of draft-ietf-oauth-identity-assertion-authz-grant."""

ASSERTED_BY_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""How a client proves who it is with a key of its own (RFC 7523, section 2.2)."""
ASSERTED_BY_SPIFFE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
"""How it does with a JWT-SVID (draft-ietf-oauth-spiffe-client-auth)."""

PRIVATE_KEY_JWT = "private_key_jwt"
"""``ASSERTED_BY_JWT`` in a server's metadata (OpenID Connect Core 1.0, section 9)."""
ID_JAG_PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
"""What a server that takes ID-JAGs states in its metadata."""
ID_JAG_TYP = "oauth-id-jag+jwt"
"""``typ`` of an ID-JAG's header."""

BEARER = "bearer"
"""``token_type`` of what whoever has it may use (RFC 6750); compared in lower case."""
NOT_APPLICABLE = "n_a"
"""``token_type`` of what is no access token (RFC 8693, section 2.2.1); likewise."""


class TypedToken(NamedTuple):
    """A token that is sent, and what it is sent as.

    Attributes:
        token: Compact JWS.
        type: One of the token types above.
    """

    token: Secret
    type: str
