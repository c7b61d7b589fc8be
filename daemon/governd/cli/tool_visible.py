r"""What MCP servers wrote, fit for a terminal and for eyes that somebody wants to deceive.

A definition is read by a model, and looked at by the operator who approves it: what the
one sees, the other must see. Shown as escapes, such as ``\u200b``, are characters that

* move the cursor, end the line or turn its direction;
* are not seen: zero-width ones, tags, variation selectors, fillers, spaces that are none;
* look like others: letters of another script among Latin ones (UTS #39, section 5.1), what
  is not in normalization form C (UAX #15), marks without a letter or stacked over others.
"""

import re
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
_MARKS = {"Mn", "Me"}
_MOST_MARKS = 2

# Of other categories, yet without a shape: joiners, fillers, selectors, an empty Braille cell.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_WORD = re.compile(r"\w+")
_LATIN = re.compile("[A-Za-z]")
_LIKE_LATIN = ("ARMENIAN ", "CHEROKEE ", "COPTIC ", "CYRILLIC ", "GREEK ", "LISU ")


def visible(text: str) -> str:
    """A text on one line, with everything that could deceive shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    borrowed = {place for word in _WORD.finditer(text) for place in _borrowed(word)}
    return "".join(
        _escape(one) if place in borrowed or _deceives(text, place) else one
        for place, one in enumerate(text)
    )


def quoted(text: str) -> str:
    """The same in quotes; what is in it cannot end them."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{visible(escaped)}"'


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode()


def _borrowed(word: re.Match[str]) -> list[int]:
    """Where a Latin word has letters of scripts that have the same shapes."""
    if word[0].isascii() or not _LATIN.search(word[0]):
        return []
    return [
        place
        for place, one in enumerate(word[0], word.start())
        if unicodedata.name(one, "").startswith(_LIKE_LATIN)
    ]


def _deceives(text: str, place: int) -> bool:
    one, before = text[place], text[max(0, place - _MOST_MARKS) : place]
    if one.isascii():
        return not one.isprintable()
    category = unicodedata.category(one)
    if category in _UNSEEN or _BLANK.match(one):
        return True
    if category in _MARKS and _unfounded(before):
        return True
    return unicodedata.normalize("NFC", before[-1:] + one) != before[-1:] + one


def _unfounded(before: str) -> bool:
    """Whether a mark after this has no letter, or one that bears enough already."""
    if not before or before[-1].isspace():
        return True
    marks = [unicodedata.category(one) in _MARKS for one in before]
    return len(marks) == _MOST_MARKS and all(marks)
