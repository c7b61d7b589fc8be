"""Signatures with the key of an X.509-SVID, as JOSE wants them.

The algorithm is the key's: ES256 for P-256 and RS256 for RSA (RFC 7518, sections 3.3 and
3.4), the two kinds that SPIRE makes. Whether the SVID still counts is asked elsewhere: a
signer is a value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from governd.errors import InvalidIdentityError
from governd.identity.spiffe_id import SpiffeId
from governd.identity.svid import X509Svid

_COORDINATE_BYTES = 32  # of P-256


@dataclass(frozen=True, slots=True)
class SvidSigner:
    """One X.509-SVID that signs; implements ``governd.identity.ports.Signer``.

    Attributes:
        spiffe_id: Who signs.
        algorithm: ``ES256`` or ``RS256``.
        certificate_chain: DER, the leaf first, without the root.
        trust_bundle: DER certificates of the trust domain's roots.
        not_after: When the leaf ends, in UTC.
    """

    spiffe_id: SpiffeId
    algorithm: str
    certificate_chain: tuple[bytes, ...]
    trust_bundle: tuple[bytes, ...]
    not_after: datetime
    _sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """Signs ``message``; for ES256 the bytes R and S, 32 each."""
        return self._sign(message)


def signer_of(svid: X509Svid, trust_bundle: tuple[bytes, ...]) -> SvidSigner:
    """What signs with an SVID's key.

    Args:
        svid: The SVID, as its source checked it.
        trust_bundle: DER certificates of its trust domain's roots.

    Raises:
        InvalidIdentityError: Its key is of no kind that is signed with here.
    """
    algorithm, sign = _way(svid)
    return SvidSigner(
        svid.spiffe_id, algorithm, svid.chain, trust_bundle, svid.not_after, _sign=sign
    )


def _way(svid: X509Svid) -> tuple[str, Callable[[bytes], bytes]]:
    key = serialization.load_der_private_key(svid.key.reveal(), None)
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256", _rs256(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256", _es256(key)
    message = f"{svid.spiffe_id}: expected a key of P-256 or RSA to sign with"
    raise InvalidIdentityError(message)


def _es256(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    def sign(message: bytes) -> bytes:
        der = key.sign(message, ec.ECDSA(hashes.SHA256()))
        return b"".join(part.to_bytes(_COORDINATE_BYTES) for part in decode_dss_signature(der))

    return sign


def _rs256(key: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
    def sign(message: bytes) -> bytes:
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    return sign
