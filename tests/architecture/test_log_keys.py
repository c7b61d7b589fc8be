"""Every key that governd logs is documented, once, in ``observability/log_keys.py``."""

import ast
from pathlib import Path

import pytest

from governd.observability.log_keys import Key

DAEMON = Path(__file__).parents[2] / "daemon" / "governd"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def logged_keys(path: Path) -> set[str]:
    """Keyword arguments of calls such as ``self._log.info("event", key=value)``."""
    keys: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and "log" in ast.unparse(node.func.value).lower()
        ):
            keys.update(keyword.arg for keyword in node.keywords if keyword.arg)
    return keys


@pytest.mark.req("ob-1", part=True)
def test_every_logged_key_is_documented() -> None:
    found = {path.name: logged_keys(path) for path in DAEMON.rglob("*.py")}
    assert any(found.values())
    unknown = {name: keys - {str(key) for key in Key} for name, keys in found.items()}
    assert not {name: keys for name, keys in unknown.items() if keys}
