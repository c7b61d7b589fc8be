"""Acting-as tokens that were issued, refused, taken or rejected, as lines of the decision log.

A record says in whose name and through whom, and names the token by its digest, ``jti`` and
``txn``: whoever has the token finds its record, and whoever has the record learns no token.
"""

from collections.abc import Mapping
from typing import NamedTuple

from governd.audit.record import report_record
from governd.delegation.acting_as import ActingAs
from governd.delegation.binding import tied
from governd.delegation.rejection import Rejected
from governd.delegation.signing import Delegation
from governd.delegation.verification import Verified
from governd.identity import Caller, SpiffeId


class Occasion(NamedTuple):
    """Who asked for what, and when.

    Attributes:
        kind: ``mint``, ``extend`` or ``verify``.
        caller: Who asked.
        time: In seconds since 1970.
    """

    kind: str
    caller: Caller
    time: float


def issued_line(occasion: Occasion, issued: Delegation, decision_id: str) -> bytes:
    """The record of a token that is handed out.

    Args:
        occasion: Of its being asked for.
        issued: The token.
        decision_id: Of the decision that permitted it.
    """
    token = issued.token
    said = {
        "decision_id": decision_id,
        "rule": None,
        "audience": str(token.audience),
        **_said(token),
        "digest": issued.digest,
        "parent": token.parent,
        "binding": int(tied(token.request)),
        "max_depth": token.max_depth,
        "evidence": [{"type": one.type, "digest": one.digest} for one in token.evidence],
    }
    return _line(occasion, said)


def refused_line(occasion: Occasion, audience: SpiffeId, rule: str, decision_id: str) -> bytes:
    """The record that a token is not handed out, although policy permits it.

    Args:
        occasion: Of its being asked for.
        audience: For whom.
        rule: Which rule of attenuation, or ``REVOKED``.
        decision_id: Of the decision that permitted it.
    """
    said = {"decision_id": decision_id, "rule": rule, "audience": str(audience)}
    return _line(occasion, said)


def verified_line(occasion: Occasion, found: Verified | Rejected, digest: str) -> bytes:
    """The record of a token that was taken or rejected.

    Args:
        occasion: Of its being asked about.
        found: What came of it.
        digest: Its name, of the text that came, whatever that is.
    """
    if isinstance(found, Rejected):
        return _line(occasion, {"rejected": found.reason.name, "digest": digest})
    said = {
        "rejected": None,
        "digest": digest,
        **_said(found.token),
        "binding": int(found.binding),
    }
    return _line(occasion, said)


def _said(token: ActingAs) -> dict[str, object]:
    return {
        "user": {"issuer": token.user.issuer, "subject": token.user.subject},
        "actors": [str(actor) for actor in token.actors],
        "scopes": token.scopes,
        "authorization_details": [one.members() for one in token.details],
        "signer": str(token.issuer),
        "token_id": token.token_id,
        "transaction": token.transaction,
        "kya_level": token.kya_level,
        "expires": token.expires_at,
    }


def _line(occasion: Occasion, said: Mapping[str, object]) -> bytes:
    caller = occasion.caller
    return report_record(
        occasion.kind,
        time=occasion.time,
        caller=str(caller.spiffe_id),
        attestation=caller.attestation.value,
        said=said,
    )
