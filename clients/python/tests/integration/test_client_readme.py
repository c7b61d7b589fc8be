"""The README runs as it is written, against a settable governd."""

import re
from pathlib import Path
from typing import Any

import pytest
from mcp.server.lowlevel import Server

from governd_client.testing import FakeGovernd, permit

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def example(socket: str, governd: FakeGovernd, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs an example with ``GOVERND_SOCKET`` set, and gives its names."""
    monkeypatch.setenv("GOVERND_SOCKET", socket)
    governd.rule = lambda _: permit()

    def run(index: int) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(compile(EXAMPLES[index], str(README), "exec"), names)  # noqa: S102 - our own README
        return names

    return run


def test_asking(example: Any, governd: FakeGovernd, capsys: pytest.CaptureFixture[str]) -> None:
    example(0)
    printed = capsys.readouterr().out
    assert governd.spiffe_id in printed
    assert "go ahead" in printed
    assert len(governd.requests) == 4


def test_leases(example: Any, governd: FakeGovernd, capsys: pytest.CaptureFixture[str]) -> None:
    governd.lease = 5.0
    example(1)
    assert "Stats(" in capsys.readouterr().out
    assert [each.code for each in governd.reports[0].outcomes] == [1]


async def test_mcp_server(example: Any) -> None:
    server: Server[Any] = Server("git")
    before = len(server.middleware)
    assert len(example(2)["governed"](server, "spiffe://example.org/a").middleware) == before + 1


def test_grpc_server(example: Any) -> None:
    assert example(3)["interceptor"]


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 4
