"""Selectors are read strictly; values that hold secrets hide them."""

import pytest

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.svid import JwtSvid, Selector, X509Svid
from tests.fakes.time import NOON

WEB = SpiffeId.parse("spiffe://example.org/web")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("unix:uid:0", "unix", "uid:0"),
        ("k8s:pod-label:app:web", "k8s", "pod-label:app:web"),
        ("a:b", "a", "b"),
    ],
)
def test_a_selector_is_a_type_and_a_value_that_may_have_colons(
    text: str, kind: str, value: str
) -> None:
    selector = Selector.parse(text)
    assert (selector.type, selector.value, str(selector)) == (kind, value, text)


@pytest.mark.parametrize(
    "text", ["", "unix", ":uid:0", "unix:", "unix:" + "a" * 4092, "k8s:a\x1b[2J", "k8s:a\nb"]
)
def test_what_is_no_selector_is_refused_and_named(text: str) -> None:
    with pytest.raises(RequestError, match=r"selectors\[0\]") as raised:
        Selector.parse(text, field="selectors[0]")
    assert raised.value.field == "selectors[0]"


def test_svids_hide_their_secrets() -> None:
    x509 = X509Svid(WEB, (b"leaf",), Secret(b"hidden"), "", NOON, NOON)
    jwt = JwtSvid(WEB, Secret(b"hidden"), "", NOON)
    assert "hidden" not in f"{x509!r} {x509} {jwt!r} {jwt}"
