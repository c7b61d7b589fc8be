"""What governd's annotations on a policy mean.

``@id("…")`` names it, ``@mode("shadow")`` evaluates without enforcing,
``@max_staleness("30s")`` lets a permit count only while the policy is that fresh,
``@obligation("type;key=value, other")`` asks for something along with a permit,
``@no_lease`` keeps an answer from being reused, ``@explicit_denial`` lets a forbid be told
as what it is, of something that lists hide. Other annotations are the author's own and
mean nothing here. A misspelt value of one of ours is refused: silence would enforce
what was meant to be watched, or the reverse.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from governd.policy.decision import Obligation

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#@-]{0,199}", re.ASCII)
_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_ONLY_ON = {"max_staleness": "permit", "obligation": "permit", "explicit_denial": "forbid"}


@dataclass(frozen=True, slots=True)
class Traits:
    """A policy's annotations, understood.

    Attributes:
        id: Its ``@id``; ``""`` where it has none.
        shadow: Evaluated and reported, not enforced.
        max_staleness: Seconds of age beyond which a permit does not count.
        obligations: Types and properties, as yet without the policy's id.
        no_lease: Whether an answer it determines may not be reused.
        explicit_denial: Whether what it forbids is not to be answered as if it were not there.
    """

    id: str = ""
    shadow: bool = False
    max_staleness: float | None = None
    obligations: tuple[Obligation, ...] = ()
    no_lease: bool = False
    explicit_denial: bool = False


class AnnotationError(ValueError):
    """An annotation of governd's has a value it cannot have."""


def read_traits(annotations: Mapping[str, str], *, effect: str) -> Traits:
    """Reads the annotations of a policy.

    Args:
        annotations: As in Cedar's JSON form.
        effect: ``permit`` or ``forbid``.

    Raises:
        AnnotationError: A value that makes no sense, or not on this effect.
    """
    staleness = annotations.get("max_staleness")
    obligation = annotations.get("obligation")
    for name, only in _ONLY_ON.items():
        if name in annotations and effect != only:
            message = f"@{name} is for {only}s only"
            raise AnnotationError(message)
    return Traits(
        id=_identifier(annotations.get("id")),
        shadow=_mode(annotations.get("mode")),
        max_staleness=None if staleness is None else _duration(staleness),
        obligations=() if obligation is None else _obligations(obligation),
        no_lease="no_lease" in annotations,
        explicit_denial="explicit_denial" in annotations,
    )


def _identifier(text: str | None) -> str:
    if text is None:
        return ""
    if not _ID.fullmatch(text):
        message = f'@id("{text}"): letters, digits and ._:/#@- only, at most 200'
        raise AnnotationError(message)
    return text


def _mode(text: str | None) -> bool:
    if text not in {None, "shadow", "enforce"}:
        message = f'@mode("{text}"): must be "shadow" or "enforce"'
        raise AnnotationError(message)
    return text == "shadow"


def _duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if not match:
        message = f'@max_staleness("{text}"): a whole number with ms, s, m or h, e.g. "30s"'
        raise AnnotationError(message)
    return int(match[1]) * _SECONDS[match[2]]


def _obligations(text: str) -> tuple[Obligation, ...]:
    return tuple(_obligation(part.strip()) for part in text.split(","))


def _obligation(text: str) -> Obligation:
    kind, *pairs = (part.strip() for part in text.split(";"))
    properties = dict(_property(text, pair) for pair in pairs)
    if not _TYPE.fullmatch(kind) or len(properties) != len(pairs):
        message = f'@obligation("{text}"): must be "type" or "type;key=value;…"'
        raise AnnotationError(message)
    return Obligation("", kind, properties)


def _property(text: str, pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not equals or not _KEY.fullmatch(key):
        message = f'@obligation("{text}"): "{pair}" is not key=value'
        raise AnnotationError(message)
    return key, value
