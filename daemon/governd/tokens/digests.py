"""How a token is named where it must not show: in records, in keys of caches, in lists."""

import hashlib

from governd.identity import jose
from governd.identity.secret import Secret

_LENGTH_BYTES = 8


def digest_of(token: Secret) -> str:
    """SHA-256 of a token, base64url: its name in records."""
    return jose.encode(hashlib.sha256(token.reveal()).digest())


def definition_of(*documents: bytes) -> str:
    """SHA-256 of several documents, base64url. No two lists of documents have the same."""
    found = hashlib.sha256()
    for document in documents:
        found.update(len(document).to_bytes(_LENGTH_BYTES) + document)
    return jose.encode(found.digest())
