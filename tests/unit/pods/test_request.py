"""What kubelet asks for is granted, and nothing beside it."""

import pytest

from governd.errors import RequestError
from governd.pods.request import Capability, PublishRequest, read_publish, read_unpublish
from tests.pod_volumes import (
    KUBELET,
    OTHER_POD,
    OTHER_UID,
    context,
    publish,
    target,
    volume,
    with_context,
)

PATH = target().path(KUBELET)


def refusal(request: PublishRequest) -> RequestError:
    with pytest.raises(RequestError) as refused:
        read_publish(request, KUBELET)
    return refused.value


def test_kubelets_request_is_a_volume_of_that_pod() -> None:
    found = read_publish(publish(), KUBELET)
    assert found == volume()
    assert found.target == target()


def test_two_volumes_of_a_pod_are_one_workload_under_two_names() -> None:
    one, two = (volume(name=name).workload() for name in ("a", "b"))
    assert one.name != two.name
    assert (one.selectors, one.facts) == (two.selectors, two.facts)
    assert one.spiffe_id is None


@pytest.mark.req("sa-4", part=True)
def test_attack_forged_pod_info_has_not_the_uid_of_the_target() -> None:
    """Its author wrote the pod information: no author knows the UID that the pod will get."""
    refused = refusal(publish(context=context(OTHER_POD)))
    assert refused.field == 'volume_context["csi.storage.k8s.io/pod.uid"]'
    assert "is not the UID in target_path" in str(refused)


@pytest.mark.req("sa-4", part=True)
def test_attack_a_publish_for_another_pods_uid() -> None:
    assert refusal(publish(target_path=target(OTHER_UID).path(KUBELET))).field.endswith('uid"]')


def test_attack_without_pod_info_nobody_is_believed() -> None:
    assert "podInfoOnMount" in str(refusal(publish(context=with_context(name=None))))


def test_attack_a_writable_volume() -> None:
    refused = refusal(publish(readonly=False))
    assert refused.field == "readonly"
    assert "set readOnly: true" in str(refused)


@pytest.mark.parametrize(
    ("capability", "field"),
    [
        (None, "volume_capability"),
        (Capability(directory=False), "volume_capability"),
        (Capability(options=("mount.fs_type",)), "volume_capability.mount.fs_type"),
        (Capability(options=("mount.mount_flags",)), "volume_capability.mount.mount_flags"),
        *((Capability(access_mode=n), "volume_capability.access_mode") for n in (0, 2, 3, 4, 5)),
        (Capability(access_mode=99), "volume_capability.access_mode"),
    ],
)
def test_another_use_of_the_volume_is_refused(capability: Capability | None, field: str) -> None:
    assert refusal(publish(capability=capability)).field == field


@pytest.mark.parametrize("name", ["secrets", "publish_context", "staging_target_path"])
def test_what_no_inline_volume_has_is_refused(name: str) -> None:
    refused = refusal(publish(unexpected=(name,)))
    assert refused.field == name
    assert "must be empty" in str(refused)


@pytest.mark.parametrize("volume_id", ["", "a" * 129, "a b", "a\n", "ä", "\x7f"])
def test_an_odd_volume_id_is_refused(volume_id: str) -> None:
    assert refusal(publish(volume_id=volume_id)).field == "volume_id"
    with pytest.raises(RequestError, match="volume_id"):
        read_unpublish(volume_id, PATH, KUBELET)


def test_an_unpublish_names_the_same_place() -> None:
    assert read_unpublish("csi-1", PATH, KUBELET) == target()


def test_attack_an_unpublish_outside() -> None:
    with pytest.raises(RequestError, match="target_path"):
        read_unpublish("csi-1", "/etc", KUBELET)


def test_a_request_shows_nothing_of_the_context() -> None:
    assert "writer-0" not in repr(publish())


def test_attack_an_authors_key_with_a_line_break_and_an_escape() -> None:
    """It goes into events, log lines and headers."""
    key = "a\nlevel=error \x1b[31m\u202e" + "x" * 1000
    refused = refusal(publish(context={**context(), key: "b"}))
    for said in (refused.field, str(refused)):
        assert said.isascii()
        assert said.isprintable()
        assert len(said) < 200
    assert refused.field.endswith('"]')
