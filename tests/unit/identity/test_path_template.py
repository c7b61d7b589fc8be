"""IDs made of facts: only of facts, only whole ones, and never one of governd's own."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.identity.path_template import MAX_BYTES, PathTemplate
from governd.identity.spiffe_id import is_segment

PODS = PathTemplate.parse("/ns/{namespace}/sa/{service_account}")
SEGMENTS = st.text("abcdefghijklmnopqrstuvwxyzABC019._-", min_size=1, max_size=63).filter(
    lambda text: text not in {".", ".."}
)


def test_a_template_takes_facts_for_whole_segments() -> None:
    found = PODS.id_of("example.org", {"namespace": "shop", "service_account": "web", "pod": "x"})
    assert str(found) == "spiffe://example.org/ns/shop/sa/web"
    assert (PODS.fields, str(PODS)) == (
        ("namespace", "service_account"),
        "/ns/{namespace}/sa/{service_account}",
    )


@pytest.mark.parametrize("facts", [{}, {"namespace": "shop"}, {"service_account": "web"}])
def test_who_lacks_a_fact_has_no_id(facts: dict[str, str]) -> None:
    assert PODS.id_of("example.org", facts) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with"),
        ("ns/{namespace}", "begins with"),
        ("spiffe://example.org/{namespace}", "begins with"),
        ("/" + "x" * MAX_BYTES + "/{namespace}", "at most"),
        ("/x" * 16 + "/{namespace}", "at most 16 segments"),
        ("/", "segments of letters"),
        ("/ns//{namespace}", "segments of letters"),
        ("/ns/{namespace}/", "segments of letters"),
        ("/ns/../{namespace}", "segments of letters"),
        ("/ns/%41/{namespace}", "segments of letters"),
        ("/ns/\ud800/{namespace}", "segments of letters"),
        ("/ns/sa-{service_account}", "segments of letters"),
        ("/ns/{namespace}-{service_account}", "segments of letters"),
        ("/ns/{{namespace}}", "segments of letters"),
        ("/ns/{Namespace}", "segments of letters"),
        ("/ns/{}", "segments of letters"),
        ("/ns/{namespace}\n", "segments of letters"),
        ("/agent", "at least one"),
        ("/{namespace}/{namespace}", "each once"),
        ("/governd/{namespace}", "governd's own"),
    ],
)
def test_what_is_no_template_is_refused(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        PathTemplate.parse(text, field="identity.path_template")
    assert raised.value.field == "identity.path_template"


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "a/b", "../governd/server/n", "a%2fb", "a b", "a\0", "a\n", "é", "a?b", "a#b"],
)
def test_attack_a_fact_that_forges_a_path_is_refused_and_not_escaped(value: str) -> None:
    with pytest.raises(RequestError, match=r"facts\.service_account: expected a segment") as raised:
        PODS.id_of("example.org", {"namespace": "shop", "service_account": value})
    assert raised.value.field == "facts.service_account"


def test_attack_a_fact_that_makes_an_id_of_governds_own() -> None:
    template = PathTemplate.parse("/{namespace}/{service_account}/{pod}")
    facts = {"namespace": "governd", "service_account": "server", "pod": "node-1"}
    with pytest.raises(RequestError, match=r"facts\.namespace: expected none") as raised:
        template.id_of("example.org", facts)
    assert raised.value.field == "facts.namespace"


def test_an_id_that_is_too_long_is_refused() -> None:
    with pytest.raises(RequestError, match="at most 2048 bytes"):
        PODS.id_of("example.org", {"namespace": "n" * 2048, "service_account": "web"})


@pytest.mark.req("sa-4", part=True)
@given(st.text(max_size=20), st.text(max_size=20))
@example("governd", "server")
@example("a/../b", "x")
def test_whatever_the_facts_are_what_comes_out_has_the_templates_form(one: str, two: str) -> None:
    facts = {"namespace": one, "service_account": two}
    if not (is_segment(one) and is_segment(two)):
        with pytest.raises(RequestError):
            PODS.id_of("example.org", facts)
        return
    found = PODS.id_of("example.org", facts)
    assert found is not None
    assert SpiffeId.parse(str(found)) == found
    assert found.path.split("/") == ["", "ns", one, "sa", two]


@given(
    st.lists(st.sampled_from(["ns", "{a}", "{b}", "x.y"]), min_size=1, max_size=5),
    st.lists(SEGMENTS | st.just("governd"), min_size=4, max_size=4),
)
def test_two_workloads_share_an_id_only_if_their_facts_are_the_same(
    segments: list[str], values: list[str]
) -> None:
    try:
        template = PathTemplate.parse("/" + "/".join(segments))
        found = [
            template.id_of("example.org", {"a": a, "b": b}) for a, b in (values[:2], values[2:])
        ]
    except RequestError:
        return
    taken = [
        tuple(dict(zip("ab", pair, strict=True))[field] for field in template.fields)
        for pair in (values[:2], values[2:])
    ]
    assert (found[0] == found[1]) is (taken[0] == taken[1])
    assert all(one is not None and not one.path.startswith("/governd/") for one in found)
