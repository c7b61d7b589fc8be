"""In whose name an agent acts: takes what it shows, and says what that proves.

Three kinds of evidence lead to one value, the ``Delegation`` that policy sees. Left to
others: the rules for tokens of issuers (``delegation.issuer_tokens``), where their keys come
from (``IssuerKeys``), acting-as tokens (``TokenReceiver``), how well agents are known (the
levels here are 0), and whether policy permits anything on the strength of it.

Promises:
    * Whoever shows it is the first of the actors, as the channel says; no token says it.
    * Evidence that does not hold is an error, never left out.
    * What is revoked is denied by policy, so that it is on record as a decision; a token
      that is revoked by its ``jti`` proves nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from governd.application.evidence_memo import EvidenceMemo, Grounds, Verified, shows
from governd.application.sync_policy import PolicyKeeper
from governd.delegation import issuer_tokens
from governd.delegation.evidence_faults import (
    EvidenceError,
    EvidenceFault,
    EvidenceUnavailableError,
)
from governd.delegation.expectations import Arrival
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.revocations import Revocations
from governd.identity import Caller
from governd.identity.secret import Secret
from governd.policy.delegated import Delegation, EvidenceKind
from governd.policy.manifest import Manifest
from governd.policy.trusted import Issuer

_UNKNOWN = Arrival()


@dataclass(frozen=True, slots=True)
class Shown:
    """Evidence as it was shown. Nothing of it is verified.

    Attributes:
        kind: What it is shown as.
        token: The token, a compact JWS in ASCII.
        arrival: Of an acting-as token: how it came to whoever shows it, as far as that is
            known here.
    """

    kind: EvidenceKind
    token: Secret
    arrival: Arrival = _UNKNOWN


class TokenReceiver(Protocol):
    """Receives acting-as tokens."""

    async def receive(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        """What an acting-as token delegates to a caller.

        Args:
            shown: The token, and how it came.
            caller: Who shows it; the token's audience.
            now: Seconds since 1970.

        Raises:
            EvidenceError: It is rejected.
            EvidenceUnavailableError: That cannot be told now.
        """


class IssuerKeys(Protocol):
    """Knows with which keys issuers sign."""

    async def keys(self, issuer: Issuer, key_id: str) -> IssuerKeySet:
        """An issuer's keys, as new as a token with that ``kid`` demands.

        Raises:
            EvidenceUnavailableError: They cannot be had, or not as new.
        """


class EvidenceObserver(Protocol):
    """Watches evidence, for metrics and logs. Never sees a token."""

    def verified(self, kind: EvidenceKind) -> None:
        """It holds."""

    def refused(self, kind: EvidenceKind, fault: EvidenceFault | None) -> None:
        """It does not hold; without a fault: that cannot be told now."""


class EvidenceVerifier:
    """The use case behind every door that takes evidence."""

    def __init__(
        self,
        keeper: PolicyKeeper,
        keys: IssuerKeys,
        receiver: TokenReceiver,
        observer: EvidenceObserver,
        *,
        revocations: Callable[[], Revocations],
    ) -> None:
        """Takes its parts.

        Args:
            keeper: Holds the policy in force, which says whose word counts.
            keys: Knows the issuers' keys.
            receiver: Receives acting-as tokens.
            observer: Told of what becomes of each.
            revocations: What counts no longer.
        """
        self._keeper = keeper
        self._keys = keys
        self._receiver = receiver
        self._observer = observer
        self._revocations = revocations
        self._memo = EvidenceMemo()

    async def verify(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        """What evidence proves for whoever shows it.

        Args:
            shown: The evidence.
            caller: Who shows it, as the channel says.
            now: Seconds since 1970.

        Raises:
            EvidenceError: It does not hold.
            EvidenceUnavailableError: That cannot be told now.
        """
        try:
            found = await self._verify(shown, caller, now)
        except EvidenceError as error:
            self._observer.refused(shown.kind, error.fault)
            raise
        except EvidenceUnavailableError:
            self._observer.refused(shown.kind, None)
            raise
        self._observer.verified(shown.kind)
        return found

    async def _verify(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        manifest = self._manifest()
        if shown.kind is EvidenceKind.ACTING_AS:
            return await self._receiver.receive(shown, caller, now)
        key = shows(shown.token, shown.kind, caller)
        found = self._memo.find(key)
        if found is not None and found.grounds.manifest is manifest:
            keys = await self._keys.keys(found.issuer, found.key_id)
            if found.holds(Grounds(manifest, keys, self._revocations()), now):
                return found.delegation
        found = await self._opened(shown, caller, manifest, now)
        self._memo.keep(key, found)
        return found.delegation

    async def _opened(
        self, shown: Shown, caller: Caller, manifest: Manifest, now: float
    ) -> Verified:
        opened = issuer_tokens.open_token(shown.token, shown.kind, manifest.issuer)
        keys = await self._keys.keys(opened.issuer, opened.key_id)
        grounds = Grounds(manifest, keys, self._revocations())
        found = issuer_tokens.verify(opened, keys, caller.spiffe_id, grounds.revoked, now)
        return Verified(opened.issuer, opened.key_id, grounds, found)

    def _manifest(self) -> Manifest:
        policy = self._keeper.state.policy
        if policy is None:
            message = "evidence: no policy is in force yet, so nobody's word counts"
            raise EvidenceUnavailableError(message)
        return policy.manifest
