"""A receiver of acting-as tokens in Go, that shares no code with governd.

    results = receive({"bundles": {...}, "vectors": [...]})
    assert results["accepted"] == {"accepted": {...}}

What it reads and says is in ``tests/acting_as_verifier/main.go``.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench import builds

_SOURCES = Path(__file__).with_name("acting_as_verifier")


def acting_as_verifier() -> Path:
    """The program, built the first time on a machine."""
    try:
        return builds.cached(
            "acting_as_verifier",
            builds.digest(_SOURCES),
            lambda target: builds.go("build", "-o", str(target), ".", folder=_SOURCES),
        )
    except FileNotFoundError:
        pytest.fail("building tests/acting_as_verifier takes Go; install it")


def receive(suite: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What it says of each vector, by id."""
    command = [str(acting_as_verifier())]
    text = json.dumps(suite)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.split("\n") if line]  # U+0085 ends none
    return {one.pop("id"): one for one in told}
