"""What was published comes back from a file as it was, or not at all."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from governd.pods import volume as volumes
from governd.pods.pod import Pod
from governd.pods.volume import read_volumes, write_volumes
from tests.pod_volumes import OTHER_POD, volume

BOTH = (volume(), volume(OTHER_POD, "second"))
CONTENT = write_volumes(BOTH)


def sealed(line: bytes) -> bytes:
    seal = json.dumps({"sha-256": hashlib.sha256(line).hexdigest()}).encode()
    return line + seal + b"\n"


def edited(edit: Callable[[dict[str, Any]], object]) -> bytes:
    """The file as somebody who knows about the digest would change it."""
    document = json.loads(CONTENT.splitlines()[0])
    edit(document)
    return sealed(json.dumps(document, separators=(",", ":")).encode() + b"\n")


def test_volumes_come_back_in_one_order() -> None:
    assert read_volumes(CONTENT) == BOTH
    assert write_volumes(tuple(reversed(BOTH))) == CONTENT
    assert read_volumes(write_volumes(())) == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}",
        CONTENT[:-1],
        CONTENT[1:],
        CONTENT + b"\n",
        CONTENT.replace(b"shop", b"sh0p"),
    ],
)
def test_a_file_that_is_damaged_or_edited_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="damaged, not whole, or was edited"):
        read_volumes(content)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda it: it.update(format=2), "format"),
        (lambda it: it.update(more=1), "more"),
        (lambda it: it["volumes"][0].update(uid="../../etc"), "volumes.0.uid"),
        (lambda it: it["volumes"][0].update(name=".."), "volumes.0.name"),
        (lambda it: it["volumes"][0].update(namespace="kube/system"), "volumes.0.namespace"),
        (lambda it: it["volumes"][0].update(pod=""), "volumes.0.pod"),
        (lambda it: it["volumes"][0].update(service_account=None), "volumes.0.service_account"),
        (lambda it: it["volumes"][0].update(id="\n"), "volumes.0.id"),
        (lambda it: it["volumes"].append(it["volumes"][0]), "a volume twice"),
        (lambda it: it["volumes"].reverse(), "not as governd writes it"),
        (lambda it: it.update(volumes=it["volumes"] * 3000), "volumes"),
    ],
)
def test_attack_a_file_that_says_what_governd_never_wrote(
    edit: Callable[[dict[str, Any]], object], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        read_volumes(edited(edit))


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(ValueError, match="larger than"):
        read_volumes(b" " * (volumes.MAX_BYTES + 1))


def test_as_many_volumes_as_may_be_fit_into_the_file() -> None:
    longest = "a" * 63
    pod = Pod(longest, ".".join([longest] * 4)[:253], BOTH[0].pod.uid, "b" * 63)
    one = volumes.Volume("i" * 128, longest, pod)
    each = len(write_volumes([one])) - len(write_volumes([]))
    assert each * volumes.MAX_VOLUMES < volumes.MAX_BYTES
