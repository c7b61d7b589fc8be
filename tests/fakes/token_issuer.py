"""An issuer of tokens that signs whatever a test asks for, the bad above all.

    issuer = TokenIssuer()
    good = issuer.token()
    expired = issuer.token(exp=NOON.timestamp() - 1)
    unsigned = issuer.token(header={"alg": "none"})
    verify_jwt_svid(good, "bank", {"example.org": issuer.key_set()}, NOON)

Every token is what a JWT-SVID should be but for what the test changes.
"""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.fakes.time import NOON

WEB = "spiffe://example.org/web"
AUDIENCE = "bank"
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@cache
def rsa_key(bits: int) -> RSAKey:
    """A key that is made once: that takes long."""
    return RSAKey.generate_key(bits)


def encode(part: object) -> str:
    """Base64url of bytes, or of what JSON writes."""
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class TokenIssuer:
    """Signs with one key.

    Attributes:
        algorithm: Of its signatures.
        key_id: Its key's ``kid``.
        key: Its key.
    """

    def __init__(self, algorithm: str = "ES256", key_id: str = "key-1") -> None:
        """Makes a fresh key, or takes an RSA key that others may have, too."""
        self.algorithm = algorithm
        self.key_id = key_id
        curve = _CURVES.get(algorithm)
        self.key = ECKey.generate_key(curve) if curve else rsa_key(2048)

    def jwk(self, **changes: object) -> dict[str, Any]:
        """The public key; ``changes`` with ``None`` leave something out."""
        whole = {**self.key.as_dict(private=False), "kid": self.key_id, **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def key_set(self, *more: Mapping[str, object], **changes: object) -> bytes:
        """A JWKS with the public key, and ``more``."""
        return json.dumps({"keys": [self.jwk(**changes), *more]}).encode()

    def header(self, **changes: object) -> dict[str, Any]:
        """A JWT-SVID's header."""
        return {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT", **changes}

    def claims(self, **changes: object) -> dict[str, Any]:
        """A JWT-SVID's claims; ``changes`` with ``None`` leave something out."""
        now = int(NOON.timestamp())
        whole = {"sub": WEB, "aud": [AUDIENCE], "iat": now, "exp": now + 300, **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, header: Mapping[str, object] | None = None, /, **changes: object) -> str:
        """A signed token; ``changes`` are of its claims."""
        signed = f"{encode(header or self.header())}.{encode(self.claims(**changes))}"
        return self.signed(signed)

    def signed(self, signed: str) -> str:
        """Any two parts, signed."""
        algorithm = jws.JWSRegistry.algorithms[self.algorithm]
        return f"{signed}.{encode(algorithm.sign(signed.encode(), self.key))}"
