"""Cedar text as single policies, each with its place.

Cedar's parser tells neither where a mistake stands nor survives deep nesting (it
overflows the stack and takes the process with it), so the text is first cut at the
semicolons that end policies and each piece is held to limits. The cut is checked:
the parser must find exactly as many policies as there are pieces, one in each. Left to
others: types (``compiler``), meaning of annotations (``annotations``).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from governd.errors import PolicyError, Problem

MAX_STATEMENT_CHARS = 16_384
MAX_NESTING = 64
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<comment>//[^\n]*)|(?P<open>[(\[{])"""
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


def split_statements(file: str, text: str) -> list[Statement]:
    """Cuts Cedar text into single policies.

    Raises:
        PolicyError: A string does not end, text follows the last semicolon, or a policy
            is too long or nested too deeply.
    """
    statements: list[Statement] = []
    start, depth, nesting = -1, 0, 0
    for token in _tokens(file, text):
        kind = token.lastgroup
        if kind == "comment":
            continue
        start = token.start() if start < 0 else start
        depth += (kind == "open") - (kind == "close")
        nesting = max(nesting + (kind == "if"), depth)
        if nesting > MAX_NESTING:
            _refuse(file, text, start, f"is nested deeper than {MAX_NESTING} levels")
        if kind == "end":
            statements.append(_statement(file, text, start, token.end()))
            start, depth, nesting = -1, 0, 0
    if start >= 0:
        _refuse(file, text, start, "does not end with a semicolon")
    return statements


def refuse_deep(file: str, text: str) -> None:
    """Holds any Cedar text, a schema for example, to the limit of nesting.

    Raises:
        PolicyError: It is nested too deeply.
    """
    depth = 0
    for token in _tokens(file, text):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if depth > MAX_NESTING:
            _refuse(file, text, token.start(), f"is nested deeper than {MAX_NESTING} levels")


def parse_statements(statements: list[Statement]) -> list[ParsedStatement]:
    """Cedar's JSON form of each policy.

    Raises:
        PolicyError: Some do not parse, or are templates; every one of them is named.
    """
    try:
        parsed = _parse("\n".join(statement.text for statement in statements))
    except ValueError:
        parsed = None
    if parsed is None or len(parsed) != len(statements):
        return _parse_one_by_one(statements)
    return [
        ParsedStatement(statement, est) for statement, est in zip(statements, parsed, strict=True)
    ]


def _parse_one_by_one(statements: list[Statement]) -> list[ParsedStatement]:
    results: list[ParsedStatement] = []
    problems: list[Problem] = []
    for statement in statements:
        try:
            parsed = _parse(statement.text)
        except ValueError as error:
            problems.append(Problem(statement.file, statement.line, f"policy: {error}"))
            continue
        if len(parsed) == 1:
            results.append(ParsedStatement(statement, parsed[0]))
        else:
            message = "policy: templates are not supported, write ?principal and ?resource out"
            problems.append(Problem(statement.file, statement.line, message))
    if problems:
        raise PolicyError(problems)
    return results


def _parse(text: str) -> list[Mapping[str, Any]]:
    """Static policies in the order of the text; raises ``ValueError``."""
    policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return [policies[key] for key in sorted(policies, key=_ordinal)]


def _ordinal(generated_id: str) -> int:
    """Cedar numbers policies in the order of the text: ``policy0``, ``policy1``…"""
    return int(generated_id.removeprefix("policy"))


def _tokens(file: str, text: str) -> Iterator["re.Match[str]"]:
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "quote":
            _refuse(file, text, token.start(), "has a string that does not end")
        yield token


def _statement(file: str, text: str, start: int, end: int) -> Statement:
    if end - start > MAX_STATEMENT_CHARS:
        _refuse(file, text, start, f"has more than {MAX_STATEMENT_CHARS} characters")
    return Statement(file, _line(text, start), text[start:end])


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _refuse(file: str, text: str, position: int, problem: str) -> None:
    raise PolicyError([Problem(file, _line(text, position), f"policy: {problem}")])
