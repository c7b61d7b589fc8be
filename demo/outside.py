"""What is not on the node: who knows the users, who issues tokens, and a service of theirs.

The policy source names them; governd asks over HTTPS, as it does anywhere.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from spiffe import WorkloadApiClient

from demo import tickets
from demo.authorization_server import AuthorizationServer
from demo.tls import Tls

IDP = "https://idp.example.org"
GOVERND = "spiffe://example.org/governd/server/"
UPSTREAM = "tickets"

CONFIG = """
[issuers]
networks = ["127.0.0.0/8", "::1/128"]
ca_file = "{authorities}"
"""
_MANIFEST = """
# Who knows the users. Its key is thrown away with the demo.
[[issuer]]
name = "demo"
issuer = "{idp}"
audiences = ["demo"]
kinds = ["id_token"]
algorithms = ["ES256"]

[[issuer.key]]
{key}

# Who issues tokens for the tickets. governd shows it an SVID: there is no secret.
[[authorization_server]]
name = "accounts"
issuer = "{issuer}"
client_authentication = "jwt-spiffe"

[[upstream]]
name = "{upstream}"
resource = "{resource}"
authorization_server = "accounts"
grant = "token-exchange"
actor = "agent"
scopes = ["{scope}"]
max_lifetime_seconds = 300
"""
_POLICY_FILE = "policies/tokens.cedar"
_POLICY = """\
// The reader may get at the tickets of whom it acts for, and at nobody else's.
@id("tokens/tickets-of-its-user")
permit (
  principal == Agent::"spiffe://example.org/agent/reader",
  action == Action::"token/exchange",
  resource == ExternalService::"{resource}"
)
when {{ context has delegation }};
"""


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@dataclass(frozen=True)
class Outside:
    """Servers on this machine that stand for others.

    Attributes:
        tls: Certifies them.
        key: Signs what proves who a user is.
    """

    tls: Tls
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "demo"}))
    _accounts: socket.socket = field(default_factory=_listening)
    _tickets: socket.socket = field(default_factory=_listening)
    _issued: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        """Who issues tokens for the tickets."""
        return f"https://localhost:{self._accounts.getsockname()[1]}"

    @property
    def resource(self) -> str:
        """Where the tickets are."""
        return f"https://localhost:{self._tickets.getsockname()[1]}/mcp"

    def login(self, user: str) -> str:
        """An ID token, as a user's identity provider issues it."""
        now = int(time.time())
        claims = {"iss": IDP, "sub": user, "aud": "demo", "iat": now, "exp": now + 600}
        return jwt.encode({"alg": "ES256", "kid": "demo", "typ": "JWT"}, claims, self.key)

    @property
    def issued(self) -> int:
        """How many tokens were issued."""
        return len(self._issued)

    def join(self, policy: Path) -> None:
        """Names them in a policy source, and says there who may get at them."""
        public = self.key.as_dict(private=False)
        named = _MANIFEST.format(
            idp=IDP,
            key="\n".join(f'{name} = "{value}"' for name, value in public.items()),
            issuer=self.issuer,
            upstream=UPSTREAM,
            resource=self.resource,
            scope=tickets.SCOPE,
        )
        manifest = policy / "manifest.toml"
        files = manifest.read_text().replace("files = [", f'files = [\n  "{_POLICY_FILE}",')
        manifest.write_text(files + named)
        (policy / _POLICY_FILE).write_text(_POLICY.format(resource=self.resource))

    @contextmanager
    def serving(self, governd: Path) -> Iterator[None]:
        """Both servers; agents are known by the keys that SPIFFE's Workload API tells.

        Args:
            governd: Its socket for one workload; it need not be there yet.
        """
        server = AuthorizationServer(
            self.issuer,
            resource=self.resource,
            scopes=frozenset({tickets.SCOPE}),
            users=(IDP, KeySet([self.key])),
            workloads=lambda: _workload_keys(governd),
            client=GOVERND,
            issued=self._issued,
        )
        app = tickets.app(self.issuer, server.keys, self.resource)
        with (
            self.tls.serving(server.app(), self._accounts),
            self.tls.serving(app, self._tickets),
        ):
            yield


def _workload_keys(governd: Path) -> KeySet:
    with WorkloadApiClient(f"unix://{governd}") as workload_api:
        (bundle,) = workload_api.fetch_jwt_bundles().bundles
    keys = bundle.jwt_authorities.items()
    pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return KeySet([ECKey.import_key(key.public_bytes(*pem), {"kid": name}) for name, key in keys])
