"""An authorization server is stated clearly, and never with a shared secret."""

from typing import Any

import pytest
from pydantic import ValidationError

from governd.policy.authorization_servers import AuthorizationServer

GOOD: dict[str, Any] = {
    "name": "corp",
    "issuer": "https://login.example.org/realms/a",
    "client_authentication": "private_key_jwt",
    "client_id": "governd",
    "client_key": "corp",
}
BY_SVID = {"client_authentication": "jwt-spiffe"}


def server(**parts: object) -> AuthorizationServer:
    members = {name: one for name, one in {**GOOD, **parts}.items() if one is not None}
    return AuthorizationServer.model_validate(members)


FINE: dict[str, dict[str, Any]] = {
    "one that maps the SPIFFE ID": {**BY_SVID, "client_id": None, "client_key": None},
    "one that wants the name, too": {**BY_SVID, "client_key": None},
    "one with a key for assertions": BY_SVID,
    "an address with a slash": {"issuer": "https://login.example.org/"},
    "an issuer on this machine": {"issuer": "http://localhost:8080/realms/a"},
    "an endpoint elsewhere": {"token_endpoint": "https://sts.example.net/token"},
    "a client that is an address": {"client_id": "https://governd.example.org/client"},
    "a client with a space": {"client_id": "our governd"},
}


@pytest.mark.parametrize("parts", FINE.values(), ids=FINE.keys())
def test_it_may_be(parts: dict[str, Any]) -> None:
    assert isinstance(server(**parts), AuthorizationServer)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"client_key": None}, "client_key: required with private_key_jwt"),
    "no client": ({"client_id": None}, "client_id: required with private_key_jwt"),
    "a name in capitals": ({"name": "Corp"}, "name"),
    "a key that is no name": ({"client_key": "/etc/key.pem"}, "client_key"),
    "plain HTTP": ({"issuer": "http://login.example.org"}, "issuer"),
    "an endpoint over plain HTTP": ({"token_endpoint": "http://a.example/t"}, "token_endpoint"),
    "an issuer with a query": ({"issuer": "https://login.example.org/?a=b"}, "issuer"),
    "an issuer with a fragment": ({"issuer": "https://login.example.org/#a"}, "issuer"),
    "an issuer with a user": ({"issuer": "https://a@login.example.org"}, "issuer"),
    "no issuer": ({"issuer": None}, "issuer"),
    "a client with a line end": ({"client_id": "governd\n"}, "client_id"),
    "a client that is empty": ({"client_id": ""}, "client_id"),
    "a client with a space before it": ({"client_id": " governd"}, "client_id"),
    "a long client": ({"client_id": "a" * 257}, "client_id"),
    "a client beyond ASCII": ({"client_id": "gövernd"}, "client_id"),
    "a shared secret": ({"client_authentication": "client_secret_basic"}, "client_authentication"),
    "nothing to prove who asks": ({"client_authentication": None}, "client_authentication"),
    "a secret in the file": ({"client_secret": "s"}, "client_secret"),
}


@pytest.mark.req("c-3", part=True)
@pytest.mark.parametrize(("parts", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_it_is_refused_with_its_field(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        server(**parts)
