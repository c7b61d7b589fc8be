"""Statements signed with an X.509-SVID whose certificates travel with them.

A compact JWS (RFC 7515, section 7.1) whose header is exactly ``alg``, ``typ`` and ``x5c``
(section 4.1.6): whoever has the trust bundle of the signer's domain verifies it offline.
What it says, and who may say it, is the business of whoever asked.

Promises:
    * The certificates lead to an authority of the trust domain in the leaf, in a trust
      bundle of the verifier. Nothing in the token adds an authority or a key: any
      other header, ``jku`` and ``kid`` among them, is refused.
    * The algorithm is the one of the leaf's key (RFC 8725, section 3.1).
    * Steps are taken in their order, and the first that fails is told.
    * Whatever the text, nothing but an ``X5cError`` is raised.

A signature with an X.509-SVID is no JWT-SVID; ``typ`` keeps them apart (RFC 8725, section
3.11).
"""

import base64
import enum
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from governd.errors import GoverndError, PeerError
from governd.identity import jose
from governd.identity.ports import Signer
from governd.identity.verification import VerifiedPeer, Verifier

ALGORITHMS = ("ES256", "ES384", "PS256", "RS256")
MAX_CERTIFICATES = 5
"""A leaf and four intermediates."""

_HEADERS = frozenset({"alg", "typ", "x5c"})
_PARTS = 3
_CURVES: Mapping[str, tuple[str, int, hashes.HashAlgorithm]] = {
    "ES256": ("secp256r1", 32, hashes.SHA256()),
    "ES384": ("secp384r1", 48, hashes.SHA384()),
}
"""Curve, bytes of a coordinate and hash by algorithm (RFC 7518, section 3.4)."""
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
_PADDINGS: Mapping[str, padding.AsymmetricPadding] = {"PS256": _PSS, "RS256": padding.PKCS1v15()}
"""By algorithm (RFC 7518, sections 3.3 and 3.5)."""


class Fault(enum.Enum):
    """Which step a text failed, in the order of the steps."""

    FORM = "form"
    """It is too long, or not three parts in base64url."""
    HEADER = "header"
    """The header is no JSON object of exactly ``alg``, ``typ`` and ``x5c``."""
    TYPE = "type"
    """It is a token of another kind."""
    ALGORITHM = "algorithm"
    """The algorithm is none that is taken, or not that of the leaf's key."""
    CHAIN = "chain"
    """``x5c`` is no list of one to five texts in base64."""
    SIGNER = "signer"
    """The certificates prove no SPIFFE ID of a trust domain that is trusted."""
    SIGNATURE = "signature"
    """The leaf's key did not sign it."""


class X5cError(GoverndError):
    """A text is no statement signed with an X.509-SVID that counts here."""

    def __init__(self, fault: Fault, message: str) -> None:
        """Keeps which step failed."""
        super().__init__(message)
        self.fault = fault


class Opened(NamedTuple):
    """A statement whose signature was verified.

    Attributes:
        payload: What is signed, as it came.
        signer: Who signed it.
    """

    payload: bytes
    signer: VerifiedPeer


def seal(payload: bytes, typ: str, signer: Signer) -> str:
    """Signs a statement.

    Args:
        payload: What is said.
        typ: The kind of token, e.g. ``acting-as+jwt``.
        signer: Who says it.
    """
    chain = [base64.b64encode(der).decode() for der in signer.certificate_chain]
    header = {"alg": signer.algorithm, "typ": typ, "x5c": chain}
    text = json.dumps(header, separators=(",", ":")).encode()
    signed = f"{jose.encode(text)}.{jose.encode(payload)}"
    return f"{signed}.{jose.encode(signer.sign(signed.encode()))}"


def unseal(text: str, typ: str, verifier: Verifier, now: datetime, *, max_bytes: int) -> Opened:
    """What a statement says, and who signed it.

    Args:
        text: A compact JWS.
        typ: The kind of token that is taken, spelled exactly so.
        verifier: Knows the trust bundles, and certificates that it has seen.
        now: When the certificates are to be valid, in UTC.
        max_bytes: Of the text.

    Raises:
        X5cError: It is none, or not from somebody of a trust domain that is trusted.
    """
    header, payload, signature = _parts(text, max_bytes)
    algorithm, chain = _read_header(header, typ)
    try:
        signer = verifier.verify_chain(chain, now)
    except PeerError as error:
        raise X5cError(Fault.SIGNER, f"x5c: {error}") from None
    check_signature(text.rpartition(".")[0].encode(), signature, algorithm, key_of(chain[0]))
    return Opened(payload, signer)


def _parts(text: str, max_bytes: int) -> tuple[bytes, bytes, bytes]:
    if len(text) > max_bytes:
        _refuse(Fault.FORM, f"has more than {max_bytes} bytes")
    try:
        parts = text.encode("ascii").split(b".")
        if len(parts) != _PARTS or not all(parts):
            _refuse(Fault.FORM, "no compact serialisation")
        header, payload, signature = (jose.decode(part) for part in parts)
    except ValueError:
        _refuse(Fault.FORM, "no compact serialisation")
    return header, payload, signature


def _read_header(text: bytes, typ: str) -> tuple[str, Sequence[bytes]]:
    """The algorithm and the certificates."""
    try:
        header = jose.read_object(text)
    except ValueError:
        _refuse(Fault.HEADER, "header: does not parse")
    if header.keys() != _HEADERS:
        _refuse(Fault.HEADER, "header: expected exactly alg, typ and x5c")
    if header["typ"] != typ:
        _refuse(Fault.TYPE, f"typ: expected {typ}")
    if header["alg"] not in ALGORITHMS:
        _refuse(Fault.ALGORITHM, f"alg: expected one of {', '.join(ALGORITHMS)}")
    return header["alg"], read_chain(header["x5c"])


def read_chain(found: object) -> Sequence[bytes]:
    """The certificates in a header ``x5c``, DER, the leaf first.

    Raises:
        X5cError: ``CHAIN``: it is something else.
    """
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_CERTIFICATES:
        _refuse(Fault.CHAIN, f"x5c: expected 1 to {MAX_CERTIFICATES} certificates")
    try:
        chain = [base64.b64decode(one, validate=True) for one in found]
        canonical = [base64.b64encode(der).decode() for der in chain]
    except (ValueError, TypeError):
        _refuse(Fault.CHAIN, "x5c: expected certificates, DER in base64")
    if canonical != found:
        _refuse(Fault.CHAIN, "x5c: base64 in another form")
    return chain


def key_of(certificate: bytes) -> PublicKeyTypes:
    """The public key of a certificate in DER, one that was verified."""
    return x509.load_der_x509_certificate(certificate).public_key()


def check_signature(message: bytes, signature: bytes, algorithm: str, key: PublicKeyTypes) -> None:
    """Whether a key signed a message, as JWS wants it (RFC 7518, section 3).

    Raises:
        X5cError: ``ALGORITHM``: it is none of that kind of key. ``SIGNATURE``: the key did
            not sign it.
    """
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _CURVES:
            _check_ec(message, signature, algorithm, key)
        elif isinstance(key, rsa.RSAPublicKey) and algorithm in _PADDINGS:
            key.verify(signature, message, _PADDINGS[algorithm], hashes.SHA256())
        else:
            _refuse(Fault.ALGORITHM, "alg: is not that of the key")
    except InvalidSignature:
        _refuse(Fault.SIGNATURE, "is not signed with that key")


def _check_ec(
    message: bytes, signature: bytes, algorithm: str, key: ec.EllipticCurvePublicKey
) -> None:
    curve, size, digest = _CURVES[algorithm]
    if key.curve.name != curve:
        _refuse(Fault.ALGORITHM, "alg: is not that of the key")
    if len(signature) != 2 * size:
        _refuse(Fault.SIGNATURE, "is not signed with that key")
    numbers = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(digest))


def _refuse(fault: Fault, message: str) -> NoReturn:
    # Not chained: a parser's words may quote what it read.
    raise X5cError(fault, message) from None
