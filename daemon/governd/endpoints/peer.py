"""Who may call on a listener whose callers show certificates.

Every call is verified (``identity.verification``), whatever TLS made of the connection when
it began, or of the session that it resumed. gRPC's own reading of a certificate
(``peer_spiffe_id`` in the context) is not used: it cuts a name at NUL, takes any path, and
knows one pool of roots for all trust domains.

What one caller may use it may use, however many connections and certificates it has.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from governd.application.call import Clock
from governd.endpoints.gate import Account
from governd.endpoints.handlers import Context
from governd.endpoints.limits import Admissions
from governd.errors import PeerError
from governd.identity import Attestation, Caller, SpiffeId
from governd.identity.verification import Presented, VerifiedPeer, Verifier

WallClock = Callable[[], datetime]
"""The time in UTC."""

_LEAF = "x509_pem_cert"
_OTHERS = "x509_pem_cert_chain"  # on a server without the leaf; absent where that is all
_ACCOUNTS = 1024


class Claim(NamedTuple):
    """What a caller's identity rests on.

    Attributes:
        presented: The certificates of the connection.
        peer: Whose they are.
        generation: Of the trust bundles that say so.
    """

    presented: Presented
    peer: VerifiedPeer
    generation: int


class Peers:
    """The callers of one listener, by certificate."""

    def __init__(
        self,
        verifier: Verifier,
        admissions: Admissions,
        *,
        listener: str,
        trust_domains: Sequence[str],
        allowed_ids: Sequence[str],
        wall_clock: WallClock,
        clock: Clock,
    ) -> None:
        """Knows nobody yet.

        Args:
            verifier: Holds the trust bundles.
            admissions: Every caller's limits.
            listener: Its name, a fact of its callers.
            trust_domains: Whose workloads may call.
            allowed_ids: SPIFFE IDs at or below one of which a caller must be; none: any.
            wall_clock: The time in UTC.
            clock: Monotonic seconds.
        """
        self._verifier = verifier
        self._admissions = admissions
        self._facts = {"listener": listener}
        self._trust_domains = frozenset(trust_domains)
        self._allowed_ids = tuple(allowed_ids)
        self._wall_clock = wall_clock
        self._clock = clock
        self._accounts: dict[SpiffeId, Account] = {}

    def accounts(self) -> Iterable[Account]:
        """Those who have called; of very many, those who began last."""
        return tuple(self._accounts.values())

    def identify(self, presented: Presented) -> tuple[Account, Claim]:
        """Whose certificates they are.

        Raises:
            PeerError: Nobody's, or of somebody who may not call here.
        """
        peer = self._verifier.verify(presented, self._wall_clock())
        account = self._accounts.get(peer.spiffe_id) or self._open_account(peer.spiffe_id)
        return account, Claim(presented, peer, self._verifier.generation)

    def seconds_left(self, claim: Claim) -> float:
        """How long a claim holds if the trust bundles stay as they are.

        Raises:
            PeerError: It holds no longer.
        """
        now, peer = self._wall_clock(), claim.peer
        known = claim.generation == self._verifier.generation
        if not known or not peer.not_before <= now <= peer.not_after:
            peer = self._verifier.verify(claim.presented, now)
        return (peer.not_after - now).total_seconds()

    def _open_account(self, spiffe_id: SpiffeId) -> Account:
        self._check_allowed(spiffe_id)
        if len(self._accounts) >= _ACCOUNTS:
            self._forget_somebody()
        admission = self._admissions.of(str(spiffe_id), self._clock())
        account = Account(Caller(spiffe_id, Attestation.MTLS, self._facts), admission)
        self._accounts[spiffe_id] = account
        return account

    def _check_allowed(self, spiffe_id: SpiffeId) -> None:
        if spiffe_id.trust_domain not in self._trust_domains:
            message = f"callers of the trust domain {spiffe_id.trust_domain} are not taken here"
            raise PeerError(message)
        if self._allowed_ids and not any(map(spiffe_id.is_under, self._allowed_ids)):
            message = f"{spiffe_id} is not among the callers that are taken here"
            raise PeerError(message)

    def _forget_somebody(self) -> None:
        """Makes room, unless all have calls in flight."""
        for spiffe_id, account in self._accounts.items():
            if not account.in_flight:
                del self._accounts[spiffe_id]
                return


def presented_on(context: Context) -> Presented:
    """The certificates of a call's connection.

    Raises:
        PeerError: There are none.
    """
    found = context.auth_context()
    leaf = b"".join(found.get(_LEAF, ()))
    if not leaf:
        message = "the connection has no client certificate"
        raise PeerError(message)
    return Presented(leaf, b"".join(found.get(_OTHERS, ())))
