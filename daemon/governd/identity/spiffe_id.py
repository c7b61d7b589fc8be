"""SPIFFE IDs as immutable values, parsed strictly.

Follows the SPIFFE ID standard, sections 2.1 to 2.4
(https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md). Nothing is
normalised: an ID that is not already in its one canonical form is refused, so that two
readers can never take one text for two identities. Left to others: whether the ID may
do anything.

Invariants:
    * ``str(SpiffeId.parse(text)) == text`` for every accepted text.
    * A trust domain has no port, user info, upper case or percent sign.
    * A path segment is never empty, ``.`` or ``..``.
"""

import re
from dataclasses import dataclass
from typing import Self

from governd.errors import RequestError

MAX_BYTES = 2048
MAX_TRUST_DOMAIN_BYTES = 255
_SCHEME = "spiffe://"
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]+", re.ASCII)
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class SpiffeId:
    """A SPIFFE ID.

    Attributes:
        trust_domain: For example ``example.org``.
        path: With its leading slash, or ``""`` for the trust domain itself.
    """

    trust_domain: str
    path: str

    @classmethod
    def parse(cls, text: str, *, field: str = "spiffe_id") -> Self:
        """Reads a SPIFFE ID.

        Args:
            text: The whole ID.
            field: Named in the error.

        Raises:
            RequestError: The text is not a SPIFFE ID in canonical form.
        """
        problem = _problem(text)
        if problem:
            message = f"{field}: {problem}"
            raise RequestError(message, field=field)
        domain, slash, rest = text.removeprefix(_SCHEME).partition("/")
        return cls(domain, slash + rest)

    def __str__(self) -> str:
        """The canonical text."""
        return f"{_SCHEME}{self.trust_domain}{self.path}"

    def is_under(self, prefix: str) -> bool:
        """Whether this ID is ``prefix`` or lies below it, at a segment's boundary.

        ``spiffe://td/ns/acme`` covers ``spiffe://td/ns/acme/sa/x``, never
        ``spiffe://td/ns/acme-evil/sa/x``.
        """
        text = str(self)
        base = prefix.rstrip("/")
        return text == base or text.startswith(base + "/")

    @property
    def namespace(self) -> str:
        """The Kubernetes namespace in a path of the form ``/ns/<namespace>/...``.

        ``""`` where the path has another form.
        """
        segments = self.path.split("/")
        return segments[2] if len(segments) > 2 and segments[1] == "ns" else ""  # noqa: PLR2004


def is_segment(text: str) -> bool:
    """Whether ``text`` can be a segment of a SPIFFE ID's path, as it is."""
    return _SEGMENT.fullmatch(text) is not None and text not in {".", ".."}


def _problem(text: str) -> str:
    """What is wrong with ``text`` as a SPIFFE ID; ``""`` for nothing."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return f"a SPIFFE ID has at most {MAX_BYTES} bytes"
    if not text.startswith(_SCHEME):
        return 'a SPIFFE ID begins with "spiffe://", in lower case'
    domain, slash, rest = text.removeprefix(_SCHEME).partition("/")
    if not _TRUST_DOMAIN.fullmatch(domain):
        return "the trust domain must consist of lower-case letters, digits, '.', '-', '_'"
    if len(domain) > MAX_TRUST_DOMAIN_BYTES:
        return f"the trust domain has at most {MAX_TRUST_DOMAIN_BYTES} bytes"
    return _path_problem(rest) if slash else ""


def _path_problem(rest: str) -> str:
    for segment in rest.split("/"):
        if not segment:
            return "the path must not have an empty segment or a trailing slash"
        if segment in {".", ".."}:
            return "the path must not have '.' or '..' as a segment"
        if not _SEGMENT.fullmatch(segment):
            return "path segments consist of letters, digits, '.', '-', '_'"
    return ""
