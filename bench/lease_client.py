"""A client that reuses leased answers, in a process of its own; ``lease`` starts it.

``cost SOCKET COUNT`` times evaluates that are answered from a lease, and prints JSON.
``follow SOCKET`` asks again and again, and prints a line whenever the answer changes: when
(monotonic nanoseconds), whether it is a permit, whether it is leased.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import TypeAlias

from governd_client import Client, Decision, Resource

Asked: TypeAlias = tuple[str, Resource]

COMMITTING = ("tools/call", Resource("tool", "git/git_commit"))
LISTING = ("tools/list", Resource("mcp_server", "git"))
ARGUMENTS = {"repo_path": "repository", "message": "DEMO-1: say what it is for"}
_PATIENCE_SECONDS = 30
_PAUSE_SECONDS = 0.0005
_RENEWED = 0.001
"""The share of answers that may be asked for anew, because a lease ran out."""


def main() -> None:
    """Does what the command line says."""
    verb, socket, *rest = sys.argv[1:]
    with Client(socket) as governd:
        if verb == "cost":
            found = {
                "without arguments": _cost(governd, LISTING, None, int(rest[0])),
                "with arguments": _cost(governd, COMMITTING, ARGUMENTS, int(rest[0])),
            }
            print(json.dumps(found))
        else:
            _follow(governd)


def _cost(
    governd: Client, asked: Asked, arguments: Mapping[str, object] | None, count: int
) -> dict[str, float]:
    """Mean and p99 of single evaluates, in microseconds."""
    _wait_for_lease(governd, asked, arguments)
    took, leased = [], 0
    (action, resource), evaluate, clock = asked, governd.evaluate, time.perf_counter_ns
    for _ in range(count):
        began = clock()
        decision = evaluate(action, resource, arguments=arguments)
        took.append(clock() - began)
        leased += decision.leased
    if leased < count * (1 - _RENEWED):
        message = f"only {leased} of {count} answers were leased"
        raise RuntimeError(message)
    took.sort()
    return {"mean_us": sum(took) / count / 1000, "p99_us": took[count * 99 // 100] / 1000}


def _wait_for_lease(governd: Client, asked: Asked, arguments: Mapping[str, object] | None) -> None:
    """A lease needs the epoch, which WatchEpoch tells in its own time."""
    end = time.monotonic() + _PATIENCE_SECONDS
    decision: Decision | None = None
    while time.monotonic() < end:
        decision = governd.evaluate(*asked, arguments=arguments)
        if decision.leased:
            return
        time.sleep(0.01)
    message = f"no answer was leased: {decision}"
    raise RuntimeError(message)


def _follow(governd: Client) -> None:
    said: tuple[bool, bool] | None = None
    changed = time.monotonic()
    while time.monotonic() - changed < _PATIENCE_SECONDS:
        decision = governd.evaluate(*COMMITTING, arguments=ARGUMENTS)
        now = time.monotonic_ns()
        if (decision.allowed, decision.leased) != said:
            said, changed = (decision.allowed, decision.leased), time.monotonic()
            print(now, *map(int, said), flush=True)
        time.sleep(_PAUSE_SECONDS)
    message = "the answer does not change any more"
    raise RuntimeError(message)


if __name__ == "__main__":
    main()
