"""JWT-SVIDs from an authority in memory, for development.

Follows the JWT-SVID standard, sections 2, 3 and 6
(https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md), with ES256 (RFC 7518,
section 3.4).
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from joserfc import jws
from joserfc.jwk import ECKey

from governd.identity import SpiffeId, jwt_material
from governd.identity.svid import JwtSvid

LIFETIME = timedelta(minutes=5)
_ALGORITHM = "ES256"


class JwtAuthority:
    """Signs the JWT-SVIDs of one trust domain. Its key shows nowhere."""

    def __init__(self) -> None:
        """Makes a fresh key, named by its thumbprint (RFC 7638, section 3)."""
        self._key = ECKey.generate_key("P-256")
        self._id = self._key.thumbprint()

    def key_set(self) -> bytes:
        """What verifies them, a JWKS."""
        public = {**self._key.as_dict(private=False), "kid": self._id, "alg": _ALGORITHM}
        return jwt_material.key_set(json.dumps({"keys": [public]}).encode())

    def issue(self, spiffe_id: SpiffeId, audiences: Sequence[str], now: datetime) -> JwtSvid:
        """A JWT-SVID for these audiences that counts from ``now``."""
        issued = int(now.timestamp())
        claims = {
            "sub": str(spiffe_id),
            "aud": list(audiences),
            "iat": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
        }
        header = {"alg": _ALGORITHM, "kid": self._id, "typ": "JWT"}
        token = jws.serialize_compact(header, json.dumps(claims), self._key)
        return jwt_material.jwt_svid(spiffe_id, token, audiences)
