"""Cedar text as single policies, each with its place.

Cedar's parser tells neither where a mistake stands nor survives deep nesting (it
overflows the stack and takes the process with it), so the text is first cut at the
semicolons that end policies and each piece is held to limits. Comments end where Cedar's
end, at a carriage return, too: a policy behind one must not be lost. The cut is checked:
the parser must find exactly one policy in each piece. Left to others: types
(``compiler``), meaning of annotations (``annotations``).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from governd.errors import PolicyError, Problem

MAX_STATEMENT_CHARS = 16_384
MAX_NESTING = 64
MAX_PATH = 32
"""Of ``a.b.c``: what ``has`` makes of a path grows with the square of its length."""
MAX_JSON_DEPTH = 124
"""Of a policy in Cedar's JSON form, of which Cedar reads 128 levels."""
_DECLARED = frozenset(";})")
_NOT_ONE = "templates are not supported, write ?principal and ?resource out"
_TOO_DEEP = "has too many operators in a row, or is nested too deeply"
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<comment>//[^\r\n]*)|(?P<open>[(\[{])"""
    r"""|(?P<close>[)\]}])|(?P<if>\bif\b)|(?P<end>;)|(?P<quote>")|(?P<word>[^\s"/()\[\]{};]+|/)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy as it is written.

    Attributes:
        file: Path within the policy source.
        line: Where it begins, from 1, annotations included.
        text: The policy, with its semicolon.
    """

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """One policy in Cedar's JSON form.

    Attributes:
        statement: Where it came from.
        est: Cedar's JSON form of the policy.
    """

    statement: Statement
    est: Mapping[str, Any]


class _Meter:
    """Measures how deep one policy is nested."""

    def __init__(self) -> None:
        self._depth = self._ifs = self._path = 0
        self._dotted = False

    def problem(self, token: "re.Match[str]") -> str:
        """What is wrong from this token on; ``""`` for nothing."""
        word = token[0] if token.lastgroup == "word" else ""
        change = (token.lastgroup == "open") - (token.lastgroup == "close")
        self._depth = max(0, self._depth + change)
        self._ifs += token.lastgroup == "if"
        goes_on = self._dotted or word.startswith(".")
        self._path = word.count(".") + (self._path if goes_on else 0)
        self._dotted = word.endswith(".")
        if self._depth + self._ifs > MAX_NESTING:
            return f"is nested deeper than {MAX_NESTING} levels"
        return f"has a path of more than {MAX_PATH} names" if self._path > MAX_PATH else ""


def split_statements(file: str, text: str) -> list[Statement]:
    """Cuts Cedar text into single policies.

    Raises:
        PolicyError: A string does not end, text follows the last semicolon, or a policy
            is too long or nested too deeply.
    """
    statements: list[Statement] = []
    start, meter = -1, _Meter()
    line, counted = 1, 0
    for token in _tokens(file, text):
        if token.lastgroup == "comment":
            continue
        start = token.start() if start < 0 else start
        problem = meter.problem(token)
        if problem:
            _refuse(file, text, start, problem)
        if token.lastgroup == "end":
            line, counted = line + text.count("\n", counted, start), start
            statements.append(_statement(file, text, line, slice(start, token.end())))
            start, meter = -1, _Meter()
    if start >= 0:
        _refuse(file, text, start, "does not end with a semicolon")
    return statements


def refuse_deep(file: str, text: str) -> None:
    """Holds a Cedar schema to the limit of nesting, ``Set<Set<…>>`` included.

    Raises:
        PolicyError: It is nested too deeply.
    """
    depth = 0
    for token in _schema_tokens(file, text):
        for char in token[0]:
            depth = max(0, depth + (char in "([{<") - (char in ")]}>"))
            if depth > MAX_NESTING:
                problem = f"is nested deeper than {MAX_NESTING} levels"
                _refuse(file, text, token.start(), problem, kind="schema")


def refuse_namespaces(file: str, text: str) -> None:
    """Refuses a Cedar schema that declares a namespace: no question could name its types.

    Raises:
        PolicyError: It declares one.
    """
    previous = ";"
    for token in _schema_tokens(file, text):
        # As a name (``entity namespace;``, ``{ namespace: Long }``) the word is fine: a
        # declaration begins behind another one, or behind an annotation.
        if token[0] == "namespace" and (previous in _DECLARED or previous.startswith("@")):
            message = "namespaces are not supported in the schema extension"
            _refuse(file, text, token.start(), message, kind="schema")
        previous = previous + token[0] if previous == "@" else token[0]


def _schema_tokens(file: str, text: str) -> Iterator["re.Match[str]"]:
    tokens = _tokens(file, text, kind="schema")
    return (token for token in tokens if token.lastgroup not in {"string", "comment"})


def parse_statements(statements: list[Statement]) -> list[ParsedStatement]:
    """Cedar's JSON form of each policy.

    Raises:
        PolicyError: Some do not parse, or are templates; every one of them is named.
    """
    results: list[ParsedStatement] = []
    problems: list[Problem] = []
    for statement in statements:
        try:
            results.append(ParsedStatement(statement, _parse(statement.text)))
        except ValueError as error:
            problems.append(Problem(statement.file, statement.line, f"policy: {error}"))
    if problems:
        raise PolicyError(problems)
    return results


def _parse(text: str) -> Mapping[str, Any]:
    """The one static policy of a text; raises ``ValueError``."""
    try:
        found = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if len(found) != 1:
        raise ValueError(_NOT_ONE)
    (est,) = found.values()
    if _depth(est) > MAX_JSON_DEPTH:
        raise ValueError(_TOO_DEEP)
    policy: Mapping[str, Any] = est
    return policy


def _depth(est: object) -> int:
    depth, level = 0, [est]
    while level:
        depth += 1
        level = [child for item in level for child in _children(item)]
    return depth


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()


def _tokens(file: str, text: str, kind: str = "policy") -> Iterator["re.Match[str]"]:
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "quote":
            _refuse(file, text, token.start(), "has a string that does not end", kind=kind)
        yield token


def _statement(file: str, text: str, line: int, part: slice) -> Statement:
    statement = Statement(file, line, text[part])
    if len(statement.text) > MAX_STATEMENT_CHARS:
        _refuse(file, text, part.start, f"has more than {MAX_STATEMENT_CHARS} characters")
    return statement


def _refuse(file: str, text: str, position: int, problem: str, *, kind: str = "policy") -> None:
    line = text.count("\n", 0, position) + 1
    raise PolicyError([Problem(file, line, f"{kind}: {problem}")])
