"""Whether a certificate that was presented is an X.509-SVID, and whose.

Follows the X509-SVID standard, section 5
(https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md), on top of the path
validation of RFC 5280, section 6, that ``cryptography.x509.verification`` does. What a leaf
and an authority must look like is in ``x509_rules``.

Promises:
    * A path leads to an authority of exactly the trust domain in the leaf's URI SAN. The
      authorities of another domain, federated or not, count for nothing there.
    * Whatever the bytes, nothing but a ``PeerError`` is raised.
    * What is remembered is forgotten when a trust bundle changes, and counts within the
      validity of every certificate of its path only.

Not supported, and refused: name constraints on URIs, critical extensions that the library
does not know. Revocation lists are not read: X.509-SVIDs are short-lived instead.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from governd.errors import PeerError
from governd.identity import x509_rules
from governd.identity.spiffe_id import SpiffeId

MAX_CERTIFICATES = 8
"""Of a chain as presented: a leaf and more intermediates than anybody should have."""
MAX_BYTES = 65_536
"""Of a chain as presented."""

_REMEMBERED = 4096
_REFUSED_FOR = timedelta(seconds=1)

Bundles = Mapping[str, Sequence[bytes]]
"""DER certificates of the authorities, by trust domain."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class VerifiedPeer:
    """Somebody whose certificate was verified; who has its key is for TLS to show.

    Attributes:
        spiffe_id: Who.
        not_before: When the last certificate of its path begins to count, in UTC.
        not_after: When the first of them ends, in UTC.
        certificate: ``x5t#S256`` of their own one.
    """

    spiffe_id: SpiffeId
    not_before: datetime
    not_after: datetime
    certificate: str


class Presented(NamedTuple):
    """A chain of certificates as TLS hands it on, in PEM.

    Attributes:
        leaf: The peer's own.
        others: What it sent beside that, in one text; ``b""`` for nothing.
    """

    leaf: bytes
    others: bytes = b""


class _Refusal(NamedTuple):
    why: str
    until: datetime


def verify_svid(chain: Sequence[bytes], bundles: Bundles, now: datetime) -> VerifiedPeer:
    """Whose X.509-SVID this is.

    Args:
        chain: DER certificates, the leaf first; the others in any order.
        bundles: The authorities of every trust domain that is trusted.
        now: The time to verify for, in UTC.

    Raises:
        PeerError: It is nobody's, or not of a trust domain in ``bundles``.
    """
    _check_size(len(chain), sum(map(len, chain)))
    try:
        leaf, *others = [x509.load_der_x509_certificate(der) for der in chain]
        return _verify(leaf, others, bundles, now)
    except PeerError:
        raise
    except Exception:  # noqa: BLE001 — whatever a parser raises, the answer is no
        raise _unreadable() from None


def _verify(
    leaf: x509.Certificate, others: list[x509.Certificate], bundles: Bundles, now: datetime
) -> VerifiedPeer:
    spiffe_id = x509_rules.check_leaf(leaf, now)
    authorities = bundles.get(spiffe_id.trust_domain)
    if not authorities:
        message = f"the trust domain {spiffe_id.trust_domain} is not trusted here"
        raise PeerError(message)
    store = Store([x509.load_der_x509_certificate(der) for der in authorities])
    policies = x509_rules.policies(spiffe_id.trust_domain)
    builder = PolicyBuilder().store(store).time(now).max_chain_depth(MAX_CERTIFICATES)
    verifier = builder.extension_policies(**policies).build_client_verifier()
    try:
        path = verifier.verify(leaf, others).chain
    except VerificationError:
        # Not chained: the library's words may quote what the peer wrote.
        message = f"no valid path leads to an authority of {spiffe_id.trust_domain}"
        raise PeerError(message) from None
    return VerifiedPeer(
        spiffe_id,
        max(certificate.not_valid_before_utc for certificate in path),
        min(certificate.not_valid_after_utc for certificate in path),
        x509_rules.thumbprint(leaf.public_bytes(Encoding.DER)),
    )


class Verifier:
    """Verifies peers, and remembers whom it has seen.

    Attributes:
        generation: Counts the changes of the trust bundles.
    """

    def __init__(self, bundles: Bundles) -> None:
        """Trusts ``bundles`` until they are replaced."""
        self.generation = 0
        self._bundles = dict(bundles)
        self._seen: dict[bytes, VerifiedPeer | _Refusal] = {}

    @property
    def bundles(self) -> Bundles:
        """The authorities in force, by trust domain."""
        return self._bundles

    def replace(self, bundles: Bundles) -> None:
        """Trusts ``bundles`` from now on and nothing else; forgets everybody."""
        self._bundles = dict(bundles)
        self._seen.clear()
        self.generation += 1  # last: who reads it first reads bundles that are no older

    def verify(self, presented: Presented, now: datetime) -> VerifiedPeer:
        """Whose X.509-SVID this is: the same object as long as nothing changes.

        Args:
            presented: As TLS hands it on.
            now: The time to verify for, in UTC.

        Raises:
            PeerError: It is nobody's, or not of a trusted domain.
        """
        digest = hashlib.sha256(presented.leaf + presented.others).digest()
        return self._look_up(digest, lambda: _der(presented), now)

    def verify_chain(self, chain: Sequence[bytes], now: datetime) -> VerifiedPeer:
        """The same for certificates in DER, the leaf first.

        Raises:
            PeerError: As for ``verify``.
        """
        # Of digests: how the certificates are divided up counts.
        digests = b"".join(hashlib.sha256(der).digest() for der in chain)
        return self._look_up(hashlib.sha256(digests).digest(), lambda: chain, now)

    def _look_up(
        self, digest: bytes, chain: Callable[[], Sequence[bytes]], now: datetime
    ) -> VerifiedPeer:
        found = self._seen.get(digest)
        if isinstance(found, VerifiedPeer) and found.not_before <= now <= found.not_after:
            return found
        if isinstance(found, _Refusal) and found.until - _REFUSED_FOR <= now < found.until:
            raise PeerError(found.why)
        return self._verify(digest, chain, now)

    def _verify(
        self, digest: bytes, chain: Callable[[], Sequence[bytes]], now: datetime
    ) -> VerifiedPeer:
        try:
            peer = verify_svid(chain(), self._bundles, now)
        except PeerError as error:
            # So that who is refused again and again costs no signature each time.
            self._remember(digest, _Refusal(str(error), now + _REFUSED_FOR))
            raise
        self._remember(digest, peer)
        return peer

    def _remember(self, digest: bytes, found: VerifiedPeer | _Refusal) -> None:
        self._seen.pop(digest, None)
        if len(self._seen) >= _REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        self._seen[digest] = found


def _der(presented: Presented) -> list[bytes]:
    pem = presented.leaf + presented.others
    _check_size(pem.count(b"-----BEGIN"), len(pem))
    try:
        return x509_rules.der_of(pem)
    except ValueError:
        raise _unreadable() from None


def _check_size(certificates: int, size: int) -> None:
    if not 1 <= certificates <= MAX_CERTIFICATES:
        message = f"expected 1 to {MAX_CERTIFICATES} certificates, got {certificates}"
        raise PeerError(message)
    if size > MAX_BYTES:
        message = f"expected certificates of at most {MAX_BYTES} bytes, got {size}"
        raise PeerError(message)


def _unreadable() -> PeerError:
    return PeerError("the certificate cannot be read")
