"""One spelling for one thing: a policy about a host or URI is not passed by another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.policy.canonical import MAX_AUDIENCE_BYTES, check_service, check_uri, service_of
from governd.policy.question import parse_resource

SERVICES = [
    "api.example",
    "a",
    "xn--bcher-kva.example",
    "https://issuer.example/realms/a",
    "10.0.0.1",
    "spiffe://example.org/ns/shop/sa/web",
    "audience:api://AzureADTokenExchange",
    "audience:My Service",
    "audience:audience:x",
]
OTHER_SERVICES = {
    "upper case": "API.example",
    "a trailing dot": "api.example.",
    "a port": "api.example:443",
    "a confusable": "\u0430pi.example",
    "an escape": "%61pi.example",
    "an empty label": "api..example",
    "a leading hyphen": "-api.example",
    "a space": "api.example ",
    "a path": "api.example/x",
    "an upper-case host in a URI": "https://API.example/x",
    "a SPIFFE ID with a trailing slash": "spiffe://example.org/web/",
    "a SPIFFE ID with a query": "spiffe://example.org/web?x",
    "a host name as an audience": "audience:api.example",
    "a URI as an audience": "audience:https://issuer.example/realms/a",
    "another spelling as an audience": "audience:https://ISSUER.example",
    "a SPIFFE ID as an audience": "audience:SPIFFE://example.org/governd",
    "an empty audience": "audience:",
    "an audience with a control character": "audience:a\tb",
}
URIS = [
    "file:///a/b",
    "file:///",
    "plain name",
    "a:b",
    "https://h/a%20b?q=1",
    "memo://x/",
    "x/../y",
    "https://h:8443/a",
    "http://h:443",
    "https://h:80/a.",
    "https://[::443]/",
    "memo://h.:443/x",
]
OTHER_URIS = {
    "upper-case scheme": "FILE:///a",
    "a dot segment": "file:///./a",
    "two dots": "file:///a/../b",
    "a last dot segment": "file:///a/..",
    "an empty segment": "file:///a//b",
    "an escaped letter": "file:///%73ecret",
    "an escaped dot": "file:///%2E%2E/a",
    "an escaped slash": "file:///a%2Fb",
    "lower-case digits": "file:///a%3a",
    "half an escape": "file:///a%2",
    "a backslash": "file:///a\\b",
    "the scheme's own port": "https://h:443/a",
    "the same of http": "http://h:80",
    "an empty port": "https://h:/a",
    "a port with a leading zero": "https://h:08443/a",
    "a host with a trailing dot": "https://h.example./a",
    "the same before a port": "http://h.example.:8080/a",
    "the scheme's own port after an address": "https://[::1]:443/",
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_in_its_one_spelling_is_accepted(name: str) -> None:
    assert parse_resource("external_service", name).id == name


@pytest.mark.parametrize("name", OTHER_SERVICES.values(), ids=OTHER_SERVICES.keys())
def test_another_spelling_of_a_service_is_refused(name: str) -> None:
    with pytest.raises(RequestError) as refusal:
        parse_resource("external_service", name)
    assert refusal.value.field == "resource.id"


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_in_its_one_spelling_is_accepted(uri: str) -> None:
    assert parse_resource("resource", f"files/{uri}").id == f"files/{uri}"


@pytest.mark.parametrize("uri", OTHER_URIS.values(), ids=OTHER_URIS.keys())
def test_another_spelling_of_a_uri_is_refused(uri: str) -> None:
    with pytest.raises(RequestError) as refusal:
        parse_resource("resource", f"files/{uri}")
    assert refusal.value.field == "resource.id"


@given(st.text(max_size=60))
def test_any_text_is_accepted_or_refused(text: str) -> None:
    for check in (check_service, check_uri):
        try:
            check(text, field="resource.id")
        except RequestError as refusal:
            assert refusal.field == "resource.id"


@pytest.mark.parametrize(
    ("audience", "service"),
    [
        ("bank", "bank"),
        ("sts.amazonaws.com", "sts.amazonaws.com"),
        ("https://issuer.example/realms/a", "https://issuer.example/realms/a"),
        ("spiffe://example.org/web", "spiffe://example.org/web"),
        ("TESTING", "audience:TESTING"),
        ("api://AzureADTokenExchange", "audience:api://AzureADTokenExchange"),
        ("//iam.example/projects/1", "audience://iam.example/projects/1"),
        ("urn:example:api", "audience:urn:example:api"),
        ("bank:443", "audience:bank:443"),
        ("audience:bank", "audience:audience:bank"),
        ("audience:TESTING", "audience:audience:TESTING"),
    ],
)
def test_an_audience_is_one_service(audience: str, service: str) -> None:
    assert service_of(audience, field="audience") == service
    check_service(service, field="resource.id")


BAD_AUDIENCES = {
    "nothing": "",
    "too long": "x" * (MAX_AUDIENCE_BYTES + 1),
    "a space before": " bank",
    "a space behind": "bank ",
    "a control character": "ba\0nk",
    "a letter outside of ASCII": "b\u0430nk",
    "an address in capitals": "HTTPS://issuer.example",
    "a host in capitals": "http://Issuer.example",
    "an address without a host": "https:issuer.example",
    "dots in an address": "https://issuer.example/a/../b",
    "no SPIFFE ID": "spiffe://example.org//web",
    "a SPIFFE ID in capitals": "Spiffe://example.org/web",
}


@pytest.mark.parametrize("audience", BAD_AUDIENCES.values(), ids=BAD_AUDIENCES.keys())
def test_another_spelling_of_an_address_is_no_audience(audience: str) -> None:
    with pytest.raises(RequestError) as refusal:
        service_of(audience, field="audience")
    assert refusal.value.field == "audience"


AUDIENCES = st.text(st.characters(max_codepoint=0x7F), max_size=40) | st.builds(
    str.__add__, st.sampled_from(["audience:", "https://", "spiffe://", "api://"]), st.text("a./A:")
)


@given(AUDIENCES, AUDIENCES)
def test_two_audiences_are_never_one_service(one: str, other: str) -> None:
    services = []
    for audience in (one, other):
        try:
            services.append(service_of(audience, field="audience"))
        except RequestError:
            return
        check_service(services[-1], field="resource.id")
    assert (services[0] == services[1]) == (one == other)
