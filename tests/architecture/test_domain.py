"""The domain decides on values: no file, no clock, no environment, no global state.

``lint-imports`` forbids the modules that could; this forbids the names that need none.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

GOVERND = Path(__file__).parents[2] / "daemon" / "governd"
DOMAIN = sorted(
    [
        GOVERND / "errors.py",
        GOVERND / "sealed.py",
        GOVERND / "strict_json.py",
        *(
            path
            for part in ("identity", "policy", "audit", "delegation", "kya", "pods", "tokens")
            for path in (GOVERND / part).rglob("*.py")
        ),
    ]
)
CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "globals"}
METHODS = {
    *("now", "utcnow", "today"),  # the clock
    *("read_text", "read_bytes", "write_text", "write_bytes", "exists", "is_file", "iterdir"),
}


def forbidden(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"line {node.lineno}: global"
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in CALLS:
                yield f"line {node.lineno}: {called.id}()"
            elif isinstance(called, ast.Attribute) and called.attr in METHODS:
                yield f"line {node.lineno}: .{called.attr}()"


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: str(path.relative_to(GOVERND)))
def test_a_module_of_the_domain_touches_no_world(path: Path) -> None:
    assert not list(forbidden(ast.parse(path.read_text(encoding="utf-8"))))


def test_the_rule_finds_what_it_forbids() -> None:
    source = "def f():\n    global x\n    open('x')\n    datetime.now()\n"
    assert len(list(forbidden(ast.parse(source)))) == 3
