"""Which pod kubelet named, and that nobody else can name one."""

import pytest

from governd.errors import RequestError
from governd.pods.pod import FACTS, read_pod
from tests.pod_volumes import POD, context, with_context

LONG = "a" * 64


@pytest.mark.req("sa-4", part=True)
def test_the_pod_is_the_one_that_kubelet_names() -> None:
    assert read_pod(context()) == POD


@pytest.mark.req("sa-4", part=True)
def test_selectors_are_those_of_spires_kubernetes_attestor() -> None:
    assert [str(one) for one in POD.selectors()] == [
        "k8s:ns:shop",
        "k8s:sa:writer",
        "k8s:pod-name:writer-0",
        "k8s:pod-uid:11111111-2222-4333-8444-555555555555",
    ]


def test_its_facts_are_what_kubelet_told() -> None:
    assert POD.facts() == {
        "namespace": "shop",
        "service_account": "writer",
        "pod_name": "writer-0",
        "pod_uid": "11111111-2222-4333-8444-555555555555",
    }
    assert set(POD.facts()) == FACTS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("namespace", "Shop"),
        ("namespace", "shop.eu"),
        ("namespace", LONG),
        ("namespace", "-shop"),
        ("namespace", "shop/../other"),
        ("namespace", "shop\n"),
        ("namespace", "shоp"),  # a Cyrillic letter
        ("name", "writer_0"),
        ("name", "writer..0"),
        ("name", ".writer"),
        ("name", "a." * 126 + "ab"),
        ("uid", "11111111222243338444555555555555"),
        ("uid", "11111111-2222-4333-8444-55555555555A"),
        ("uid", "11111111-2222-4333-8444-55555555555"),
        ("uid", "11111111-2222-4333-8444-555555555555 "),
        ("uid", "../11111111-2222-4333-8444-555555555555"),
        ("service_account", "Writer"),
        ("service_account", "writer:admin"),
        ("service_account", "writer,k8s:sa:admin"),
    ],
)
def test_a_name_that_kubernetes_would_not_give_is_refused(key: str, value: str) -> None:
    with pytest.raises(RequestError, match="must be a") as refusal:
        read_pod(with_context(**{key: value}))
    assert refusal.value.field.startswith('volume_context["csi.storage.k8s.io/')


def test_a_static_pod_is_refused_its_uid_is_none_of_the_api_servers() -> None:
    with pytest.raises(RequestError, match="as the API server makes them"):
        read_pod(with_context(uid="0123456789abcdef0123456789abcdef"))


@pytest.mark.parametrize("key", ["namespace", "name", "uid", "service_account"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named_with_the_likely_reason(key: str, value: str | None) -> None:
    with pytest.raises(RequestError, match="is missing: does the CSIDriver object say") as refusal:
        read_pod(with_context(**{key: value}))
    assert refusal.value.field in str(refusal.value)


@pytest.mark.parametrize("value", [None, "", "True", "false", "true "])
def test_a_volume_that_is_not_inline_is_refused(value: str | None) -> None:
    with pytest.raises(RequestError, match="inline volumes only"):
        read_pod(with_context(ephemeral=value))


@pytest.mark.parametrize(
    "key",
    [
        "socket",
        "spiffe_id",
        "csi.storage.k8s.io/pod.name ",
        "CSI.storage.k8s.io/pod.uid",
        "csi.storage.k8s.io/serviceAccount.tokens",
        "",
    ],
)
def test_attack_an_attribute_of_the_author(key: str) -> None:
    with pytest.raises(RequestError, match="takes no attributes") as refusal:
        read_pod({**context(), key: "a secret"})
    assert "a secret" not in str(refusal.value)


def test_a_key_of_any_length_makes_a_short_message() -> None:
    with pytest.raises(RequestError) as refusal:
        read_pod({**context(), "k" * 100_000: "x"})
    assert len(str(refusal.value)) < 200
