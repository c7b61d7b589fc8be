"""The tree keeps its shape: no package where none belongs, no oversized module, docs."""

import ast
import itertools
import re
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT / "daemon" / "governd", ROOT / "clients" / "python" / "governd_client")
MODULES = sorted(
    path for source in SOURCES for path in source.rglob("*.py") if "_proto" not in path.parts
)
MAX_LINES = 250
MEDIAN_LINES = 200
MEDIAN_FUNCTION_LINES = 14
P90_FUNCTION_LINES = 40

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def public(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """The public classes, functions and methods, outermost first."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def is_overload(node: Definition) -> bool:
    return any("overload" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_daemon_is_a_folder_and_no_package() -> None:
    """``import daemon`` is python-daemon's."""
    assert not (ROOT / "daemon" / "__init__.py").exists()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_documented_with_all_that_is_public(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [
        f"{node.name} (line {node.lineno})"
        for node in public(tree)
        if not ast.get_docstring(node) and not is_overload(node)
    ]
    assert ast.get_docstring(tree), "the module has no docstring"
    assert not bare


def test_no_module_is_oversized() -> None:
    large = {name(path): lines_of(path) for path in MODULES if lines_of(path) > MAX_LINES}
    assert not large


def test_modules_and_functions_are_small_as_a_rule() -> None:
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.median(lines_of(path) for path in MODULES) <= MEDIAN_LINES
    assert statistics.median(functions) <= MEDIAN_FUNCTION_LINES
    assert statistics.quantiles(functions, n=10)[-1] <= P90_FUNCTION_LINES


@pytest.mark.parametrize("path", ["pyproject.toml", "clients/python/pyproject.toml"])
def test_every_dependency_says_why_it_is_there(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    project = tomllib.loads(text)
    entries = [
        *project["project"]["dependencies"],
        *itertools.chain(*project["project"].get("optional-dependencies", {}).values()),
        *itertools.chain(*project.get("dependency-groups", {}).values()),
    ]
    reasoned = {match[1] for match in re.finditer(r'"([^"]+)"[,\]]* +# *\S', text)}
    assert set(entries) <= reasoned


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_a_lock_pins_and_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    entries = text.replace("\\\n", " ").splitlines()
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries if entry)
    assert "://" not in text


def test_the_runtime_lock_is_part_of_the_development_lock() -> None:
    runtime, dev = (
        {
            line.split(";")[0].strip(" \\")
            for line in (ROOT / "requirements" / lock).read_text(encoding="utf-8").splitlines()
            if "==" in line
        }
        for lock in ("runtime.txt", "dev.txt")
    )
    assert runtime <= dev
