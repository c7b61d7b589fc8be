"""Builds what the tests run on Java, so that it is there when they ask for it.

python -m tests.java_parts
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests import keycloak_parts, spring_parts

_PARTS: Mapping[str, Callable[[], Path]] = {
    "Keycloak, about a minute": keycloak_parts.home,
    "Spring Authorization Server, half of one": spring_parts.jar,
}


def main() -> None:
    """Builds it, unless it is in the cache."""
    began = time.monotonic()
    for name, make in _PARTS.items():
        where = make()
        print(f"{time.monotonic() - began:4.0f} s  {name}: {where}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
