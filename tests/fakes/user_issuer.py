"""An issuer of users' tokens that signs whatever a test asks for, the bad above all.

    idp = UserIssuer()
    good = idp.id_token()
    stolen = idp.id_token(aud="shop")
    unsigned = idp.id_token(header={"alg": "none"})

Every token is what it should be but for what the test changes.
"""

from collections.abc import Mapping
from typing import Any

from governd.policy.trusted import Issuer
from tests.fakes.time import NOON
from tests.fakes.token_issuer import TokenIssuer

ISSUER = "https://idp.example/realms/corp"
AUDIENCE = "governd"
CLIENT = "chat"
USER = "7f3c"
NOW = NOON.timestamp()


class UserIssuer(TokenIssuer):
    """An OpenID provider that is an authorization server, too."""

    def stated(self, **changes: object) -> Issuer:
        """The issuer as a policy source names it, by the keys at an address."""
        stated = {
            "name": "corp",
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "kinds": ["id_token", "access_token"],
            "jwks_uri": "https://idp.example/keys",
            **changes,
        }
        return Issuer.model_validate({name: one for name, one in stated.items() if one is not None})

    def id_token(self, header: Mapping[str, object] | None = None, /, **changes: object) -> str:
        """An ID token; ``changes`` are of its claims, ``None`` leaves one out."""
        return self.token(header, **{**self._common(), "nonce": "n", **changes})

    def access_token(self, header: Mapping[str, object] | None = None, /, **changes: object) -> str:
        """An access token in JWT form."""
        more = {"client_id": CLIENT, "jti": "token-1", "scope": "mail:read mail:send"}
        header = header or self.header(typ="at+jwt")
        return self.token(header, **{**self._common(), **more, **changes})

    def _common(self) -> dict[str, Any]:
        now = int(NOW)
        return {"iss": ISSUER, "sub": USER, "aud": AUDIENCE, "iat": now, "exp": now + 300}
