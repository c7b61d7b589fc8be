"""A realm of Keycloak with a user, their front end, and governd as a client in three ways.

It says what an operator has to set for governd to get tokens there; docs/tokens.md tells
the same in words.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.keycloak_parts import Keycloak

REALM, USER, PASSWORD = "corp", "alice", "alice"
FRONT_END = "chat"
OLD_FRONT_END = "old-chat"
"""Its access tokens are as Keycloak has them where nobody sets anything."""
GOVERND = "governd"
"""Shows an assertion that it signs."""
GOVERND_SPIFFE = "governd-node"
"""Shows its JWT-SVID."""
UPSTREAM = "crm"
SIGNED_BY = "https://governd.example"
"""What governd calls itself where it vouches for users itself."""

_OPENID = {"protocol": "openid-connect"}


def create(server: Keycloak, *, jwks: bytes, bundle_uri: str, ids: Mapping[str, str]) -> None:
    """Creates the realm.

    Args:
        server: Where.
        jwks: governd's public key.
        bundle_uri: Where the trust bundle of the trust domain is, as SPIFFE has it.
        ids: SPIFFE IDs by the clients that they are; the agent is a client of that name.
    """
    spiffe = [_client(name, "federated-jwt", _federated(one)) for name, one in ids.items()]
    realm = {
        "realm": REALM,
        "enabled": True,
        "sslRequired": "none",
        "users": [_user()],
        "clientScopes": [_basic(), _scope("read"), _scope("write")],
        "defaultDefaultClientScopes": ["basic"],
        "clients": [
            _front_end(FRONT_END, [GOVERND, *ids], _rfc9068()),
            _front_end(OLD_FRONT_END, [GOVERND, *ids], {}),
            {"clientId": UPSTREAM, **_OPENID, "publicClient": False},
            _client(GOVERND, "client-jwt", _signing(jwks)),
            *spiffe,
        ],
        "identityProviders": [_trust_domain(bundle_uri)],
    }
    server.create("", realm)


def trust(server: Keycloak, alias: str, issuer: str, jwks_uri: str, sub: str) -> None:
    """Has the realm take grants of an issuer (RFC 7523, ID-JAG), which knows alice as ``sub``."""
    config = {
        "issuer": issuer,
        "useJwksUrl": "true",
        "jwksUrl": jwks_uri,
        "jwtAuthorizationGrantEnabled": "true",
    }
    path = f"/{REALM}/identity-provider/instances"
    provider = {"alias": alias, "providerId": "jwt-authorization-grant", "enabled": True}
    server.create(path, {**provider, "config": config})
    link = {"identityProvider": alias, "userId": sub, "userName": USER}
    server.create(f"/{REALM}/users/{user_id(server)}/federated-identity/{alias}", link)


def user_id(server: Keycloak) -> str:
    """Alice's ``sub`` in tokens of the realm."""
    (found,) = server.get(f"/{REALM}/users?username={USER}")
    return str(found["id"])


def log_in(server: Keycloak, front_end: str = FRONT_END) -> dict[str, Any]:
    """What a front end has once the user is logged in: an ID token, and an access token."""
    who = {"client_id": front_end, "username": USER, "password": PASSWORD}
    return server.token(REALM, grant_type="password", scope="openid", **who)


def _user() -> dict[str, Any]:
    return {
        "username": USER,
        "enabled": True,
        "email": "alice@example.org",
        "emailVerified": True,
        "firstName": "Alice",
        "lastName": "Example",
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
    }


def _front_end(name: str, clients: Sequence[str], more: Mapping[str, Any]) -> dict[str, Any]:
    mappers = [_audience(one) for one in clients]
    return {
        "clientId": name,
        **_OPENID,
        "publicClient": True,
        "directAccessGrantsEnabled": True,
        "attributes": more.get("attributes", {}),
        "protocolMappers": [*mappers, *more.get("protocolMappers", ())],
    }


def _rfc9068() -> dict[str, Any]:
    """What makes access tokens those of RFC 9068, so that governd takes them as evidence."""
    config = {"claim.name": "client_id", "claim.value": FRONT_END, "jsonType.label": "String"}
    return {
        "attributes": {"access.token.header.type.rfc9068": "true"},
        "protocolMappers": [_mapper("client_id", "oidc-hardcoded-claim-mapper", config)],
    }


def _client(name: str, authenticator: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    """A client that may exchange tokens, and have its own, for the upstream."""
    exchange = {"standard.token.exchange.enabled": "true"}
    return {
        "clientId": name,
        **_OPENID,
        "publicClient": False,
        "standardFlowEnabled": False,
        "serviceAccountsEnabled": True,
        "clientAuthenticatorType": authenticator,
        "optionalClientScopes": ["read", "write"],
        "attributes": {**exchange, **attributes},
        "protocolMappers": [_audience(UPSTREAM)],
    }


def _signing(jwks: bytes) -> dict[str, str]:
    """Of the client that signs; it may show grants of the issuers ``governd`` and ``idp``."""
    return {
        "use.jwks.string": "true",
        "jwks.string": jwks.decode(),
        "token.endpoint.auth.signing.alg": json.loads(jwks)["keys"][0]["alg"],
        "oauth2.jwt.authorization.grant.enabled": "true",
        "oauth2.jwt.authorization.grant.idp": "governd##idp",
    }


def _federated(spiffe_id: str) -> dict[str, str]:
    return {"jwt.credential.issuer": "spiffe", "jwt.credential.sub": spiffe_id}


def _trust_domain(bundle_uri: str) -> dict[str, Any]:
    domain = "spiffe://example.org"
    config = {"trustDomain": domain, "issuer": domain, "bundleEndpoint": bundle_uri}
    return {"alias": "spiffe", "providerId": "spiffe", "enabled": True, "config": config}


def _basic() -> dict[str, Any]:
    """Keycloak's own scope of this name; without it tokens have no ``sub``."""
    return {
        **_scope("basic", shown="false"),
        "protocolMappers": [_mapper("sub", "oidc-sub-mapper", {})],
    }


def _scope(name: str, shown: str = "true") -> dict[str, Any]:
    return {"name": name, **_OPENID, "attributes": {"include.in.token.scope": shown}}


def _audience(client: str) -> dict[str, Any]:
    """Access tokens are for this client; an ID token stays for the front end alone."""
    config = {"included.client.audience": client, "id.token.claim": "false"}
    return _mapper(f"for {client}", "oidc-audience-mapper", config)


def _mapper(name: str, kind: str, config: Mapping[str, str]) -> dict[str, Any]:
    config = {"access.token.claim": "true", **config}
    return {"name": name, **_OPENID, "protocolMapper": kind, "config": config}
