"""Which kind of token it is. What is another kind is refused, however well it fits else.

Follows RFC 8725 (sections 3.11 and 3.12), RFC 9068 (sections 2.1 and 4) and RFC 8693
(section 2.2.1).
"""

from collections.abc import Mapping
from typing import Any

from governd.identity.secret import Secret
from governd.tokens import jwt, words
from governd.tokens.faults import TokenFault, refuse
from governd.tokens.reply import Reply

_TYPES = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
"""``typ`` of access tokens; older servers state none, or the one of all JWTs."""
_PAYLOAD_TYPES = frozenset({"bearer", "jwt", "at+jwt", "access", "access_token"})
"""Some servers state the kind among the claims, Keycloak ``Bearer``, ``ID`` or ``Refresh``."""
_OF_OTHER_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
"""What ID tokens have (OpenID Connect Core 1.0, sections 2 and 3.3), and security events
(RFC 8417)."""
_PROOF_OF_POSSESSION = frozenset({"dpop", "pop"})


def check_reply(reply: Reply, *, exchanged: bool, opaque: bool) -> None:
    """Holds an answer to be one that gives an access token that its bearer may use.

    Args:
        reply: The answer.
        exchanged: Whether it has to say as what the token is issued.
        opaque: Whether that cannot be a JWT.

    Raises:
        TokenRefusedError: It gives another kind of token.
    """
    if reply.token_type in _PROOF_OF_POSSESSION:
        refuse(TokenFault.BOUND, "token_type: is bound to a key that nobody here has")
    if reply.token_type != words.BEARER:
        refuse(TokenFault.TOKEN_TYPE, "token_type: expected Bearer")
    taken: set[str | None] = {words.ACCESS_TOKEN} if opaque else {words.ACCESS_TOKEN, words.JWT}
    if not exchanged:
        taken.add(None)
    if reply.issued_token_type not in taken:
        refuse(TokenFault.TOKEN_TYPE, "issued_token_type: expected an access token's")
    if reply.more:
        jwt.refuse_details()


def access_claims(token: Secret) -> Mapping[str, Any]:
    """The claims of an access token. Nothing of them is checked but that it is one.

    Raises:
        TokenRefusedError: It is another kind of token, an ID token or an ID-JAG say.
    """
    found = jwt.read(token)
    if jwt.type_of(found) not in _TYPES:
        refuse(TokenFault.TYPE, "token: typ: is no access token's")
    stated = found.claims.get("typ", words.BEARER)
    if not isinstance(stated, str) or stated.lower() not in _PAYLOAD_TYPES:
        refuse(TokenFault.TYPE, "token: typ: is no access token's")
    if not _OF_OTHER_TOKENS.isdisjoint(found.claims):
        refuse(TokenFault.TYPE, "token: has claims of an ID token or a security event")
    return found.claims
