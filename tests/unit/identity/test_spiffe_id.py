"""Rules of the SPIFFE ID standard, section 2, one by one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.identity import SpiffeId

GOOD = [
    "spiffe://example.org",
    "spiffe://example.org/agent/writer",
    "spiffe://a/b",
    "spiffe://td_1.example-2.org/ns/default/sa/x",
    "spiffe://192.0.2.1/x",
    "spiffe://example.org/A.b_C-9",
    "spiffe://example.org/...",
    "spiffe://example.org/.hidden",
    "spiffe://" + "d" * 255 + "/x",
    "spiffe://example.org/" + "x" * (2048 - len("spiffe://example.org/")),
]

BAD = {
    "empty": "",
    "no scheme": "example.org/agent",
    "other scheme": "https://example.org/agent",
    "upper-case scheme": "SPIFFE://example.org/agent",
    "scheme alone": "spiffe://",
    "no trust domain": "spiffe:///agent",
    "one slash": "spiffe:/example.org/agent",
    "upper-case trust domain": "spiffe://Example.org/agent",
    "port": "spiffe://example.org:443/agent",
    "empty port": "spiffe://example.org:/agent",
    "user info": "spiffe://root@example.org/agent",
    "user info with password": "spiffe://root:pw@example.org/agent",
    "query": "spiffe://example.org/agent?x=1",
    "query of the trust domain": "spiffe://example.org?x=1",
    "fragment": "spiffe://example.org/agent#x",
    "fragment of the trust domain": "spiffe://example.org#x",
    "percent encoding": "spiffe://example.org/%61gent",
    "percent encoding of the trust domain": "spiffe://%65xample.org/agent",
    "encoded slash": "spiffe://example.org/a%2fb",
    "NUL": "spiffe://example.org/agent\0",
    "NUL before another suffix": "spiffe://example.org/agent\0/admin",
    "NUL in the trust domain": "spiffe://example.org\0.evil.org/agent",
    "parent segment": "spiffe://example.org/agent/../admin",
    "current segment": "spiffe://example.org/./agent",
    "parent segment at the end": "spiffe://example.org/agent/..",
    "trailing slash": "spiffe://example.org/agent/",
    "slash alone": "spiffe://example.org/",
    "double slash": "spiffe://example.org//agent",
    "double slash inside": "spiffe://example.org/agent//writer",
    "backslash": "spiffe://example.org\\agent",
    "leading space": " spiffe://example.org/agent",
    "trailing newline": "spiffe://example.org/agent\n",
    "newline after the trust domain": "spiffe://example.org\n/agent",
    "space": "spiffe://example.org/a gent",
    "letters that look alike": "spiffe://example.org/аgent",
    "digits of another script": "spiffe://example.org/agent٣",
    "trust domain of another script": "spiffe://exаmple.org/agent",
    "long trust domain": "spiffe://" + "d" * 256 + "/x",
    "2049 bytes": "spiffe://example.org/" + "x" * (2049 - len("spiffe://example.org/")),
    "surrogate": "spiffe://example.org/\ud800",
}


@pytest.mark.parametrize("text", GOOD)
def test_a_canonical_id_is_taken_and_kept(text: str) -> None:
    assert str(SpiffeId.parse(text)) == text


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as refusal:
        SpiffeId.parse(text)
    assert refusal.value.reason == "REQUEST_INVALID"


def test_the_error_names_the_field_and_not_the_text() -> None:
    with pytest.raises(RequestError, match=r"^subject\.id: ") as refusal:
        SpiffeId.parse("spiffe://example.org/s3cr3t?", field="subject.id")
    assert refusal.value.field == "subject.id"
    assert "s3cr3t" not in str(refusal.value)


def test_parts_are_trust_domain_and_path() -> None:
    identity = SpiffeId.parse("spiffe://example.org/ns/acme/sa/bot")
    assert (identity.trust_domain, identity.path) == ("example.org", "/ns/acme/sa/bot")
    assert SpiffeId.parse("spiffe://example.org").path == ""


@pytest.mark.parametrize(
    ("prefix", "covered"),
    [
        ("spiffe://td/ns/acme", True),
        ("spiffe://td/ns/acme/", True),
        ("spiffe://td/ns/acme/sa/x", True),
        ("spiffe://td", True),
        ("spiffe://td/ns/acm", False),
        ("spiffe://td/ns/acme/sa/xy", False),
        ("spiffe://t", False),
        ("spiffe://other", False),
    ],
)
def test_a_prefix_ends_at_a_segment(prefix: str, covered: bool) -> None:
    assert SpiffeId.parse("spiffe://td/ns/acme/sa/x").is_under(prefix) is covered


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        ("spiffe://td/ns/acme/sa/x", "acme"),
        ("spiffe://td/ns/acme", "acme"),
        ("spiffe://td/ns", ""),
        ("spiffe://td/agent/ns/acme", ""),
        ("spiffe://td", ""),
    ],
)
def test_the_namespace_comes_from_a_kubernetes_path_only(text: str, namespace: str) -> None:
    assert SpiffeId.parse(text).namespace == namespace


NEAR_MISSES = st.text(alphabet="spiffe:/aZ0.-_%@?#\0\\ é", max_size=60).map("spiffe://".__add__)


@given(st.one_of(st.text(max_size=80), NEAR_MISSES))
@example("spiffe://a/.")
def test_a_text_is_kept_as_it_is_or_refused(text: str) -> None:
    try:
        identity = SpiffeId.parse(text)
    except RequestError:
        return
    assert str(identity) == text
    assert SpiffeId(identity.trust_domain, identity.path) == identity
