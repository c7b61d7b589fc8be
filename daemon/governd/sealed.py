"""What governd keeps on disk: one line of JSON, and a line with its digest.

The digest shows that the line is whole and as it was written. It has no key: whoever may
write the file may write both lines, so what is in it is checked all the same.
"""

import hashlib
import json

from pydantic import ValidationError


def sealed(line: bytes) -> bytes:
    """A line, which ends with its line feed, and the line with its digest."""
    return line + json.dumps({"sha-256": hashlib.sha256(line).hexdigest()}).encode() + b"\n"


def unsealed(content: bytes) -> bytes | None:
    """The line that was sealed; ``None`` where the content is not exactly what was written."""
    line = content[: content.find(b"\n") + 1]
    return line if content == sealed(line) else None


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong with what a line says, with its place."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg'].lower()}"
