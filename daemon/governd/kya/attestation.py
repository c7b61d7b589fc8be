"""KYA attestations: what an attester verified of an agent's card, signed, for others to rely on.

A compact JWS (``identity.x5c``) of type ``kya-attestation+jwt``, distinct from vendors'
``kya+jwt``. The claims of RFC 7519 have their meanings there; ``cnf`` is that of RFC 8705,
section 3.1.

Promises:
    * It lasts an hour at most, and no longer than what it rests on: the signer's leaf, and
      whatever gave the level.
    * Its texts are bounded, and it names no person.
    * What ``write`` writes, ``attestation_claims`` reads as the same.

It is no bearer token: it counts for nobody but its ``sub``, who has to be the caller by the
channel (``attestation_check``).
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from governd.errors import IdentityError, RequestError
from governd.identity import SpiffeId, x5c
from governd.identity.ports import Signer
from governd.kya.card_signature import SignatureStatus
from governd.kya.level import Level

TYPE = "kya-attestation+jwt"
MAX_LIFETIME = timedelta(hours=1)
MAX_BYTES = 8 << 10
"""Of the token: what proxies let through in one header."""
MAX_SKILLS_CHARS = 1024
"""Of the ids of all skills together."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What is attested.

    Attributes:
        issuer: Who attests: the signer's SPIFFE ID.
        subject: The agent.
        issued_at: In whole seconds, UTC.
        expires: Likewise.
        token_id: ``jti``: no two have the same.
        certificate: ``x5t#S256`` of the agent's X.509-SVID; ``""`` where it is not bound to
            one.
        card_digest: ``sha-256:<hex>`` of the card's canonical form.
        card_version: The agent's own.
        dialect: The version of A2A by whose rules the card is written.
        signature: What became of the card's signatures.
        key_id: The ``kid`` of the one that was verified; ``""`` for none.
        thumbprint: Of its key; ``""`` for none.
        name: The agent's name by its card.
        provider: Likewise; ``""`` for none.
        skills: Ids by its card, sorted; empty where they have more than
            ``MAX_SKILLS_CHARS`` together.
        level: How much was known.
        policy_digest: Of the policy bundle in force; ``""`` for none.
    """

    issuer: SpiffeId
    subject: SpiffeId
    issued_at: datetime
    expires: datetime
    token_id: str
    certificate: str
    card_digest: str
    card_version: str
    dialect: str
    signature: SignatureStatus
    key_id: str
    thumbprint: str
    name: str
    provider: str
    skills: tuple[str, ...]
    level: Level
    policy_digest: str = ""


def sign(attestation: Attestation, signer: Signer) -> str:
    """An attestation as a token.

    Args:
        attestation: What is attested; it ends no later than the signer.
        signer: Who attests it.

    Raises:
        IdentityError: The signer ends earlier, or is another than the issuer; or nothing
            is left of the time.
        RequestError: The token would have more than ``MAX_BYTES``.
    """
    lasts = attestation.issued_at < attestation.expires <= signer.not_after
    if not lasts or attestation.issuer != signer.spiffe_id:
        message = "the signing identity is not the issuer, or ends too early"
        raise IdentityError(message)
    token = x5c.seal(write(attestation), TYPE, signer)
    if len(token) > MAX_BYTES:
        message = f"attestation: has {len(token)} bytes, the limit is {MAX_BYTES}"
        raise RequestError(message, field="attestation")
    return token


def write(attestation: Attestation) -> bytes:
    """The claims of an attestation, as JSON."""
    one = attestation
    claims: dict[str, Any] = {
        "iss": str(one.issuer),
        "sub": str(one.subject),
        "iat": int(one.issued_at.timestamp()),
        "exp": int(one.expires.timestamp()),
        "jti": one.token_id,
        "card": {
            "digest": one.card_digest,
            "version": one.card_version,
            "protocol_version": one.dialect,
            "signature": _stated(
                status=one.signature.name.lower(), kid=one.key_id, jkt=one.thumbprint
            ),
        },
        "agent": _stated(name=one.name, provider=one.provider) | {"skills": list(one.skills)},
        "kya": {"level": int(one.level)} | _stated(policy_digest=one.policy_digest),
    }
    if one.certificate:
        claims["cnf"] = {"x5t#S256": one.certificate}
    return json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()


def _stated(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}
