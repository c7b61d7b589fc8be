"""What a server says of itself counts for itself only, and sends secrets nowhere else."""

import json
from typing import Any

import pytest

from governd.errors import TokenRefusedError
from governd.tokens.metadata import ServerMetadata, locations, read

ISSUER = "https://login.example/realms/corp"
TOKENS = "https://login.example/realms/corp/token"


def document(**changes: Any) -> bytes:
    whole = {"issuer": ISSUER, "token_endpoint": TOKENS, **changes}
    return json.dumps({name: one for name, one in whole.items() if one is not ...}).encode()


def rule(document: bytes, issuer: str = ISSUER) -> str:
    """Which rule it breaks. The message names the place and quotes nothing."""
    with pytest.raises(TokenRefusedError, match=r"^metadata: ") as raised:
        read(document, issuer)
    assert "evil" not in str(raised.value)
    assert raised.value.__cause__ is None
    return raised.value.metadata["rule"]


def test_metadata_says_where_tokens_are_given_and_for_what() -> None:
    found = read(
        document(
            grant_types_supported=["client_credentials"],
            token_endpoint_auth_methods_supported=["private_key_jwt"],
            authorization_grant_profiles_supported=["urn:ietf:params:oauth:grant-profile:id-jag"],
            identity_chaining_requested_token_types_supported=["x"],
            more={"that": ["nobody", "knows"]},
        ),
        ISSUER,
    )
    assert found == ServerMetadata(
        issuer=ISSUER,
        token_endpoint=TOKENS,
        grant_types=frozenset({"client_credentials"}),
        client_authentication=frozenset({"private_key_jwt"}),
        grant_profiles=frozenset({"urn:ietf:params:oauth:grant-profile:id-jag"}),
        chaining_types=frozenset({"x"}),
    )


def test_what_a_server_does_not_say_is_not_known() -> None:
    found = read(document(), ISSUER)
    assert found == ServerMetadata(ISSUER, TOKENS, None, None, None, None)


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        (
            "https://login.example/realms/corp",
            (
                "https://login.example/.well-known/oauth-authorization-server/realms/corp",
                "https://login.example/.well-known/openid-configuration/realms/corp",
                "https://login.example/realms/corp/.well-known/openid-configuration",
            ),
        ),
        (
            "https://login.example",
            (
                "https://login.example/.well-known/oauth-authorization-server",
                "https://login.example/.well-known/openid-configuration",
            ),
        ),
        (
            "https://login.example/",
            (
                "https://login.example/.well-known/oauth-authorization-server",
                "https://login.example/.well-known/openid-configuration",
            ),
        ),
        (
            "http://127.0.0.1:8080/a/",
            (
                "http://127.0.0.1:8080/.well-known/oauth-authorization-server/a",
                "http://127.0.0.1:8080/.well-known/openid-configuration/a",
                "http://127.0.0.1:8080/a/.well-known/openid-configuration",
            ),
        ),
    ],
)
def test_metadata_is_looked_for_where_rfc_8414_and_openid_have_it(
    issuer: str, expected: tuple[str, ...]
) -> None:
    assert locations(issuer) == expected


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example/realms/evil",
        "https://login.example/realms/corp/",
        "https://login.example/realms/Corp",
        "https://LOGIN.example/realms/corp",
        "https://login.example:443/realms/corp",
        "http://login.example/realms/corp",
        "",
        None,
        ...,
        [ISSUER],
        {"issuer": ISSUER},
    ],
)
def test_attack_metadata_of_another_issuer(issuer: object) -> None:
    assert rule(document(issuer=issuer)) == "metadata"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/token",
        "https://login.example.evil/token",
        "https://login.example:8443/token",
        "https://login.example@evil.example/token",
        "https://evil.example#login.example",
        "https://evil.example\\@login.example/token",
        "https://login.example\\.evil.example/token",
        "https://login.example/token#fragment",
        "https://login.example/token\r\nHost: evil.example",
        "https://login.example/a b",
        "https://login.example/ä",
        "https://login.example:99999999/token",
        "//login.example/token",
        "/token",
        "file:///etc/passwd",
        "https://login.example/" + "a" * 2048,
        "",
        None,
        ...,
        5,
        [TOKENS],
    ],
)
def test_attack_a_token_endpoint_on_another_host(endpoint: object) -> None:
    assert rule(document(token_endpoint=endpoint)) == "metadata"


@pytest.mark.req("sec-2", part=True)
def test_attack_a_token_endpoint_without_tls() -> None:
    assert rule(document(token_endpoint="http://login.example/realms/corp/token")) == "metadata"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://login.example:443/token",
        "https://LOGIN.example/token",
        "https://login.example/token?tenant=a/b",
        "https://login.example",
    ],
)
def test_the_issuers_own_host_is_known_in_each_spelling(endpoint: str) -> None:
    assert read(document(token_endpoint=endpoint), ISSUER).token_endpoint == endpoint


@pytest.mark.parametrize(
    ("issuer", "endpoint"),
    [
        ("http://[::1]:8080", "http://[::1]:8080/token"),
        ("http://localhost", "http://localhost:80/token"),
    ],
)
def test_a_server_on_this_machine_may_have_a_port(issuer: str, endpoint: str) -> None:
    found = read(document(issuer=issuer, token_endpoint=endpoint), issuer)
    assert found.token_endpoint == endpoint


def test_an_issuer_that_is_no_url_has_no_host_to_be_on() -> None:
    assert rule(document(issuer="corp"), "corp") == "metadata"


@pytest.mark.parametrize(
    "listed",
    ["client_credentials", {"a": 1}, None, [1], [None], [["a"]], ["a" * 257], ["a"] * 257],
)
def test_a_list_that_is_none_is_refused(listed: object) -> None:
    assert rule(document(grant_types_supported=listed)) == "metadata"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"<html>evil</html>",
        b"\xff",
        document()[:-1],
        document()[:-1] + b', "issuer": "https://login.example/realms/corp"}',
        document()[:-1] + b', "token_endpoint": "https://evil.example/token"}',
        document(evil=float("nan")),
        document(evil=json.loads("[" * 50 + "]" * 50)),
        b'{"evil":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=[
        *("empty", "null", "list", "HTML", "no UTF-8", "cut", "issuer twice", "endpoint twice"),
        *("not a number", "deep", "deeper than the stack"),
    ],
)
def test_attack_a_document_that_two_readers_could_read_differently(text: bytes) -> None:
    assert rule(text) == "metadata"


def test_attack_a_huge_document() -> None:
    fits = document().ljust(256 << 10)
    assert read(fits, ISSUER).issuer == ISSUER
    assert rule(fits + b" ") == "too_large"


def test_what_is_of_the_largest_size_is_read() -> None:
    endpoint = "https://login.example/".ljust(2048, "a")
    assert read(document(token_endpoint=endpoint), ISSUER).token_endpoint == endpoint
    assert rule(document(token_endpoint=endpoint + "a")) == "metadata"
    deep = json.loads("[" * 7 + "]" * 7)
    assert read(document(deep=deep), ISSUER).issuer == ISSUER
    assert rule(document(deep=[deep])) == "metadata"
