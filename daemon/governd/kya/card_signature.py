"""Who vouches for a card: its detached signatures, checked against keys that we know.

Follows A2A v1.0, section 8.4, and RFC 7515, appendix F, for detached content.

Rules for one signature, the first that is broken is told:
    * the protected header parses strictly and has ``alg`` and ``kid``; ``typ`` is ``JOSE``
      or missing; ``crit``, ``b64``, ``jwk`` and ``x5u`` are refused;
    * the key is one of the configuration (``card_keys``), found by the card's provider and
      ``kid``; else the leaf in ``x5c``, if that is the caller's own X.509-SVID, valid now;
    * ``jku`` is never fetched: beside a key of the configuration it means nothing, without
      one there is no key;
    * the algorithm fits the key, and the key signed the card's payload.

The unprotected header of a signature is not read. Signatures of v0.3 cards cannot be
verified: that version says nothing of what is signed.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from governd.errors import PeerError
from governd.identity import SpiffeId, jose, x5c
from governd.identity.verification import Verifier
from governd.kya.card import AgentCard, CardSignature, Dialect
from governd.kya.card_keys import CardKeys

MAX_KEY_ID_CHARS = 512
ENDED = "the key has ended"
_REFUSED = ("crit", "b64", "jwk", "x5u")
_TYPE = "JOSE"


class SignatureStatus(enum.Enum):
    """What became of a card's signatures; ``agent_service.proto`` documents each."""

    UNSIGNED = 1
    UNVERIFIABLE = 2
    UNTRUSTED_KEY = 3
    FAILED = 4
    VERIFIED = 5


@dataclass(frozen=True, slots=True)
class Vouched:
    """What is known of a card's signatures: of the best one where there are several.

    Attributes:
        status: What became of it.
        key_id: Its ``kid``, verified only where it is; ``""`` for none.
        thumbprint: Of the key (RFC 7638), or of the leaf's DER; ``""`` unless verified.
        by_provider: Whether the key is one of the configuration.
        not_after: When the key ends, in UTC; ``None`` for never.
        detail: Why it is not verified, for people.
    """

    status: SignatureStatus
    key_id: str = ""
    thumbprint: str = ""
    by_provider: bool = False
    not_after: datetime | None = None
    detail: str = ""

    @property
    def by_caller(self) -> bool:
        """Whether it was made with the caller's own X.509-SVID."""
        return self.status is SignatureStatus.VERIFIED and not self.by_provider

    def counts(self, now: datetime) -> bool:
        """Whether it is verified, and its key has not ended since."""
        if self.status is not SignatureStatus.VERIFIED:
            return False
        return self.not_after is None or now < self.not_after

    def at(self, now: datetime) -> "Vouched":
        """What is known of it at that time: with a key that has ended, nothing is verified."""
        if self.status is not SignatureStatus.VERIFIED or self.counts(now):
            return self
        return _untrusted(self.key_id, ENDED)


@dataclass(frozen=True, slots=True)
class Trust:
    """What signatures are checked against.

    Attributes:
        keys: Of providers.
        verifier: Knows the trust bundles.
        caller: Who presents the card, as the channel says.
        now: The time to verify for, in UTC.
    """

    keys: CardKeys
    verifier: Verifier
    caller: SpiffeId
    now: datetime


def check_signatures(card: AgentCard, trust: Trust) -> tuple[Vouched, ...]:
    """What is known of each signature of a card, the best first; one at least.

    A key of the configuration is better than the caller's own, any that is verified is
    better than any that is not, one that fails is told before one of an unknown key, and
    what lasts longer comes first.
    """
    if not card.signatures:
        return (Vouched(SignatureStatus.UNSIGNED),)
    if card.dialect is Dialect.V0_3:
        detail = "A2A 0.3 does not say what is signed"
        return (Vouched(SignatureStatus.UNVERIFIABLE, detail=detail),)
    found = [_check(card, one, trust) for one in card.signatures]
    return tuple(sorted(found, key=_rank, reverse=True))


def _rank(one: Vouched) -> tuple[int, bool, float]:
    ends = math.inf if one.not_after is None else one.not_after.timestamp()
    return one.status.value, one.by_provider, ends


def _check(card: AgentCard, signature: CardSignature, trust: Trust) -> Vouched:
    try:
        header = jose.read_object(jose.decode(signature.protected.encode("ascii")))
        made = jose.decode(signature.signature.encode("ascii"))
    except ValueError:
        return Vouched(SignatureStatus.FAILED, detail="does not parse")
    problem = _header_problem(header)
    if problem:
        return Vouched(SignatureStatus.FAILED, detail=problem)
    vouched, key = _key(card, header, trust)
    if key is None:
        return vouched
    message = f"{signature.protected}.{jose.encode(card.payload)}".encode()
    try:
        x5c.check_signature(message, made, header["alg"], key)
    except x5c.X5cError as error:
        return Vouched(SignatureStatus.FAILED, vouched.key_id, detail=str(error))
    return vouched


def _header_problem(header: Mapping[str, Any]) -> str:
    for name in _REFUSED:
        if name in header:
            return f"has the header {name}"
    if header.get("typ", _TYPE) != _TYPE:
        return f"has another type than {_TYPE}"
    if header.get("alg") not in x5c.ALGORITHMS:
        return f"alg: expected one of {', '.join(x5c.ALGORITHMS)}"
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARS:
        return f"kid: expected 1 to {MAX_KEY_ID_CHARS} characters"
    return ""


def _key(
    card: AgentCard, header: Mapping[str, Any], trust: Trust
) -> tuple[Vouched, PublicKeyTypes | None]:
    """The key to check with, and what is known once it holds; without a key, why."""
    key_id, pinned = header["kid"], trust.keys.find(card.provider, header["kid"])
    if pinned is None:
        return _own_key(header, trust)
    if pinned.not_after is not None and trust.now >= pinned.not_after:
        return _untrusted(key_id, ENDED), None
    if header["alg"] not in pinned.algorithms:
        return Vouched(SignatureStatus.FAILED, key_id, detail="alg: is not that of the key"), None
    verified = Vouched(
        SignatureStatus.VERIFIED,
        key_id,
        pinned.thumbprint,
        by_provider=True,
        not_after=pinned.not_after,
    )
    return verified, pinned.key


def _own_key(header: Mapping[str, Any], trust: Trust) -> tuple[Vouched, PublicKeyTypes | None]:
    """The key of the caller's own X.509-SVID, if that is what the header brings."""
    key_id = header["kid"]
    if "jku" in header:
        return _untrusted(key_id, "jku is not followed, and no key is configured"), None
    if "x5c" not in header:
        return _untrusted(key_id, "no such key is configured for the card's provider"), None
    try:
        chain = x5c.read_chain(header["x5c"])
        peer = trust.verifier.verify_chain(chain, trust.now)
    except (x5c.X5cError, PeerError) as error:
        return _untrusted(key_id, str(error)), None
    if peer.spiffe_id != trust.caller:
        return _untrusted(key_id, "x5c: is not the caller's own X.509-SVID"), None
    verified = Vouched(SignatureStatus.VERIFIED, key_id, peer.certificate, not_after=peer.not_after)
    return verified, x5c.key_of(chain[0])


def _untrusted(key_id: str, detail: str) -> Vouched:
    return Vouched(SignatureStatus.UNTRUSTED_KEY, key_id, detail=detail)
