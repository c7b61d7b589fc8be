"""Names that can be taken for one another.

A model picks tools by name, and a person approves them by sight. Two names are alike when
they have the same skeleton: what is left without case, punctuation, accents and invisible
characters, where letters and digits that look the same count as the same. The idea is that
of UTS 39 section 4, its table cut down to what occurs: ASCII, Cyrillic, Greek.

Skeletons are compared, never shown or used as names.
"""

import unicodedata
from typing import NamedTuple

_MAX_CHARS = 256
_SERVER, _NAME = range(2)
_TABLE = """
a аαɑ@
b вьβ8
c сϲ
d ԁđ
e еєε
g ɡց
h нһћհ
j јϳ
k кκ
l ӏłіιıi1|!
m м
n пηո
o оοօøσ0
p рρ
q ԛ
r г
s ѕ5$
t тτ
u υսμ
v νѵ
w ωԝш
x хχ
y уγ
z 2
"""  # noqa: RUF001 - what looks alike is what this is about
_ALIKE = {ord(one): row[0] for row in _TABLE.split("\n") if row for one in row[2:]}
_IGNORED = dict.fromkeys(one for one in range(128) if not chr(one).isalnum() and one not in _ALIKE)
_LETTERS = {**_ALIKE, **_IGNORED}
_CAPITALS = str.maketrans("ΗΜΝΥΖ", "hmnyz")  # noqa: RUF001 - they look alike in upper case only


class Claim(NamedTuple):
    """Who has a tool's name.

    Attributes:
        server: The server.
        name: The tool.
    """

    server: str
    name: str


class Conflict(NamedTuple):
    """Who had a tool's name, or one like it, before.

    Attributes:
        taken: Another server that has the same name.
        resembled: A tool with another name that looks the same.
    """

    taken: Claim | None = None
    resembled: Claim | None = None


NO_CONFLICT = Conflict()


def skeleton(name: str) -> str:
    """What is left of a name without what is easily overlooked."""
    text = name[:_MAX_CHARS]
    if text.isascii():
        text = text.lower()
    else:
        folded = unicodedata.normalize("NFKD", text).translate(_CAPITALS).casefold()
        text = "".join(filter(_is_seen, unicodedata.normalize("NFKD", folded)))
    return text.translate(_LETTERS).replace("rn", "m").replace("vv", "w") or name


def _is_seen(char: str) -> bool:
    return char.isascii() or char.isalnum()


class Claims:
    """Names in the order in which they were claimed; the first ones count."""

    def __init__(self) -> None:
        """Nothing is claimed yet."""
        self._names: dict[str, list[Claim]] = {}
        self._skeletons: dict[str, list[Claim]] = {}

    def add(self, server: str, name: str) -> Conflict | None:
        """Claims a name; says with whose earlier ones that conflicts, if it does."""
        claim = Claim(server, name)
        taken = _earlier(self._names, name, claim, _SERVER)
        resembled = _earlier(self._skeletons, skeleton(name), claim, _NAME)
        return Conflict(taken, resembled) if taken or resembled else None


def _earlier(claims: dict[str, list[Claim]], key: str, claim: Claim, part: int) -> Claim | None:
    """The first claim under a key that differs in a part; keeps what later ones may need."""
    held = claims.get(key)
    if held is None:
        claims[key] = [claim]
        return None
    other = next((one for one in held if one[part] != claim[part]), None)
    if other is not None and len(held) == 1:
        held.append(claim)  # one of two that differ in the part differs from any later
    return other
