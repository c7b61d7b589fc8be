"""Upstreams of every kind, and what two authorization servers know of who asks for them.

``corp`` issues the tokens, ``idp`` knows the users. governd is a client of both: it shows the
one its own JWT-SVID, and the other what it signs.
"""

import json

from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.tokens.client_key import ClientKey, read_client_key
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_checks import Client
from tests.fakes.token_issuer import TokenIssuer

CORP, IDP = "https://login.example/realms/corp", "https://idp.example"
OWN = SpiffeId.parse("spiffe://example.org/governd/server/node-1")
PLANNER, ROUTER = (f"spiffe://example.org/agent/{name}" for name in ("planner", "router"))
GOVERND = "governd"
CRM = "https://crm.example/mcp"
PERMIT = '@id("crm") permit (principal, action == Action::"token/exchange", resource);\n'
NAMED = f'agent_client = [{{agent = "{PLANNER}", client_id = "planner"}}]\n'
"""What ``corp`` calls an agent that is its client."""
_COMMON = 'authorization_server = "corp"\nscopes = ["read", "write"]\n'
_KEY = TokenIssuer(key_id="client")


def _upstream(name: str, grant: str, more: str = "") -> str:
    return (
        f'[[upstream]]\nname = "{name}"\nresource = "https://{name}.example/mcp"\n'
        f'grant = "{grant}"\n{_COMMON}{more}'
    )


SERVERS = (
    f'[[authorization_server]]\nname = "corp"\nissuer = "{CORP}"\nclient_id = "{GOVERND}"\n'
    'client_authentication = "jwt-spiffe"\nclient_key = "corp"\n'
    f'[[authorization_server]]\nname = "idp"\nissuer = "{IDP}"\nclient_id = "{GOVERND}"\n'
    'client_authentication = "private_key_jwt"\nclient_key = "corp"\n'
)
UPSTREAMS = "".join(
    (
        _upstream("crm", "token-exchange"),
        _upstream("files", "token-exchange"),
        _upstream("plain", "token-exchange", 'actor = "unsafe_none"\n'),
        _upstream("own", "token-exchange", 'actor = "governd"\n'),
        _upstream("direct", "token-exchange", f'client = "agent"\nactor = "client"\n{NAMED}'),
        _upstream("self", "token-exchange", 'subject = "agent"\n'),
        _upstream("mail", "id-jag", 'identity_provider = "idp"\n'),
        _upstream("hr", "jwt-bearer", f'users_from = ["{IDP}"]\n'),
        _upstream("jobs", "client-credentials"),
    )
)


def client_key() -> ClientKey:
    """The key with which governd signs."""
    return read_client_key(Secret(_KEY.key.as_pem(private=True)))


def acquaint(corp: AuthorizationServer, idp: AuthorizationServer, bundle: bytes) -> None:
    """Tells both servers whom they may believe; ``bundle`` verifies JWT-SVIDs."""
    keys = json.dumps(client_key().public_jwks()).encode()
    for server in (corp, idp):
        server.trust.bundles["example.org"] = bundle
        server.trust.issuers |= {IDP: idp.signer.key_set(), GOVERND: keys}
        server.trust.clients[GOVERND] = Client(GOVERND, keys=keys, spiffe_id=str(OWN))
        server.trust.clients["planner"] = Client("planner", spiffe_id=PLANNER)


def evidence_table(idp: AuthorizationServer) -> str:
    """The ``[[issuer]]`` of the manifest that knows the users."""
    key = "".join(f"{name} = {json.dumps(one)}\n" for name, one in idp.signer.jwk().items())
    return (
        f'[[issuer]]\nname = "idp"\nissuer = "{IDP}"\naudiences = ["{GOVERND}"]\n'
        f'kinds = ["id_token", "access_token"]\n[[issuer.key]]\n{key}'
    )
