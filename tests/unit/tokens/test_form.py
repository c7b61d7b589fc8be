"""A request says exactly what is asked for, once each, and hides what is secret."""

from urllib.parse import parse_qsl

import pytest

from governd.errors import TokenRefusedError
from governd.identity.secret import Secret
from governd.tokens import words
from governd.tokens.form import (
    ClientProof,
    Form,
    Target,
    client_credentials,
    id_jag_request,
    jwt_bearer,
    token_exchange,
)
from governd.tokens.words import TypedToken

TARGET = Target("https://crm.example/mcp", "crm", ("read", "write"))
NOWHERE = Target(None, None, ())
USER = TypedToken(Secret(b"user-token"), words.ID_TOKEN)
AGENT = TypedToken(Secret(b"agent-svid"), words.JWT)
CLIENT = ClientProof("governd", words.ASSERTED_BY_JWT, Secret(b"signed"))
SPIFFE = ClientProof(None, words.ASSERTED_BY_SPIFFE, Secret(b"svid"))
OF_TARGET = {"resource": "https://crm.example/mcp", "audience": "crm", "scope": "read write"}
OF_CLIENT = {
    "client_id": "governd",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "client_assertion": "signed",
}


def sent(form: Form) -> dict[str, str]:
    """What a server reads; each parameter has to be there once (RFC 6749, section 3.2)."""
    pairs = parse_qsl(form.encode().reveal().decode("ascii"), keep_blank_values=True)
    assert [name for name, _ in pairs] == list(form.names)
    assert len(dict(pairs)) == len(pairs), "a parameter comes twice"
    return dict(pairs)


def test_an_exchange_names_the_user_the_agent_and_one_target() -> None:
    assert sent(token_exchange(TARGET, USER, AGENT, CLIENT)) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": "user-token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "actor_token": "agent-svid",
        "actor_token_type": "urn:ietf:params:oauth:token-type:jwt",
        **OF_TARGET,
        **OF_CLIENT,
    }


def test_an_actor_token_type_never_comes_without_an_actor_token() -> None:
    names = token_exchange(TARGET, USER, None, CLIENT).names
    assert not [name for name in names if name.startswith("actor")]


def test_what_is_not_stated_is_not_sent() -> None:
    names = token_exchange(NOWHERE, USER, None, SPIFFE).names
    assert set(names).isdisjoint({"resource", "audience", "scope", "client_id"})


def test_a_jwt_svid_is_a_proof_of_its_own_type() -> None:
    found = sent(client_credentials(TARGET, SPIFFE))
    assert found["client_assertion_type"] == (
        "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
    )
    assert found["client_assertion"] == "svid"


def test_an_id_jag_is_asked_for_with_the_users_id_token() -> None:
    target = Target("https://crm.example/mcp", "https://login.example", ("read",))
    found = sent(id_jag_request(target, USER, AGENT, CLIENT))
    assert found["requested_token_type"] == "urn:ietf:params:oauth:token-type:id-jag"
    assert found["audience"] == "https://login.example"
    assert found["resource"] == "https://crm.example/mcp"
    assert found["actor_token"] == "agent-svid"


@pytest.mark.parametrize("kind", [words.ACCESS_TOKEN, words.JWT, words.ID_JAG])
def test_attack_an_access_token_in_place_of_an_id_token_gets_no_id_jag(kind: str) -> None:
    with pytest.raises(TokenRefusedError, match="expected an ID token") as raised:
        id_jag_request(TARGET, TypedToken(USER.token, kind), None, CLIENT)
    assert raised.value.metadata == {"rule": "id_jag"}


def test_an_assertion_is_a_grant() -> None:
    assert sent(jwt_bearer(Secret(b"assertion"), TARGET, CLIENT)) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "assertion",
        **OF_TARGET,
        **OF_CLIENT,
    }


def test_a_client_asks_for_itself() -> None:
    assert sent(client_credentials(TARGET, CLIENT)) == {
        "grant_type": "client_credentials",
        **OF_TARGET,
        **OF_CLIENT,
    }


@pytest.mark.parametrize("evil", ["a&grant_type=password", "a=b&audience=bank", "a+b %26", "ä;\n"])
def test_attack_a_value_that_would_be_another_parameter(evil: str) -> None:
    found = sent(client_credentials(Target(None, evil, ()), CLIENT))
    assert found["audience"] == evil
    assert found["grant_type"] == "client_credentials"


def test_a_form_shows_no_secret() -> None:
    form = token_exchange(TARGET, USER, AGENT, CLIENT)
    for shown in (repr(form), str(form), f"{form}", repr(form.encode()), repr(USER), repr(CLIENT)):
        assert not any(secret in shown for secret in ("user-token", "agent-svid", "signed"))
    assert "subject_token=Secret(***)" in repr(form)
    assert "audience='crm'" in repr(form)
