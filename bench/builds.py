"""Programs in Go that the bench needs: built when they are missing, kept in a cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path


def cached(name: str, version: str, build: Callable[[Path], None]) -> Path:
    """The path of a program, built unless this version of it is in the cache.

    Args:
        name: Of the program.
        version: Whatever it depends on, fit for a file name.
        build: Makes it at the path that it is handed, in scratch space of its own.
    """
    program = _cache() / version / name
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
            built = Path(scratch) / name
            build(built)
            built.replace(program)  # whole or not at all
    return program


def go(*arguments: str, folder: Path) -> None:
    """Runs the Go tool in a folder.

    Raises:
        FileNotFoundError: There is none.
        subprocess.CalledProcessError: It failed; it has said why.
    """
    tool = shutil.which("go")
    if tool is None:
        message = "go: not found; the bench's client and its peer are written in Go"
        raise FileNotFoundError(message)
    subprocess.run([tool, *arguments], cwd=folder, check=True)


def digest(folder: Path) -> str:
    """A version for the Go program in a folder."""
    found = hashlib.sha256()
    for file in sorted([*folder.glob("*.go"), *folder.glob("go.*")]):
        found.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return found.hexdigest()[:16]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "governd" / "bench"
