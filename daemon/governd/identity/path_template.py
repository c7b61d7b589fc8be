"""SPIFFE IDs made of what is known of a workload, for those that SPIRE does not know.

``/ns/{namespace}/sa/{service_account}`` takes two facts. What comes out follows the SPIFFE
ID standard, section 2.2
(https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md).

Invariants:
    * Two workloads have the same ID only if all facts that the template names are the same:
      a fact is always a whole segment of the path, never part of one.
    * A fact is taken as it is, or refused; nothing is escaped, cut or changed.
    * None of governd's own IDs, those below ``/governd``, ever comes out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from governd.errors import RequestError
from governd.identity.own import OWN, is_own
from governd.identity.spiffe_id import SpiffeId, is_segment

MAX_SEGMENTS = 16
MAX_BYTES = 1024
_FIELD = re.compile(r"\{([a-z][a-z0-9_]{0,62})\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with facts in it.

    Attributes:
        text: As the configuration has it.
        fields: The facts that it takes, in order.
    """

    text: str
    fields: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, field: str = "path_template") -> Self:
        """Reads a template.

        Args:
            text: A slash before each segment; a segment is literal, or ``{fact}`` as a whole.
            field: Named in the error.

        Raises:
            RequestError: The text is no template, or takes no fact.
        """
        segments = text.split("/")[1:]
        literals = [segment for segment in segments if not _FIELD.fullmatch(segment)]
        fields = tuple(found[1] for found in map(_FIELD.fullmatch, segments) if found)
        problem = _shape(text, segments) or _contents(segments[0], literals, fields)
        if problem:
            message = f"{field}: {problem}"
            raise RequestError(message, field=field)
        return cls(text, fields)

    def __str__(self) -> str:
        """As the configuration has it."""
        return self.text

    def id_of(self, trust_domain: str, facts: Mapping[str, str]) -> SpiffeId | None:
        """The SPIFFE ID of a workload.

        Args:
            trust_domain: Whose workload it is.
            facts: What is known of it.

        Returns:
            ``None`` where a fact that the template takes is not known.

        Raises:
            RequestError: A fact is no segment of a SPIFFE ID's path, or the ID would be one
                of governd's own.
        """
        if any(field not in facts for field in self.fields):
            return None
        path = "/".join(_segment_of(segment, facts) for segment in self.text.split("/"))
        spiffe_id = SpiffeId.parse(f"spiffe://{trust_domain}{path}", field="facts")
        if is_own(spiffe_id):
            field = f"facts.{self.fields[0]}"
            message = f"{field}: expected none that makes an ID of governd's own"
            raise RequestError(message, field=field)
        return spiffe_id


def _segment_of(segment: str, facts: Mapping[str, str]) -> str:
    found = _FIELD.fullmatch(segment)
    if found is None:
        return segment
    value = facts[found[1]]
    if not is_segment(value):
        field = f"facts.{found[1]}"
        message = f"{field}: expected a segment of a SPIFFE ID's path, letters, digits, . - _"
        raise RequestError(message, field=field)
    return value


def _shape(text: str, segments: list[str]) -> str:
    if not text.startswith("/") or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return f'expected a path that begins with "/", of at most {MAX_BYTES} bytes'
    return "" if len(segments) <= MAX_SEGMENTS else f"expected at most {MAX_SEGMENTS} segments"


def _contents(first: str, literals: list[str], fields: tuple[str, ...]) -> str:
    if not all(map(is_segment, literals)):
        return "expected segments of letters, digits, . - _ or of one whole {fact}"
    if not fields or len(set(fields)) < len(fields):
        return "expected at least one {fact}, and each once"
    return f"expected none of governd's own paths, /{OWN}" if first == OWN else ""
