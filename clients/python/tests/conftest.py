"""What the tests of the Python client share: one settable governd, in memory or served."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from governd_client.testing import FakeGovernd


@pytest.fixture
def governd() -> FakeGovernd:
    """A governd that denies everything until told otherwise."""
    return FakeGovernd()


@pytest.fixture
def socket(governd: FakeGovernd, tmp_path: Path) -> Iterator[str]:
    """The same governd behind a real gRPC server on a Unix socket."""
    with governd.serve(tmp_path / "governd.sock") as path:
        yield path
