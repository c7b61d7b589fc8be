"""The images that every node of the cluster has: governd's, SPIRE's, and an agent's.

governd's is made as ``daemon/Dockerfile`` says, of the same files: Debian's packages, what
the lock names, and the checkout. What the lock names is copied from the environment that the
tests run in, which was installed by hash. Each layer is kept under what it was made from.
"""

import compileall
import hashlib
import json
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import parts
from tests.e2e.cluster import programs, settings
from tests.e2e.cluster.image import Image, archive, layer
from tests.spiffe_parts import spiffe_client

ROOT = Path(__file__).parents[3]
GOVERND = "localhost/governd:e2e"
AGENT = "localhost/governd-agent:e2e"
SPIRE_SERVER = "localhost/spire-server:e2e"
SPIRE_AGENT = "localhost/spire-agent:e2e"
_DAEMON = ROOT / "daemon"
_LOCK = ROOT / "requirements" / "runtime.txt"
_AGENT_SOURCES = ROOT / "tests" / "e2e" / "agent"
_PACKAGES = "usr/lib/python3/dist-packages"
_CLIENT = ("governd-client", "grpcio-health-checking")
_NOBODY = "65532:65532"
_PYTHON = (3, 11)
_KEPT_SECONDS = 3 * 24 * 3600.0


def images() -> Path:
    """The archive of all images, made unless there is one of just these files."""
    if sys.version_info[:2] != _PYTHON:
        message = f"images take Python {'.'.join(map(str, _PYTHON))}, which the base has"
        raise programs.UnfitMachineError(message)
    wanted = list(_images())
    digest = hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]
    target = _home() / f"images-{digest}.tar"
    if not target.exists():
        for old in _home().glob("images-*.tar"):  # half a gigabyte each
            old.unlink()
        archive(target, wanted)
    _forget_what_is_old()
    return target


def _images() -> Iterator[Image]:
    base = _base()
    pause = _kept("pause", [programs.pause()], lambda root: _put(programs.pause(), root / "pause"))
    yield Image(settings.PAUSE_IMAGE, {"Entrypoint": ["/pause"], "User": _NOBODY}, [pause])
    governd = [base, _distributions(_locked()), _project(ROOT, "daemon/governd")]
    yield Image(GOVERND, _dockerfile_settings(), governd)
    client = [base, _distributions(_closure(*_CLIENT) - {"governd-client"})]
    client += [_project(ROOT / "clients" / "python", "governd_client"), _agent()]
    entrypoint = ["/usr/bin/python3.11", "-I", "/agent/agent.py"]
    yield Image(AGENT, {"Entrypoint": entrypoint, "User": _NOBODY}, client)
    for name, program in ((SPIRE_SERVER, parts.spire().server), (SPIRE_AGENT, parts.spire().agent)):
        yield Image(
            name, {"Entrypoint": [f"/opt/spire/bin/{program.name}"]}, [base, _spire(program)]
        )


def _base() -> Path:
    packages = (_DAEMON / "image" / "packages.txt").read_text().split()

    def make(root: Path) -> None:
        for package in packages:
            parts.unpack(package, root)
        for name in (_DAEMON / "image" / "left-out.txt").read_text().split():
            shutil.rmtree(root / name)
        for name in ("etc", "usr"):
            shutil.copytree(_DAEMON / "image" / name, root / name, dirs_exist_ok=True)
        _compile(root)

    return _kept("base", _files(_DAEMON / "image"), make)


def _distributions(names: Iterable[str]) -> Path:
    """What is installed of some distributions, without what only installers want."""
    found = sorted((metadata.distribution(name) for name in names), key=lambda one: one.name)

    def make(root: Path) -> None:
        for distribution in found:
            for file in distribution.files or ():
                inside = ".." not in file.parts and "__pycache__" not in file.parts
                if inside:
                    _put(Path(str(distribution.locate_file(file))), root / _PACKAGES / file)
        _compile(root)

    return _kept("distributions", [], make, *(f"{one.name}={one.version}" for one in found))


def _project(folder: Path, sources: str) -> Path:
    """A distribution of this checkout, built in scratch space: the checkout stays as it is."""
    files = [folder / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    files = [file for file in files if file.exists()]

    def make(root: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "project"
            shutil.copytree(folder / sources, copy / sources)
            for file in files:
                shutil.copy(file, copy)
            options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-compile"]
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                *options,
                "--root-user-action=ignore",
            ]
            subprocess.run([*command, "--target", root / _PACKAGES, copy], check=True)
        _compile(root)

    return _kept(Path(sources).name, [*files, *_files(folder / sources)], make)


def _agent() -> Path:
    def make(root: Path) -> None:
        shutil.copytree(_AGENT_SOURCES, root / "agent")
        _put(spiffe_client(), root / "usr" / "bin" / "spiffe_client")

    return _kept("agent", [*_files(_AGENT_SOURCES), spiffe_client()], make)


def _spire(program: Path) -> Path:
    place = Path("opt") / "spire" / "bin" / program.name
    return _kept(program.name, [program], lambda root: _put(program, root / place))


def _kept(name: str, files: Sequence[Path], make: Callable[[Path], None], *also: str) -> Path:
    """The layer that ``make`` fills, unless there is one of the same files."""
    digest = hashlib.sha256("\n".join(also).encode() + Path(__file__).read_bytes())
    for file in files:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    target = _home() / f"{name}-{digest.hexdigest()[:12]}.tar"
    if not target.exists():
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch) / "root"
            root.mkdir()
            make(root)
            layer(target, [(root, "/")])
    target.touch()
    return target


def _forget_what_is_old() -> None:
    """Removes layers that no run has used for days."""
    for path in _home().iterdir():
        if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            path.unlink()


def _home() -> Path:
    home = parts.cache().with_name("images")
    home.mkdir(parents=True, exist_ok=True)
    return home


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.parts)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _compile(root: Path) -> None:
    """As the Dockerfile does; by content, as all files of a layer have the same time."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(
        root / "usr" / "lib",
        quiet=2,  # Debian ships a few files for tests that are no Python
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=mode,
    )


def _locked() -> set[str]:
    lines = re.findall(r"^[\w.-]+==.*?(?= \\$)", _LOCK.read_text(), re.MULTILINE)
    wanted = map(Requirement, lines)
    return {one.name for one in wanted if one.marker is None or one.marker.evaluate()}


def _closure(*names: str) -> set[str]:
    """Distributions with all that they need, as this environment has it."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needs = [Requirement(line) for line in metadata.requires(name) or ()]
            waiting += [one.name for one in needs if not one.marker or one.marker.evaluate()]
    return found


def _dockerfile_settings() -> dict[str, object]:
    """What the last stage of the Dockerfile says of the process."""
    stage = (_DAEMON / "Dockerfile").read_text().rpartition("FROM scratch")[2]
    said = {match[1]: match[2] for match in re.finditer(r"^([A-Z]+) (.+)$", stage, re.MULTILINE)}
    return {
        "Env": said["ENV"].split(),
        "User": said["USER"],
        "Entrypoint": json.loads(said["ENTRYPOINT"]),
        "Cmd": json.loads(said["CMD"]),
    }
