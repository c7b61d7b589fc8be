"""An issuer's X.509 is believed only if it holds what it promises."""

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from governd.adapters import x509_svid as forms
from governd.errors import InvalidIdentityError
from governd.identity import SpiffeId, x509_material
from governd.identity.svid import X509Svid
from tests.fakes.time import NOON

WEB = SpiffeId.parse("spiffe://example.org/web")
ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = forms.root(SpiffeId.parse("spiffe://example.org"), ROOT_KEY, NOON)
KEY = ec.generate_private_key(ec.SECP256R1())
Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def key_of(key: ec.EllipticCurvePrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.DER, form, NoEncryption())


def leaf(spiffe_id: SpiffeId = WEB, until: datetime = NOON + timedelta(hours=1)) -> bytes:
    template = forms.leaf(forms.Subject(spiffe_id, KEY.public_key()), ROOT, NOON, until)
    return der(template.sign(ROOT_KEY, hashes.SHA256()))


def strange_leaf(*extensions: x509.ExtensionType) -> bytes:
    """A leaf with these extensions and no others."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ROOT.subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOON)
        .not_valid_after(NOON + timedelta(hours=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return der(builder.sign(ROOT_KEY, hashes.SHA256()))


def names(*uris: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])


def read(
    *chain: bytes, key: bytes | None = None, spiffe_id: SpiffeId = WEB, hint: str = ""
) -> X509Svid:
    return x509_material.x509_svid(spiffe_id, chain, key or key_of(KEY), hint=hint)


def test_an_svid_that_holds_is_taken_as_it_is() -> None:
    svid = read(leaf(), hint="internal")
    assert (svid.spiffe_id, svid.chain, svid.hint) == (WEB, (leaf_of(svid),), "internal")
    assert svid.not_before == NOON - forms.CLOCK_SKEW
    assert svid.not_after == NOON + timedelta(hours=1)
    assert load_der_private_key(svid.key.reveal(), None).public_key() == KEY.public_key()


def leaf_of(svid: X509Svid) -> bytes:
    assert x509.load_der_x509_certificate(svid.chain[0]).public_key() == KEY.public_key()
    return svid.chain[0]


def test_an_svid_that_has_expired_is_taken_too_for_others_to_judge() -> None:
    assert read(leaf(until=NOON)).not_after == NOON


def test_a_key_in_another_form_comes_out_as_pkcs8() -> None:
    svid = read(leaf(), key=key_of(KEY, PrivateFormat.TraditionalOpenSSL))
    assert svid.key.reveal() == key_of(KEY)


def test_a_chain_with_an_intermediate() -> None:
    between_key = ec.generate_private_key(ec.SECP256R1())
    between = forms.root(SpiffeId.parse("spiffe://example.org"), between_key, NOON)
    template = forms.leaf(
        forms.Subject(WEB, KEY.public_key()), between, NOON, NOON + timedelta(hours=1)
    )
    signed = der(template.sign(between_key, hashes.SHA256()))
    assert read(signed, der(between)).chain == (signed, der(between))


OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
USAGE = x509.KeyUsage(
    digital_signature=True,
    **dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment"), False),
    **dict.fromkeys(("key_agreement", "key_cert_sign", "crl_sign"), False),
    **dict.fromkeys(("encipher_only", "decipher_only"), False),
)
BAD: dict[str, Callable[[], X509Svid]] = {
    "no certificate": read,
    "nine certificates": lambda: read(*[leaf()] * 9),
    "bytes that are no certificate": lambda: read(b"leaf"),
    "a certificate and more": lambda: read(leaf() + b"\0"),
    "half a certificate": lambda: read(leaf()[:-1]),
    "the ID of somebody else": lambda: read(leaf(SpiffeId.parse("spiffe://example.org/other"))),
    "the ID of another trust domain": lambda: read(leaf(SpiffeId.parse("spiffe://other.org/web"))),
    "the ID of the trust domain": lambda: read(
        leaf(SpiffeId("example.org", "")), spiffe_id=SpiffeId("example.org", "")
    ),
    "no names": lambda: read(strange_leaf(USAGE)),
    "two URIs": lambda: read(strange_leaf(USAGE, names(str(WEB), "spiffe://example.org/other"))),
    "the same URI twice": lambda: read(strange_leaf(USAGE, names(str(WEB), str(WEB)))),
    "an authority": lambda: read(
        strange_leaf(USAGE, names(str(WEB)), x509.BasicConstraints(ca=True, path_length=None))
    ),
    "no key usage": lambda: read(strange_leaf(names(str(WEB)))),
    "a chain of strangers": lambda: read(leaf(), leaf(SpiffeId.parse("spiffe://example.org/b"))),
    "a chain that another key signed": lambda: read(
        leaf(), der(forms.root(SpiffeId.parse("spiffe://example.org"), OTHER_KEY, NOON))
    ),
    "a key of somebody else": lambda: read(leaf(), key=key_of(OTHER_KEY)),
    "no key": lambda: read(leaf(), key=b"\0"),
    "a key of another kind": lambda: read(
        leaf(),
        key=ed25519.Ed25519PrivateKey.generate().private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        ),
    ),
}


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("read_bad", BAD.values(), ids=BAD.keys())
def test_an_svid_that_does_not_hold_is_refused(read_bad: Callable[[], X509Svid]) -> None:
    with pytest.raises(InvalidIdentityError):
        read_bad()


def test_a_key_that_is_refused_shows_in_no_traceback() -> None:
    secret = key_of(OTHER_KEY)
    with pytest.raises(InvalidIdentityError) as raised:
        read(leaf(), key=secret[:-9])
    shown = "".join(traceback.format_exception(raised.value))
    assert str(secret[:20]) not in shown
    assert "Traceback" in shown
    assert raised.value.__cause__ is None


def test_rsa_keys_of_2048_bits_will_do() -> None:
    key = rsa.generate_private_key(65537, 2048)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ROOT.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOON)
        .not_valid_after(NOON)
        .add_extension(names(str(WEB)), critical=True)
        .add_extension(USAGE, critical=True)
        .sign(ROOT_KEY, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert read(der(certificate), key=secret).key.reveal() == secret


@pytest.mark.parametrize("text", ["example.org", "spiffe://example.org"])
def test_a_trust_domain_in_either_of_its_spellings(text: str) -> None:
    assert x509_material.trust_domain(text) == "example.org"


@pytest.mark.parametrize(
    "text",
    [
        *("", "spiffe://", "Example.org", "SPIFFE://example.org", "spiffe://example.org/"),
        *("example.org/web", "spiffe://spiffe://example.org", "example.org:443", "a\0b", "a%62"),
    ],
)
def test_what_is_no_trust_domain_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentityError):
        x509_material.trust_domain(text)


def test_authorities_one_after_the_other() -> None:
    small = der(ROOT)
    big_key = rsa.generate_private_key(65537, 2048)
    big = der(
        x509.CertificateBuilder()
        .subject_name(ROOT.subject)
        .issuer_name(ROOT.subject)
        .public_key(big_key.public_key())
        .serial_number(1)
        .not_valid_before(NOON)
        .not_valid_after(NOON)
        .sign(big_key, hashes.SHA256())
    )
    assert x509_material.authorities(b"") == ()
    assert x509_material.authorities(small) == (small,)
    assert x509_material.authorities(small + big + small) == (small, big, small)


@pytest.mark.parametrize(
    "data",
    [
        *(b"\0", b"0", b"0\0", b"0\x03abc", b"0\x80" + b"\0" * 9, b"0\x85" + b"\0" * 9),
        *(b"0\x84\xff\xff\xff\xff", der(ROOT) + b"0", der(ROOT)[:-1], b"\0" + der(ROOT)),
        *(der(ROOT) + der(ROOT)[:-1], b"-----BEGIN CERTIFICATE-----"),
    ],
)
def test_what_is_not_a_row_of_certificates_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidIdentityError):
        x509_material.authorities(data)
