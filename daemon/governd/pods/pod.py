"""The pod that a volume is for, in kubelet's words.

Kubelet puts these words into the volume context of a publish where the CSIDriver object says
``podInfoOnMount``, over whatever the pod's author wrote there
(https://kubernetes-csi.github.io/docs/pod-info.html). Where it does not say so, the author's
own words arrive. They are told apart by the UID: the API server makes it up after the author
has written, and ``request`` compares it with that of the target path, which kubelet alone
chooses. So pod information that was forged has the wrong UID, or none.

Invariants:
    * A pod's names and UID are in the one form that Kubernetes gives them: no two texts, and
      no two pods, are taken for one.
    * There is no key of an author's that is taken.

Pods that kubelet has from a file on its node ("static pods") are refused: their UID has
another form, the API server never made it, and nobody but who wrote the file vouches for the
names in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from governd.identity.svid import Selector
from governd.pods.refusal import refuse

CONTEXT = "volume_context"
_PREFIX = "csi.storage.k8s.io/"
NAMESPACE = f"{_PREFIX}pod.namespace"
NAME = f"{_PREFIX}pod.name"
UID = f"{_PREFIX}pod.uid"
SERVICE_ACCOUNT = f"{_PREFIX}serviceAccount.name"
EPHEMERAL = f"{_PREFIX}ephemeral"
FACTS = frozenset({"namespace", "service_account", "pod_name", "pod_uid"})
"""What is known of every pod; see ``Pod.facts``."""
_KEYS = frozenset({NAMESPACE, NAME, UID, SERVICE_ACCOUNT, EPHEMERAL})

_ATTESTOR = "k8s"
_KEY_CHARS = 64
_MAX_LABEL = 63
_MAX_SUBDOMAIN = 253
# RFC 1123, as https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ has it.
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_LABEL_FORM = re.compile(_LABEL, re.ASCII)
_SUBDOMAIN_FORM = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_UID_FORM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def is_label(text: str) -> bool:
    """Whether ``text`` is a DNS label: names of namespaces, and of volumes within a pod."""
    return len(text) <= _MAX_LABEL and _LABEL_FORM.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether ``text`` is a DNS subdomain: names of pods and service accounts."""
    return len(text) <= _MAX_SUBDOMAIN and _SUBDOMAIN_FORM.fullmatch(text) is not None


def is_uid(text: str) -> bool:
    """Whether ``text`` is a UID as the API server makes them: a UUID in lower case."""
    return _UID_FORM.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of this node.

    Attributes:
        namespace: A DNS label.
        name: A DNS subdomain. Another pod may have it tomorrow.
        uid: Never another pod's.
        service_account: A DNS subdomain.
    """

    namespace: str
    name: str
    uid: str
    service_account: str

    def selectors(self) -> tuple[Selector, ...]:
        """What SPIRE's ``k8s`` workload attestor would find, as far as kubelet told."""
        found = {
            "ns": self.namespace,
            "sa": self.service_account,
            "pod-name": self.name,
            "pod-uid": self.uid,
        }
        return tuple(Selector(_ATTESTOR, f"{key}:{value}") for key, value in found.items())

    def facts(self) -> Mapping[str, str]:
        """What policy, records and the pod itself may read of it."""
        return {
            "namespace": self.namespace,
            "service_account": self.service_account,
            "pod_name": self.name,
            "pod_uid": self.uid,
        }


def read_pod(context: Mapping[str, str]) -> Pod:
    """The pod in the volume context of a publish.

    Raises:
        RequestError: Something is missing, malformed, or not of kubelet's; it names the key.
    """
    for key in sorted(context.keys() - _KEYS):
        refuse(of_context(key), "is not known: a volume of this driver takes no attributes")
    if context.get(EPHEMERAL) != "true":
        refuse(of_context(EPHEMERAL), 'must be "true": there are inline volumes only')
    pod = Pod(
        *(context.get(key, "") for key in (NAMESPACE, NAME, UID, SERVICE_ACCOUNT)),
    )
    for key, value, is_well_formed, wanted in (
        (NAMESPACE, pod.namespace, is_label, "a DNS label"),
        (NAME, pod.name, is_subdomain, "a DNS subdomain"),
        (UID, pod.uid, is_uid, "a UUID in lower case, as the API server makes them"),
        (SERVICE_ACCOUNT, pod.service_account, is_subdomain, "a DNS subdomain"),
    ):
        if not is_well_formed(value):
            said = "is missing: does the CSIDriver object say podInfoOnMount?"
            refuse(of_context(key), f"must be {wanted}" if value else said)
    return pod


def of_context(key: str) -> str:
    """How a key of the volume context, which may be an author's, is named to ``refuse``."""
    return f'{CONTEXT}["{key[:_KEY_CHARS]}"]'
