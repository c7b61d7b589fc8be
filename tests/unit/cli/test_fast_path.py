"""The short cut past click: only for what is plainly understood, and light."""

import subprocess
import sys

import pytest

from governd.cli import fast_path, health

HEALTHCHECK = {"--socket", "--service", "--timeout"}


@pytest.mark.parametrize(
    "words",
    [
        ["--socket", "/s", "--timeout", "3", "--json"],
        ["--json", "--timeout=3", "--socket=/s"],
    ],
)
def test_plain_options_are_read_in_any_order_and_form(words: list[str]) -> None:
    found = fast_path.read_options(words, HEALTHCHECK, flags={"--json"})
    assert found == {"--socket": "/s", "--timeout": "3", "--json": "yes"}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["/s"],
        ["--socket"],
        ["--socket", ""],
        ["--socket="],
        ["--sock", "/s"],
        ["--socket", "/s", "--socket", "/t"],
        ["--json", "--json"],
        ["--json=yes"],
        ["--", "--socket", "/s"],
    ],
)
def test_whatever_is_not_plain_is_left_to_click(words: list[str]) -> None:
    assert fast_path.read_options(words, HEALTHCHECK, flags={"--json"}) is None


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e9", "soon", ""])
def test_a_timeout_that_is_none_is_left_to_click(text: str) -> None:
    assert health.timeout_of(text) is None
    assert fast_path.attempt(["healthcheck", f"--timeout={text}"]) is None


@pytest.mark.parametrize("arguments", [[], ["status"], ["--version"], ["run", "--help"]])
def test_other_verbs_and_help_are_left_to_click(arguments: list[str]) -> None:
    assert fast_path.attempt(arguments) is None


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("governd.cli.health", {"click", "grpc", "rich", "google", "pydantic", "asyncio"}),
        ("governd.cli.start", {"click", "grpc", "rich", "google", "pydantic", "asyncio", "h2"}),
    ],
)
def test_the_short_cut_loads_nothing_heavy(module: str, heavy: set[str]) -> None:
    assert not heavy & _loaded(f"import governd.cli.fast_path, {module}")


def test_the_daemon_keeps_rich_out_of_its_memory() -> None:
    loaded = _loaded(
        "from governd.cli import start; start.without_rich(); import governd.cli.daemon"
    )
    assert "structlog" in loaded
    assert not {"rich.console", "click"} & loaded


def _loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has after ``code``."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
