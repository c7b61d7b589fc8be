"""Whether a KYA attestation counts: for this caller, from this attester, now.

Steps, in this order; the first that fails is told:
    1. the token is a compact JWS of type ``kya-attestation+jwt``, signed by the leaf in
       ``x5c``, and that leaf an X.509-SVID of a trust domain that is trusted (``x5c``);
    2. its claims parse, ``iss`` is the leaf's SPIFFE ID, and the configuration lets that
       attester speak for agents such as ``sub`` (``AttesterRule``);
    3. it has begun, with 60 s for clocks that differ, has not ended, lasts an hour at most,
       and ends no later than the certificates of its signer;
    4. ``sub`` is the caller by the channel, and the certificate in ``cnf`` one of the caller's;
    5. it is of the card that is registered.

Being in the trust domain makes nobody an attester: without a rule, any pod could attest.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, NoReturn

from governd.errors import RequestError
from governd.identity import SpiffeId, x5c
from governd.identity.verification import VerifiedPeer, Verifier
from governd.kya.attestation import MAX_BYTES, MAX_LIFETIME, TYPE, Attestation
from governd.kya.attestation_claims import read_claims
from governd.kya.level import Level

SKEW = timedelta(seconds=60)


class AttestationFault(enum.Enum):
    """Which step an attestation failed; ``agent_service.proto`` documents each."""

    MALFORMED = 1
    TYPE = 2
    SIGNER = 3
    SIGNATURE = 4
    CLAIMS = 5
    ISSUER = 6
    NOT_YET_VALID = 7
    EXPIRED = 8
    LIFETIME = 9
    OTHER_AGENT = 10
    OTHER_CERTIFICATE = 11
    OTHER_CARD = 12


_FAULTS = {
    x5c.Fault.FORM: AttestationFault.MALFORMED,
    x5c.Fault.HEADER: AttestationFault.MALFORMED,
    x5c.Fault.TYPE: AttestationFault.TYPE,
    x5c.Fault.ALGORITHM: AttestationFault.SIGNATURE,
    x5c.Fault.CHAIN: AttestationFault.MALFORMED,
    x5c.Fault.SIGNER: AttestationFault.SIGNER,
    x5c.Fault.SIGNATURE: AttestationFault.SIGNATURE,
}


@dataclass(frozen=True, slots=True)
class AttesterRule:
    """Who may attest what.

    Attributes:
        attesters: A SPIFFE ID, or a prefix of some at a segment's boundary.
        max_level: The most that their word is worth.
        agents: Those that they may speak for, likewise; ``""`` for all of their own trust
            domain.
    """

    attesters: str
    max_level: Level
    agents: str = ""

    def __post_init__(self) -> None:
        """Refuses a rule that names nobody.

        Raises:
            RequestError: ``attesters`` or ``agents`` is no SPIFFE ID.
        """
        SpiffeId.parse(self.attesters, field="attesters")
        if self.agents:
            SpiffeId.parse(self.agents, field="agents")

    def covers(self, attester: SpiffeId, agent: SpiffeId) -> bool:
        """Whether the attester may speak for the agent."""
        agents = self.agents or f"spiffe://{attester.trust_domain}"
        return attester.is_under(self.attesters) and agent.is_under(agents)


class Expected(NamedTuple):
    """What an attestation has to be of.

    Attributes:
        caller: The agent that presents it, as the channel says.
        certificates: ``x5t#S256`` of the X.509-SVIDs that are known to be the caller's. An
            attestation with ``cnf`` counts for these alone.
        card_digest: Of the card that is registered; ``""`` where none is known.
    """

    caller: SpiffeId
    certificates: frozenset[str] = frozenset()
    card_digest: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedAttestation:
    """An attestation that counts.

    Attributes:
        attestation: What is attested.
        level: What is attested, and no more than its attester's word is worth.
    """

    attestation: Attestation
    level: Level


@dataclass(frozen=True, slots=True)
class RejectedAttestation:
    """An attestation that does not count.

    Attributes:
        fault: The step that failed.
        detail: The same in words.
    """

    fault: AttestationFault
    detail: str


class AttestationCheck:
    """Checks attestations against what the configuration trusts."""

    def __init__(self, verifier: Verifier, rules: Sequence[AttesterRule]) -> None:
        """Believes those whom a rule names, certified by the verifier's trust bundles."""
        self._verifier = verifier
        self._rules = tuple(rules)

    def check(
        self, token: str, expected: Expected, now: datetime
    ) -> VerifiedAttestation | RejectedAttestation:
        """Whether an attestation counts.

        Args:
            token: A compact JWS.
            expected: What it has to be of.
            now: The time to verify for, in UTC.
        """
        try:
            payload, signer = x5c.unseal(token, TYPE, self._verifier, now, max_bytes=MAX_BYTES)
            found = read_claims(payload)
            level = self._level(found, signer)
            _check_time(found, signer, now)
            _check_subject(found, expected)
        except x5c.X5cError as error:
            return RejectedAttestation(_FAULTS[error.fault], str(error))
        except RequestError as error:
            return RejectedAttestation(AttestationFault.CLAIMS, str(error))
        except _RejectedError as error:
            return error.rejected
        return VerifiedAttestation(found, level)

    def _level(self, found: Attestation, signer: VerifiedPeer) -> Level:
        if found.issuer != signer.spiffe_id:
            _reject(AttestationFault.ISSUER, "iss: is not who signed it")
        worth = [rule.max_level for rule in self._rules if rule.covers(found.issuer, found.subject)]
        if not worth:
            _reject(AttestationFault.ISSUER, "iss: no rule lets it attest such agents")
        return min(found.level, max(worth))


class _RejectedError(Exception):
    """Ends a check."""

    def __init__(self, rejected: RejectedAttestation) -> None:
        super().__init__(rejected.detail)
        self.rejected = rejected


def _check_time(found: Attestation, signer: VerifiedPeer, now: datetime) -> None:
    if found.issued_at > now + SKEW:
        _reject(AttestationFault.NOT_YET_VALID, "iat: is in the future")
    if now >= found.expires:
        _reject(AttestationFault.EXPIRED, "exp: has passed")
    if found.expires - found.issued_at > MAX_LIFETIME:
        _reject(AttestationFault.LIFETIME, "exp: is more than an hour after iat")
    if found.expires > signer.not_after:
        _reject(AttestationFault.LIFETIME, "exp: is after the end of the signer's certificates")


def _check_subject(found: Attestation, expected: Expected) -> None:
    if found.subject != expected.caller:
        _reject(AttestationFault.OTHER_AGENT, "sub: is not the caller")
    if found.certificate and found.certificate not in expected.certificates:
        _reject(AttestationFault.OTHER_CERTIFICATE, "cnf: is not a certificate of the caller")
    if expected.card_digest not in {"", found.card_digest}:
        _reject(AttestationFault.OTHER_CARD, "card.digest: is not that of the registered card")


def _reject(fault: AttestationFault, detail: str) -> NoReturn:
    raise _RejectedError(RejectedAttestation(fault, detail))
