"""What an issuer sent in X.509, taken only when it holds what it promises.

Follows the X509-SVID standard, sections 2 to 5
(https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md). Whether a chain leads to
a root of its trust domain is asked where it is presented, not here.

Promises of what comes out:
    * Every certificate parses, and each is signed by the next.
    * The leaf keeps the rules of ``x509_rules``, and its only URI SAN is the SPIFFE ID.
    * The key is the leaf's, in PKCS #8.
"""

import itertools
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from governd.errors import InvalidIdentityError, PeerError, RequestError
from governd.identity import x509_rules
from governd.identity.secret import Secret
from governd.identity.spiffe_id import SpiffeId
from governd.identity.svid import X509Svid

MAX_CHAIN = 8
"""Certificates of a chain: a leaf and more intermediates than anybody should have."""

_SEQUENCE = 0x30
_LONG_FORM = 0x80
_HEADER_BYTES = 2
_LENGTH_BYTES = 4
# What cryptography raises on bytes that are no certificate or no key, or strange ones.
_PARSE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def x509_svid(
    spiffe_id: SpiffeId, chain: Sequence[bytes], key: bytes, *, hint: str = ""
) -> X509Svid:
    """An X.509-SVID for ``spiffe_id`` from what an issuer sent.

    Args:
        spiffe_id: Whose it is said to be.
        chain: DER certificates, the leaf first.
        key: The leaf's private key, DER.
        hint: What it is for.

    Raises:
        InvalidIdentityError: It is not that.
    """
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise _invalid(spiffe_id, f"has {len(chain)} certificates, not 1 to {MAX_CHAIN}")
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
        problem = _leaf_problem(certificates[0], spiffe_id) or _chain_problem(certificates)
        pkcs8 = _pkcs8(key, certificates[0])
    except _PARSE_ERRORS:
        # Not chained: a parser's words may quote what it read.
        raise _invalid(spiffe_id, "does not parse") from None
    if problem or pkcs8 is None:
        raise _invalid(spiffe_id, problem or "has a key that is not its leaf's")
    leaf = certificates[0]
    until = leaf.not_valid_after_utc
    return X509Svid(spiffe_id, tuple(chain), pkcs8, hint, leaf.not_valid_before_utc, until)


def trust_domain(text: str) -> str:
    """The trust domain that a bundle is said to be of.

    Args:
        text: ``example.org`` or ``spiffe://example.org``.

    Raises:
        InvalidIdentityError: It is neither, in canonical form.
    """
    domain = text.removeprefix("spiffe://")
    try:
        found = SpiffeId.parse(f"spiffe://{domain}")
    except RequestError as error:
        message = f"trust bundle: {error}"
        raise InvalidIdentityError(message) from None
    if found.path:
        message = "trust bundle: expected a trust domain, not the ID of a workload"
        raise InvalidIdentityError(message)
    return found.trust_domain


def authorities(data: bytes) -> tuple[bytes, ...]:
    """The certificates of a trust bundle.

    Args:
        data: DER certificates, one after the other, as SPIFFE's APIs send them.

    Raises:
        InvalidIdentityError: There is something else among them.
    """
    try:
        found = tuple(_elements(data))
        for der in found:
            x509.load_der_x509_certificate(der)
    except _PARSE_ERRORS:
        message = "trust bundle: what should be certificates does not parse"
        raise InvalidIdentityError(message) from None
    return found


def _leaf_problem(leaf: x509.Certificate, spiffe_id: SpiffeId) -> str:
    try:
        # Whether it counts already, and for how long, is asked of the clock elsewhere.
        found = x509_rules.check_leaf(leaf, leaf.not_valid_before_utc)
    except PeerError as error:
        return f"does not keep the rules: {error}"
    return "" if found == spiffe_id else "has another SPIFFE ID in its leaf"


def _chain_problem(certificates: Sequence[x509.Certificate]) -> str:
    try:
        for subject, issuer in itertools.pairwise(certificates):
            subject.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return "has a certificate that the next did not sign"
    return ""


def _pkcs8(der: bytes, leaf: x509.Certificate) -> Secret | None:
    """The key in PKCS #8; ``None`` if it is not the leaf's."""
    key = serialization.load_der_private_key(der, None)
    if key.public_key() != leaf.public_key():
        return None
    encoding, form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    return Secret(key.private_bytes(encoding, form, serialization.NoEncryption()))


def _elements(data: bytes) -> Iterator[bytes]:
    """The DER sequences that ``data`` consists of (X.690, section 8.1)."""
    start = 0
    while start < len(data):
        end = start + _size(data[start : start + _HEADER_BYTES + _LENGTH_BYTES])
        yield data[start:end]  # too short at the end of data: then it does not parse
        start = end


def _size(header: bytes) -> int:
    if len(header) <= _HEADER_BYTES or header[0] != _SEQUENCE:
        message = "no DER sequence"
        raise ValueError(message)
    count = header[1] - _LONG_FORM
    if count < 0:
        return _HEADER_BYTES + header[1]
    if not 1 <= count <= _LENGTH_BYTES:
        message = "no length that a certificate has"
        raise ValueError(message)
    end = _HEADER_BYTES + count
    return end + int.from_bytes(header[_HEADER_BYTES:end])


def _invalid(spiffe_id: SpiffeId, problem: str) -> InvalidIdentityError:
    return InvalidIdentityError(f"X.509-SVID of {spiffe_id}: {problem}")
