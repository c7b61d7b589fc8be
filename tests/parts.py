"""The real neighbours that integration tests start, fetched once and kept.

Nothing is installed: packages are unpacked into the user's cache directory, so neither
root nor a clean machine is needed. A part that cannot be had fails the test that asked
for it: a test that is skipped proves nothing.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

PROMETHEUS_VERSION = "2.42"
SPIRE_VERSION = "1.13.3"
_SPIRE_MODULE = Path(__file__).with_name("spire")
_SPIRE_COMMAND = "github.com/spiffe/spire/cmd/"
as_root = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ,  # there it fails instead
    reason="only root can give a file away",
)


def prometheus() -> Path:
    """The ``prometheus`` program; ``promtool`` stands beside it."""
    return _debian("prometheus", PROMETHEUS_VERSION) / "usr" / "bin" / "prometheus"


def promtool() -> Path:
    """The ``promtool`` program of the same package."""
    return prometheus().with_name("promtool")


class Spire(NamedTuple):
    """The programs of one SPIRE."""

    server: Path
    agent: Path


def spire() -> Spire:
    """SPIRE's server and agent, built from their Go modules.

    The first time on a machine that takes minutes: the server has SQLite in it, in C.
    """
    names = Spire(Path("spire-server"), Path("spire-agent"))
    packages = [f"{_SPIRE_COMMAND}{name}" for name in names]
    home = go_programs(f"spire-{SPIRE_VERSION}", _SPIRE_MODULE, *packages, CGO_CFLAGS="-O1")
    return Spire(*(home / name for name in names))


def go_programs(name: str, module: Path, *packages: str, flags: str = "", **environ: str) -> Path:
    """The folder with the programs of Go packages, each built once.

    Args:
        name: Of the folder, beside what the programs depend on.
        module: The folder of a Go module; what is built has exactly the versions that its
            go.mod and go.sum state.
        packages: As ``go build`` takes them.
        flags: For the linker, beside those that leave symbols out.
        environ: Settings of the build.
    """

    def make(programs: Path) -> None:
        _build(module, programs, *packages, flags=flags, environ=environ)

    return built(name, (module / "go.mod", module / "go.sum", *_sources(module)), make)


def built(name: str, sources: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """The folder with what is made of files, once for each content of theirs.

    Args:
        name: Of the folder, beside what the files are.
        sources: The files.
        make: Makes the folder that it is handed.
    """
    home = cache() / f"{name}-{_digest(*sources)}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second waits: the same is not built twice
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
                made = Path(scratch) / "made"
                make(made)
                _keep(made, home)
    return home


def maven(project: Path, into: Path) -> None:
    """Runs ``mvn package`` on a copy of a project; ``into`` is its ``target`` folder.

    Its dependencies are of exactly the versions that its pom.xml states, or its parent's.
    """
    if shutil.which("mvn") is None or shutil.which("java") is None:
        pytest.fail(f"building {project.name} takes Java 17 and Maven; install them")
    copy = into.with_name("project")
    shutil.copytree(project, copy)
    _run("mvn", "--batch-mode", "--no-transfer-progress", "package", folder=copy)
    (copy / "target").rename(into)


def unpack(package: str, into: Path) -> None:
    """Unpacks the newest version of a Debian package, without running anything of it."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(package, Path(scratch))
        _run("dpkg-deb", "-x", str(archive), str(into), folder=Path(scratch))


def cache() -> Path:
    """Where the parts are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "governd" / "parts"


def _debian(package: str, version: str) -> Path:
    """The files of a Debian package, unpacked."""
    home = cache() / f"{package}-{version}"
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        archive = _download(f"{package}={version}.*", Path(scratch))
        files = Path(scratch) / "files"
        _run("dpkg-deb", "-x", str(archive), str(files), folder=Path(scratch))
        _keep(files, home)
    return home


def _keep(made: Path, home: Path) -> None:
    """Puts ``made`` into the cache as ``home``: whole or not at all."""
    try:
        made.rename(home)
    except OSError:
        if not home.is_dir():  # else somebody else was faster
            raise


def _sources(module: Path) -> Sequence[Path]:
    return sorted(module.glob("*.go"))


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()[:12]


def _build(
    module: Path, into: Path, *packages: str, flags: str, environ: Mapping[str, str]
) -> None:
    """Builds Go programs of exactly the versions in the module's go.mod and go.sum."""
    if shutil.which("go") is None:
        pytest.fail(f"building {', '.join(packages)} takes Go; install it")
    into.mkdir()
    settings = [f"{name}={value}" for name, value in environ.items()]
    options = ("-trimpath", "-buildvcs=false", f"-ldflags=-s -w {flags}", "-o", f"{into}/")
    command = ("go", "build", *options, *packages)
    _run("env", *settings, "GOFLAGS=-mod=readonly", *command, folder=module)


def _download(wanted: str, folder: Path) -> Path:
    said = _run("apt-get", "download", wanted, folder=folder, check=False)
    if not list(folder.glob("*.deb")):  # no package lists on this machine: use our own
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        settings = (f"Dir::State::lists={lists}", f"Dir::Cache={folder}", "APT::Sandbox::User=root")
        options = [word for setting in settings for word in ("-o", setting)]
        said = _run("apt-get", *options, "update", folder=folder, check=False)
        said += _run("apt-get", *options, "download", wanted, folder=folder, check=False)
    for archive in folder.glob("*.deb"):
        return archive
    pytest.fail(f"{wanted} is not to be had from Debian's packages:\n{said}")


def _run(*command: str, folder: Path, check: bool = True) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return said
