"""Scopes: what a token permits, in words that its receiver knows.

Follows RFC 6749, section 3.3, for the words. They are compared as they are: no word stands
for others, so a subset is a subset (RFC 8693, section 4.2). In a token they have one form:
sorted, each once, one space between.
"""

import re
from collections.abc import Iterable

from governd.delegation.texts import refuse

MAX_SCOPES = 64
MAX_SCOPE_CHARS = 256
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def scopes_of(words: Iterable[object], *, field: str = "scopes") -> tuple[str, ...]:
    """Scopes in their one form.

    Raises:
        RequestError: There are too many, one is none, or comes twice.
    """
    found = [_scope(word, field) for word in words]
    if len(found) > MAX_SCOPES:
        refuse(field, f"has more than {MAX_SCOPES} scopes")
    if len(set(found)) != len(found):
        refuse(field, "has a scope twice")
    return tuple(sorted(found))


def read_scope(value: object, *, field: str) -> tuple[str, ...]:
    """The scopes of a claim.

    Raises:
        RequestError: It is not in its one form.
    """
    if not isinstance(value, str):
        refuse(field, "expected a text")
    words = value.split(" ")
    found = scopes_of(words, field=field)
    if list(found) != words:
        refuse(field, "must be sorted")
    return found


def _scope(word: object, field: str) -> str:
    if not isinstance(word, str) or not _SCOPE.fullmatch(word) or len(word) > MAX_SCOPE_CHARS:
        refuse(field, "expected scopes of RFC 6749, section 3.3")
    return word
