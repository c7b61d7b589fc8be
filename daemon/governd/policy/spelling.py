"""What may be meant by a name that nothing has."""

import difflib
from collections.abc import Iterable

_CLOSE = 0.6


def is_it(word: str, names: Iterable[str]) -> str:
    """``; is it git/log?``: a name spelt alike, or the same with what belongs before it.

    ``""`` where there is none.
    """
    known = sorted(names)
    close = difflib.get_close_matches(word, known, n=1, cutoff=_CLOSE)
    close += [name for name in known if name.endswith((f"/{word}", f".{word}"))]
    return f"; is it {close[0]}?" if close else ""
