"""A published volume, and those of a node as a file's content.

Two lines of JSON: the volumes, and the digest of that line. Nothing is believed when it is
read back: every name is held to the rules that it came in by, and what is not exactly as
governd would write it is refused. No path is kept: each is put together from a pod's UID and
a volume's name, so that nothing in the file can lead outside of kubelet's directory.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from governd.identity.svid import Workload
from governd.pods.pod import Pod, is_label, is_subdomain, is_uid
from governd.pods.target import Target
from governd.sealed import first_problem, sealed, unsealed

MAX_VOLUMES = 4096
MAX_BYTES = 4 * 1024 * 1024
_VOLUME_ID = re.compile(r"[!-~]{1,128}", re.ASCII)


def is_volume_id(text: str) -> bool:
    """Whether ``text`` can be a volume's id: CSI's limit of 128 bytes, and nothing odd."""
    return _VOLUME_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a pod: one socket, at which that pod calls.

    Attributes:
        id: Kubelet's name for it.
        name: Its name within the pod, a DNS label.
        pod: Whose it is.
    """

    id: str
    name: str
    pod: Pod

    @property
    def target(self) -> Target:
        """Where it is."""
        return Target(self.pod.uid, self.name)

    def workload(self) -> Workload:
        """Who calls there. Two volumes of one pod differ in the workload's name alone."""
        pod = self.pod
        name = f"{pod.namespace}/{pod.name}/{pod.uid}/{self.name}"
        return Workload(name, pod.selectors(), facts=pod.facts())


def _held_to(is_well_formed: Callable[[str], bool]) -> AfterValidator:
    def check(text: str) -> str:
        if not is_well_formed(text):
            message = "is malformed"
            raise ValueError(message)
        return text

    return AfterValidator(check)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Volume(_Part):
    id: Annotated[str, _held_to(is_volume_id)]
    name: Annotated[str, _held_to(is_label)]
    namespace: Annotated[str, _held_to(is_label)]
    pod: Annotated[str, _held_to(is_subdomain)]
    uid: Annotated[str, _held_to(is_uid)]
    service_account: Annotated[str, _held_to(is_subdomain)]


class _File(_Part):
    format: Literal[1]
    volumes: Annotated[list[_Volume], Field(max_length=MAX_VOLUMES)]


def write_volumes(volumes: Collection[Volume]) -> bytes:
    """Volumes as a file's content, in one order whatever order they come in."""
    ordered = sorted(volumes, key=lambda one: one.target)
    line = _File(format=1, volumes=[_written(one) for one in ordered]).model_dump_json()
    return sealed(line.encode() + b"\n")


def read_volumes(content: bytes) -> tuple[Volume, ...]:
    """Reads back what ``write_volumes`` wrote.

    Raises:
        ValueError: The content is anything else; it says what is wrong.
    """
    if len(content) > MAX_BYTES:
        _refuse(f"is larger than {MAX_BYTES} bytes")
    line = unsealed(content)
    if line is None:
        _refuse("is damaged, not whole, or was edited")
    try:
        file = _File.model_validate_json(line)
    except ValidationError as error:
        _refuse(f"says what no list of volumes says: {first_problem(error)}", error)
    volumes = tuple(_read(one) for one in file.volumes)
    if len({one.target for one in volumes}) != len(volumes):
        _refuse("has a volume twice")
    if write_volumes(volumes) != content:
        _refuse("is not as governd writes it")
    return volumes


def _written(volume: Volume) -> _Volume:
    pod = volume.pod
    return _Volume(
        id=volume.id,
        name=volume.name,
        namespace=pod.namespace,
        pod=pod.name,
        uid=pod.uid,
        service_account=pod.service_account,
    )


def _read(one: _Volume) -> Volume:
    return Volume(one.id, one.name, Pod(one.namespace, one.pod, one.uid, one.service_account))


def _refuse(problem: str, cause: Exception | None = None) -> NoReturn:
    message = f"the list of volumes {problem}"
    raise ValueError(message) from cause
