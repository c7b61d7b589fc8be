"""Whatever comes as a volume context, a target path or a list of volumes: one error or a pod."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import RequestError
from governd.pods import pod as keys
from governd.pods.pod import Pod, is_label, is_subdomain, is_uid, read_pod
from governd.pods.request import Capability, PublishRequest, read_publish
from governd.pods.target import Target, read_target
from governd.pods.volume import Volume, read_volumes, write_volumes
from tests.pod_volumes import KUBELET, UID, context, target

PATH = target().path(KUBELET)
KEYS = st.sampled_from(sorted(context())) | st.text(max_size=40)
CONTEXTS = st.dictionaries(
    KEYS, st.sampled_from([*context().values(), ""]) | st.text(max_size=80), max_size=8
)
LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=63)
UIDS = st.uuids().map(str)
PODS = st.builds(Pod, namespace=LABEL, name=LABEL, uid=UIDS, service_account=LABEL)
IDS = st.text(string.ascii_letters, min_size=1, max_size=128)
VOLUMES = st.builds(Volume, id=IDS, name=LABEL, pod=PODS)
PIECES = st.lists(
    st.sampled_from(
        [*PATH.split("/"), "..", ".", "", "%2e", "\0", "a", "A", UID, UID.upper(), "mount "]
    )
    | st.text(max_size=5),
    max_size=12,
)


@given(CONTEXTS)
@example({**context(), keys.UID: "\ud800"})
def test_a_volume_context_is_a_pod_in_kubernetes_own_words_or_refused(
    found: dict[str, str],
) -> None:
    try:
        pod = read_pod(found)
    except RequestError as error:
        assert error.field in str(error)
        assert len(str(error)) < 300
        return
    assert set(found) == set(context())
    assert is_label(pod.namespace)
    assert is_subdomain(pod.name)
    assert is_subdomain(pod.service_account)
    assert is_uid(pod.uid)


@given(PIECES.map("/".join) | st.text())
@example(PATH)
def test_a_target_path_is_exactly_kubelets_or_refused(path: str) -> None:
    try:
        found = read_target(path, KUBELET)
    except RequestError as error:
        assert error.field == "target_path"
        return
    assert found.path(KUBELET) == path
    assert is_uid(found.uid)
    assert is_label(found.volume)
    assert ".." not in path


@given(UIDS, LABEL)
def test_every_pods_and_volumes_path_is_read_back(uid: str, name: str) -> None:
    assert read_target(Target(uid, name).path(KUBELET), KUBELET) == Target(uid, name)


@given(CONTEXTS, PIECES.map("/".join) | st.just(PATH), st.text(max_size=140), st.booleans())
def test_what_is_granted_is_for_the_pod_of_the_path(
    found: dict[str, str], path: str, volume_id: str, readonly: bool
) -> None:
    request = PublishRequest(volume_id, path, readonly, Capability(), found)
    try:
        volume = read_publish(request, KUBELET)
    except RequestError as error:
        assert error.field
        return
    assert readonly
    assert volume.target.path(KUBELET) == path
    assert volume.pod.uid == found[keys.UID]


@given(st.lists(VOLUMES, max_size=5, unique_by=lambda one: one.target))
def test_every_list_of_volumes_is_read_back(volumes: list[Volume]) -> None:
    assert set(read_volumes(write_volumes(volumes))) == set(volumes)


@given(st.binary(max_size=200) | st.lists(VOLUMES, max_size=2).map(write_volumes), st.binary())
def test_other_bytes_are_no_list_of_volumes(content: bytes, more: bytes) -> None:
    try:
        volumes = read_volumes(content + more)
    except ValueError:
        return
    assert write_volumes(volumes) == content + more
