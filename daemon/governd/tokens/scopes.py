"""What a token permits, and whether that is no more than was asked for.

Words are compared as they are (RFC 6749, section 3.3): none stands for others.
"""

import re
from collections.abc import Iterable

from governd.tokens.faults import TokenFault, refuse

MAX_SCOPE_CHARS = 256
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def split(value: object) -> tuple[str, ...] | None:
    """The words of a text, each once, sorted; ``None`` where it has others or is no text."""
    return of_words(value.split(" ")) if isinstance(value, str) else None


def of_words(words: Iterable[object]) -> tuple[str, ...] | None:
    """Words in their one form; ``None`` where one is none. Empty ones do not count."""
    found = set()
    for word in words:
        if not isinstance(word, str) or len(word) > MAX_SCOPE_CHARS:
            return None
        if word:
            if not _SCOPE.fullmatch(word):
                return None
            found.add(word)
    return tuple(sorted(found))


def granted(asked: tuple[str, ...], *stated: tuple[str, ...] | None) -> tuple[str, ...]:
    """What is granted: the first of what is stated, or what was asked for.

    Args:
        asked: What was asked for.
        stated: By the token and by the answer; ``None`` where one says nothing, which means
            what was asked for (RFC 6749, section 5.1).

    Raises:
        TokenRefusedError: One of them is wider than what was asked for.
    """
    said = [one for one in stated if one is not None]
    if not all(set(one) <= set(asked) for one in said):
        refuse(TokenFault.SCOPE_WIDENED, "scope: permits what was not asked for")
    return said[0] if said else tuple(sorted(asked))
