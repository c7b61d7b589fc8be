"""A request has one spelling; what has two is refused, and nothing of it goes uncovered."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.delegation.binding import (
    BindingLevel,
    body_digest,
    canonical_uri,
    read_binding,
    read_body_digest,
    request_binding,
)
from governd.errors import RequestError
from tests.fakes.token_issuer import encode


def refused(method: str = "POST", uri: str = "https://a.example/", body: str | None = None) -> str:
    with pytest.raises(RequestError) as raised:
        request_binding(method, uri, body)
    return raised.value.field


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("https://a.example/mcp", "https://a.example/mcp"),
        ("HTTPS://A.Example/MCP", "https://a.example/MCP"),
        ("https://a.example", "https://a.example/"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("http://a.example:80/x", "http://a.example/x"),
        ("http://a.example:443/x", "http://a.example:443/x"),
        ("https://a.example:8443/x/", "https://a.example:8443/x/"),
        ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://a.example/%C3%A9", "https://a.example/%C3%A9"),
        ("https://a.example/pkg.Service/Method", "https://a.example/pkg.Service/Method"),
    ],
)
def test_a_uri_has_one_spelling(uri: str, canonical: str) -> None:
    assert canonical_uri(uri, field="uri") == (canonical, None)
    assert canonical_uri(canonical, field="uri") == (canonical, None)


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    "uri",
    [
        *(
            "",
            "a.example/",
            "//a.example/",
            "ftp://a.example/",
            "https:///x",
            "https://a.example/#",
        ),
        *("https://user@a.example/", "https://a.example:0/", "https://a.example:0443/"),
        *("https://a.example./", "https://-a.example/", "https://é.example/", "https://a b/"),
        *("https://a.example/../x", "https://a.example/./x", "https://a.example//x"),
        *("https://a.example/%41", "https://a.example/%2f", "https://a.example/%zz"),
        *("https://a.example/\\x", "https://a.example/a b", "https://a.example/é"),
        *("https://a.example/?a b", "https://a.example/?é", f"https://a.example/{'x' * 1024}"),
        *(f"https://a.example/?{'x' * 8193}", "https://a.example/\n", "https://a.example:123456/"),
    ],
)
def test_attack_a_uri_that_two_readers_could_take_differently(uri: str) -> None:
    assert refused(uri=uri) == "request.uri"


def test_the_query_counts_by_its_digest() -> None:
    plain, asked = (
        request_binding("GET", uri) for uri in ("https://a.example/x", "https://a.example/x?a=1")
    )
    assert (plain.uri, plain.query) == (asked.uri, None)
    assert asked.query == encode(hashlib.sha256(b"a=1").digest())
    assert request_binding("GET", "https://a.example/x?") == plain


@pytest.mark.parametrize("method", ["", "post", "POST ", "P" * 33, "GÉT"])
def test_a_method_is_in_upper_case(method: str) -> None:
    assert refused(method=method) == "request.method"


@pytest.mark.parametrize("digest", ["", "sha-256=:AA==:", "sha-512=:AA==:", "x"])
def test_a_body_s_digest_is_that_of_rfc_9530(digest: str) -> None:
    assert refused(body=digest) == "request.body_digest"


def test_a_digest_as_rfc_9530_prints_it() -> None:
    assert body_digest(b'{"hello": "world"}') == (
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    )


@given(st.binary())
def test_a_digest_is_read_as_it_is_written(body: bytes) -> None:
    assert read_body_digest(body_digest(body), "cdg") == body_digest(body)


def test_what_claims_state_is_what_a_request_is() -> None:
    body = body_digest(b"{}")
    came = request_binding("POST", "https://a.example/x?a=1", body)
    assert read_binding(came.method, came.uri, came.query, came.body) == came


def test_levels_go_from_loose_to_tight() -> None:
    names = ["UNSAFE_NONE", "CALLER", "REQUEST", "BODY"]
    assert [level.name for level in sorted(BindingLevel)] == names
