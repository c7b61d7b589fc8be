"""Pods and their volumes, as kubelet would speak of them, for tests."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from governd.pods import pod as keys
from governd.pods.pod import Pod
from governd.pods.request import Capability, PublishRequest
from governd.pods.target import Target
from governd.pods.volume import Volume

KUBELET = "/var/lib/kubelet"
UID = "11111111-2222-4333-8444-555555555555"
OTHER_UID = "99999999-2222-4333-8444-555555555555"
POD = Pod("shop", "writer-0", UID, "writer")
OTHER_POD = Pod("shop", "writer-1", OTHER_UID, "writer")


def volume(pod: Pod = POD, name: str = "governd") -> Volume:
    """A volume of a pod."""
    return Volume(f"csi-{pod.uid}-{name}", name, pod)


def context(pod: Pod = POD) -> dict[str, str]:
    """What kubelet tells of a pod."""
    return {
        keys.NAMESPACE: pod.namespace,
        keys.NAME: pod.name,
        keys.UID: pod.uid,
        keys.SERVICE_ACCOUNT: pod.service_account,
        keys.EPHEMERAL: "true",
    }


def publish(of: Volume | None = None, **other: Any) -> PublishRequest:
    """What kubelet asks for, with something else in place of it."""
    of = of or volume()
    target_path = of.target.path(KUBELET)
    request = PublishRequest(of.id, target_path, True, Capability(), context(of.pod))
    return replace(request, **other)


def with_context(**other: str | None) -> Mapping[str, str]:
    """A volume context in which keys, without their prefix, have other values, or are gone."""
    short = {"name": keys.NAME, "namespace": keys.NAMESPACE, "uid": keys.UID}
    short |= {"service_account": keys.SERVICE_ACCOUNT, "ephemeral": keys.EPHEMERAL}
    made = {**context(), **{short[key]: value for key, value in other.items()}}
    return {key: value for key, value in made.items() if value is not None}


def target(uid: str = UID, name: str = "governd") -> Target:
    """Where a volume is."""
    return Target(uid, name)
