"""What governd signs is for one server, for a minute, once."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import KeySet

from governd.identity import jose
from governd.identity.secret import Secret
from governd.tokens.assertion import Asked, client_assertion, grant_assertion
from governd.tokens.client_key import read_client_key
from tests.fakes.issued_tokens import AGENT, CLIENT, ISSUER, NOW, USER

KEY = read_client_key(
    Secret(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
)
ASKED = Asked(issuer=CLIENT, subject=USER, audience=ISSUER, actor=AGENT)


def claims(signed: Secret) -> dict[str, Any]:
    """As the server verifies them."""
    keys = KeySet.import_key_set(KEY.public_jwks())  # type: ignore[arg-type]  # a JWKS
    payload = jws.deserialize_compact(signed.reveal(), keys, [KEY.algorithm]).payload
    return dict(jose.read_object(payload))


def test_a_client_says_who_it_is_to_one_server() -> None:
    assert claims(client_assertion(KEY, CLIENT, ISSUER, now=NOW + 0.9, token_id="once")) == {
        "iss": CLIENT,
        "sub": CLIENT,
        "aud": ISSUER,
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        "jti": "once",
    }


def test_a_grant_names_the_user_and_the_agent_that_acts() -> None:
    assert claims(grant_assertion(KEY, ASKED, now=NOW, token_id="once")) == {
        "iss": CLIENT,
        "sub": USER,
        "aud": ISSUER,
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        "jti": "once",
        "act": {"sub": AGENT},
    }


@pytest.mark.req("r-3", part=True)
def test_attack_a_server_cannot_use_elsewhere_what_it_was_sent() -> None:
    found = claims(client_assertion(KEY, CLIENT, ISSUER, now=NOW, token_id="once"))
    assert found["aud"] == ISSUER, "a list of one would do; several would not"


def test_an_assertion_is_a_secret() -> None:
    signed = client_assertion(KEY, CLIENT, ISSUER, now=NOW, token_id="once")
    assert repr(signed) == "Secret(***)"
