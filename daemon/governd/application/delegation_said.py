"""What a record says of a delegation: who acts for whom, and what proved it. Never a token."""

from governd.policy.delegated import Delegation


def said_of(delegation: Delegation | None) -> dict[str, object] | None:
    """Members of a record; ``None`` where an agent acts for itself."""
    if delegation is None:
        return None
    return {
        "user": {"issuer": delegation.user.issuer, "subject": delegation.user.subject},
        "actors": [str(actor) for actor in delegation.actors],
        "evidence": sorted(kind.value for kind in delegation.evidence),
        "scopes": sorted(delegation.scopes),
        "binding": delegation.binding,
        "kya_level": delegation.kya_level,
        "expires": int(delegation.expires),
    }
