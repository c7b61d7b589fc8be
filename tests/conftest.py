"""What holds for every test: marks name real requirements; property tests by profile."""

import os

import pytest
from hypothesis import settings

from tests.requirement_marks import proofs_of, requirements

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, database=None)
settings.register_profile("fuzz", max_examples=10_000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses a mark that names no requirement."""
    list(proofs_of(items, requirements()))
