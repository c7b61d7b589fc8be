"""What ``healthcheck`` says and how it exits, with nothing heavy loaded."""

import json
import math
import os
import sys

from governd.cli import socket_path
from governd.cli.probe import SERVING, ProbeError, check

TIMEOUT_SECONDS = 2.0
_MOST_SECONDS = 3600.0


def timeout_of(text: str | None) -> float | None:
    """The timeout that an option gives; ``None`` where it is no sensible one."""
    if text is None:
        return TIMEOUT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 < seconds <= _MOST_SECONDS else None


def report(address: str | None, service: str, *, timeout: float, as_json: bool) -> int:
    """Asks, tells, and returns the exit code: 0 serving, 1 not, 2 for a bad address.

    Args:
        address: Of the socket; ``None`` for the environment's or the default.
        service: Full name of a gRPC service; ``""`` for governd as a whole.
        timeout: Seconds for everything together.
        as_json: Whether to tell it as one JSON object.
    """
    try:
        path = socket_path.parse(address or _default())
    except ValueError as error:
        sys.stderr.write(f"governd: {error}\n")
        return 2
    status, failure = "UNREACHABLE", ""
    try:
        status = check(path, service, timeout=timeout)
    except ProbeError as error:
        failure = str(error)
    if as_json:
        answer = {"socket": str(path), "service": service, "status": status, "error": failure}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    elif failure:
        sys.stderr.write(f"governd: {failure}\n")
    else:
        sys.stdout.write(status.lower().replace("_", " ") + "\n")
    return 0 if status == SERVING else 1


def _default() -> str:
    return os.environ.get(socket_path.ADMIN_SOCKET_VARIABLE) or socket_path.ADMIN_SOCKET
