"""One spelling for one thing: a policy about a host or URI is not passed by another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.policy.canonical import check_service, check_uri
from governd.policy.question import parse_resource

SERVICES = [
    "api.example",
    "a",
    "xn--bcher-kva.example",
    "https://issuer.example/realms/a",
    "10.0.0.1",
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
}
URIS = [
    "file:///a/b",
    "file:///",
    "plain name",
    "a:b",
    "https://h/a%20b?q=1",
    "memo://x/",
    "x/../y",
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
