"""Access tokens that were issued, as lines of the decision log; and those that were not.

The latter are those that policy had permitted.
A record says to whom, in whose name and for what, and names the token by its digest and its
``jti``: whoever has the token finds its record, and whoever has the record learns no token.
A token that is handed out again has a decision of its own, and no further record.
"""

from typing import NamedTuple

from governd.audit.record import report_record
from governd.errors import TokenRefusedError
from governd.identity import Caller, jose
from governd.identity.user import User
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.upstreams import Upstream
from governd.tokens.check import AccessToken
from governd.tokens.held import Held

KIND = "token"


class Occasion(NamedTuple):
    """Who asked for what, and when.

    Attributes:
        caller: Who asked.
        user: In whose name; ``None`` for its own.
        upstream: For what.
        server: Who issues tokens for that.
        scopes: What was asked for.
        evidence: Digest of what proved the user, base64url; ``""`` without one.
        decision_id: Of the decision that permitted it.
        time: In seconds since 1970.
    """

    caller: Caller
    user: User | None
    upstream: Upstream
    server: AuthorizationServer
    scopes: tuple[str, ...]
    evidence: str
    decision_id: str
    time: float


def issued_line(occasion: Occasion, held: Held) -> bytes:
    """The record of a token that is handed out for the first time."""
    token: AccessToken = held.token
    return _line(
        occasion,
        {
            "rule": None,
            "granted": token.scopes,
            "digest": digest_name(token.digest),
            "token_id": token.token_id or None,
            "expires": int(held.ends),
        },
    )


def refused_line(occasion: Occasion, error: TokenRefusedError) -> bytes:
    """The record that there is none, or none that anybody may have."""
    facts = error.metadata
    return _line(occasion, {"rule": facts.get("rule"), "error": facts.get("error") or None})


def digest_name(digest: str) -> str:
    """How a token is named for people and programs, ``sha-256:<hex>``.

    Args:
        digest: SHA-256, base64url.
    """
    return f"sha-256:{jose.decode(digest.encode()).hex()}"


def _line(occasion: Occasion, came: dict[str, object]) -> bytes:
    caller, user, upstream = occasion.caller, occasion.user, occasion.upstream
    said = {
        "decision_id": occasion.decision_id,
        "upstream": upstream.name,
        "service": upstream.service,
        "authorization_server": occasion.server.name,
        "issuer": occasion.server.issuer,
        "grant": upstream.grant,
        "actor": upstream.actor,
        "user": {"issuer": user.issuer, "subject": user.subject} if user else None,
        "scopes": occasion.scopes,
        "evidence": digest_name(occasion.evidence) if occasion.evidence else None,
        **came,
    }
    return report_record(
        KIND,
        time=occasion.time,
        caller=str(caller.spiffe_id),
        attestation=caller.attestation.value,
        said=said,
    )
