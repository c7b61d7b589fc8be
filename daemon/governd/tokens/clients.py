"""To which client a token was issued, as it says itself.

Claims ``client_id`` (RFC 9068, section 2.2) and ``azp`` (OpenID Connect Core 1.0, section 2),
which authorization servers use for one thing. A server may know a workload by its SPIFFE ID
(draft-ietf-oauth-spiffe-client-auth) or have a name of its own for it. Where that is stated, or
the claim is what says who acts, nothing but these two names is the agent; else of a name that
is no SPIFFE ID it is only known that it is not governd's.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from governd.tokens import jwt
from governd.tokens.faults import TokenFault, refuse

_CLAIMS = ("client_id", "azp")
_SPIFFE = "spiffe://"


class Client(NamedTuple):
    """Who asked for a token.

    Attributes:
        ours: governd's name at the server; ``None`` where it is not known.
        agent: The agent's SPIFFE ID where it asked itself; ``None`` where governd did.
        required: Whether the token has to say that it was the agent: then that is who acts.
        named: The server's name for the agent, where it is stated; ``None`` where not.
    """

    ours: str | None
    agent: str | None = None
    required: bool = False
    named: str | None = None


def check(claims: Mapping[str, Any], client: Client) -> None:
    """Holds a token to who asked for it.

    Raises:
        TokenRefusedError: It says that it was issued to another one, or may have been
            (``client``), or does not say to whom although it has to (``act_missing``).
    """
    found = {jwt.text(claims, name, TokenFault.CLIENT) for name in _CLAIMS if name in claims}
    if len(found) > 1:
        refuse(TokenFault.CLIENT, "token: client_id, azp: name two clients")
    if not found:
        if client.required:
            refuse(TokenFault.ACT_MISSING, "token: client_id, azp: does not say who acts")
    elif not _is_theirs(found.pop(), client):
        refuse(TokenFault.CLIENT, "token: client_id, azp: was issued to another client")


def _is_theirs(name: str, client: Client) -> bool:
    if client.agent is None:
        return client.ours in {None, name}
    if client.required or client.named is not None or name.startswith(_SPIFFE):
        return name in {client.agent, client.named}
    return name != client.ours
