"""Which files a policy source consists of, and what identifies its content."""

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


def is_read(path: str) -> bool:
    """Whether a file of this path within a source is read."""
    tenant, name = owner_of(path)
    if tenant:
        return _TENANT_READ.fullmatch(name) is not None
    return path == MANIFEST or _READ.fullmatch(path) is not None


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
