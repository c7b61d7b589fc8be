"""What an SVID signs with is its key's to say. What every signer keeps: test_signer_contract."""

import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key

from governd.errors import InvalidIdentityError
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.svid import X509Svid
from governd.identity.svid_signer import signer_of
from tests.fakes.authority import NOON, Authority

SIGNER = "spiffe://example.org/governd/signer/node"


def svid(key: Key) -> X509Svid:
    issued = Authority("example.org").issue(SIGNER, key=key)
    return X509Svid(SpiffeId.parse(SIGNER), issued.chain, Secret(issued.key_der), "", NOON, NOON)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-384", "Ed25519"],
)
def test_a_key_of_another_kind_does_not_sign(key: Key) -> None:
    with pytest.raises(InvalidIdentityError, match=r"signer/node: expected a key of P-256 or RSA"):
        signer_of(svid(key), ())


def test_a_signer_cannot_be_pickled_with_its_key() -> None:
    made = signer_of(svid(ec.generate_private_key(ec.SECP256R1())), ())
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        pickle.dumps(made)


def test_signers_of_one_certificate_are_the_same() -> None:
    of = svid(ec.generate_private_key(ec.SECP256R1()))
    assert signer_of(of, ()) == signer_of(of, ())
