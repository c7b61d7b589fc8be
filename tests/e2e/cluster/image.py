r"""Container images without Docker: layers from folders, and an archive of many images.

    base = layer(cache / "base.tar", [(folder, "/")])
    archive(Path("images.tar"), [Image("localhost/governd:test", {"User": "0"}, [base])])

What is made from the same files is the same, byte for byte.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Image:
    """An image.

    Attributes:
        name: With its tag.
        config: As the OCI image specification has it: ``Entrypoint``, ``Env``, ``User`` ...
        layers: Tar files, the lowest first.
    """

    name: str
    config: Mapping[str, Any]
    layers: Sequence[Path]


def layer(target: Path, contents: Iterable[tuple[Path, str]]) -> Path:
    """Makes a layer.

    Args:
        target: Where it is written.
        contents: Files and folders, each with its path in the image.

    Returns:
        ``target``.
    """
    scratch = target.with_suffix(".part")
    with tarfile.open(scratch, "w", format=tarfile.PAX_FORMAT) as tar:
        for source, place in contents:
            tar.add(source, place.strip("/") or ".", filter=_of_nobody_and_no_time)
    return scratch.rename(target)


def archive(target: Path, images: Sequence[Image]) -> Path:
    """Makes an archive that ``ctr images import`` takes; common layers are in it once.

    Returns:
        ``target``.
    """
    scratch = target.with_suffix(".part")
    digests = {path: _digest(path) for image in images for path in image.layers}
    with tarfile.open(scratch, "w") as tar:
        for path, digest in digests.items():
            tar.add(path, f"{digest}.tar", filter=_of_nobody_and_no_time)
        manifest = [_manifest(tar, image, digests) for image in images]
        _put(tar, "manifest.json", manifest)
    return scratch.rename(target)


def _manifest(tar: tarfile.TarFile, image: Image, digests: Mapping[Path, str]) -> object:
    diffs = [f"sha256:{digests[path]}" for path in image.layers]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(image.config),
        "rootfs": {"type": "layers", "diff_ids": diffs},
    }
    name = f"{hashlib.sha256(json.dumps(document).encode()).hexdigest()}.json"
    _put(tar, name, document)
    layers = [f"{digests[path]}.tar" for path in image.layers]
    return {"Config": name, "RepoTags": [image.name], "Layers": layers}


def _put(tar: tarfile.TarFile, name: str, document: object) -> None:
    content = json.dumps(document).encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_nobody_and_no_time(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry
