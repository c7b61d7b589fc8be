"""Which files a policy source consists of, and what identifies its content.

A file that looks like policy but is not read would be a mistake that nobody notices: a
forbid in ``policies/x.ceder`` forbids nothing. Such files are refused; documentation,
tests, hidden files and what has nothing to do with policy may stand by.
"""

import difflib
import functools
import hashlib
import re
from collections.abc import Mapping

MANIFEST = "manifest.toml"
SCHEMA = "schema.cedarschema"
_TENANT_FILE = re.compile(r"tenants/([^/]+)/(.+)")
_READ = re.compile(
    r"policies/.+\.cedar|schema\.cedarschema|entities\.json|grants\.toml|tools/.+\.json"
)
_TENANT_READ = re.compile(r"policies/.+\.cedar|entities\.json|grants\.toml")
_STANDS_BY = re.compile(r"\..*|.*~|.*\.(md|txt)|(readme|license).*", re.IGNORECASE | re.DOTALL)
_HOLDS = {
    "policies": "*.cedar",
    "tools": "*.json",
    "tenants": "<name>/policies/*.cedar, <name>/grants.toml and <name>/entities.json",
}
_KNOWN = {
    "manifest": MANIFEST,
    "schema": SCHEMA,
    "entities": "entities.json",
    "grants": "grants.toml",
    **{folder: f"{folder}/" for folder in _HOLDS},
}
_ALIKE = 0.7


def is_read(path: str) -> bool:
    """Whether a file of this path within a source is read."""
    tenant, name = owner_of(path)
    if tenant:
        return _TENANT_READ.fullmatch(name) is not None
    return path == MANIFEST or _READ.fullmatch(path) is not None


def is_seen(path: str) -> bool:
    """Whether a file of this path is read, or must not be passed over."""
    return is_read(path) or passed_over(path) != ""


def passed_over(path: str) -> str:
    """What is wrong with a file that is not read; ``""`` where it may stand by."""
    folder = path.partition("/")[0]
    if path.lower().endswith(".cedar"):
        return "is not read here: policies belong into policies/ and end in .cedar"
    if _STANDS_BY.fullmatch(path.rpartition("/")[2]):
        return ""
    if folder in _HOLDS:
        return f"is not read: {folder}/ holds {_HOLDS[folder]}"
    meant = _meant(folder)
    return f"is not read: is {meant} meant?" if meant else ""


@functools.lru_cache(maxsize=1024)
def _meant(name: str) -> str:
    """Which file or folder at the top a name resembles; ``""`` for none."""
    stem, _, suffix = name.lower().partition(".")
    stem = "schema" if suffix == "cedarschema" else stem
    close = difflib.get_close_matches(stem, _KNOWN, n=1, cutoff=_ALIKE)
    return _KNOWN[close[0]] if close else ""


def owner_of(path: str) -> tuple[str, str]:
    """The tenant in whose folder a file stands, ``""`` for none, and its path there."""
    match = _TENANT_FILE.fullmatch(path)
    return (match[1], match[2]) if match else ("", path)


def digest_of(files: Mapping[str, bytes], base: str) -> str:
    """The digest of a source: of governd's base and each file's path and content."""
    total = hashlib.sha256(hashlib.sha256(base.encode()).digest())
    for path in sorted(files):
        total.update(hashlib.sha256(path.encode()).digest())
        total.update(hashlib.sha256(files[path]).digest())
    return "sha-256:" + total.hexdigest()


def known_digest(files: Mapping[str, bytes], base: str) -> str:
    """The digest of a source, before it is read.

    ``""`` where a file has a name that reading refuses: two sources of one digest must not
    differ in what is wrong with them.
    """
    read = {path: content for path, content in files.items() if is_read(path)}
    rest = files.keys() - read
    if any(passed_over(path) for path in rest) or not all(path.isprintable() for path in files):
        return ""
    return digest_of(read, base)
