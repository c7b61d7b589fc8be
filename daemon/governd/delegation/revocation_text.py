"""What is revoked, as the content of a file, and back.

Two lines of JSON: the list, and the digest of that line. What is not exactly as governd would
write it is refused: a list that lost a line would let through what was revoked.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from governd.delegation.revocation_list import Kind, Revocation, RevocationList, Target
from governd.errors import RequestError
from governd.identity import jose

MAX_BYTES = 8 << 20
"""More than the longest list takes."""
_FORMAT = 1
_MEMBERS = {"kind", "name", "since", "until", "reason"}


def write_revocations(revoked: RevocationList) -> bytes:
    """A list as a file's content. ``read_revocations`` reads the same value from it."""
    entries = [
        {
            "kind": one.target.kind.value,
            "name": one.target.name,
            "since": one.since,
            "until": one.until,
            "reason": one.reason,
        }
        for one in revoked.entries
    ]
    line = json.dumps({"format": _FORMAT, "revoked": entries}).encode()
    return line + b"\n" + _digest(line) + b"\n"


def read_revocations(content: bytes) -> RevocationList:
    """The list in a file's content.

    Raises:
        ValueError: It is not as governd writes it.
    """
    line, _, rest = content.partition(b"\n")
    if rest != _digest(line) + b"\n":
        message = "its digest is another: it was changed, or is not whole"
        raise ValueError(message)
    found = jose.read_object(line)
    entries = found.get("revoked")
    if found.keys() != {"format", "revoked"} or found["format"] != _FORMAT:
        message = f"expected format {_FORMAT}"
        raise ValueError(message)
    if not isinstance(entries, list):
        message = "expected a list"
        raise ValueError(message)  # noqa: TRY004  what came is malformed, whatever its type
    try:
        return RevocationList(tuple(_entry(one) for one in entries))
    except RequestError as error:
        raise ValueError(str(error)) from error


def _entry(members: Mapping[str, Any]) -> Revocation:
    if not isinstance(members, dict) or members.keys() != _MEMBERS:
        message = "an entry has other members"
        raise ValueError(message)
    texts = (members["kind"], members["name"], members["reason"])
    if not all(isinstance(one, str) for one in texts):
        message = "an entry has no text where one belongs"
        raise ValueError(message)
    return Revocation(
        Target(Kind(members["kind"]), members["name"]),
        jose.read_seconds(members["since"]),
        jose.read_seconds(members["until"]),
        members["reason"],
    )


def _digest(line: bytes) -> bytes:
    return hashlib.sha256(line).hexdigest().encode()
