"""An agent as small as can be: knows nothing but governd's socket.

    agent.py serve        # runs until SIGTERM; grpc.health.v1 on port 50051
    agent.py whoami       # who governd takes this pod for
    agent.py ask SERVICE  # whether it may ask that service
    agent.py load         # asks all the time until its input ends, and tells how that went
    agent.py reach PATH   # what can be done to files at a path

The last four answer with one JSON object; tests run them in the pod.
"""

import contextlib
import json
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from governd_client import Client, GoverndError, Resource

ADDRESS = "[::]:50051"
SERVICE = "agent"
FORECAST = "https://weather.example/forecast"
PATIENCE_SECONDS = 60.0  # two nodes share two cores, with whatever else is tested there
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def serve() -> None:
    """Is alive at once, and ready while governd answers."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    status = health.HealthServicer()
    status.set(SERVICE, _NOT_SERVING)
    server = grpc.server(ThreadPoolExecutor(4))
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    server.add_insecure_port(ADDRESS)
    server.start()
    began, ready = time.time(), False
    with Client(leases=False) as governd:
        while not ended.wait(1.0 if ready else 0.05):
            now = _answers(governd)
            status.set(SERVICE, _SERVING if now else _NOT_SERVING)
            if now and not ready:
                tell({"event": "ready", "began": began, "ready": time.time(), **whoami(governd)})
            ready = now
    server.stop(grace=1).wait()


def whoami(governd: Client) -> dict[str, Any]:
    """Who governd takes this pod for, once it is somebody."""
    governd.wait_ready(timeout=PATIENCE_SECONDS)
    this = governd.whoami(timeout=PATIENCE_SECONDS)
    return {
        "spiffe_id": this.spiffe_id,
        "attestation": this.attestation,
        "facts": dict(this.facts),
    }


def ask(governd: Client, service: str) -> dict[str, Any]:
    """Whether this agent may ask a service; what went wrong if there is no answer."""
    try:
        answer = governd.evaluate(
            "http/request", Resource("external_service", service), timeout=PATIENCE_SECONDS
        )
    except GoverndError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"allowed": answer.allowed, "reasons": list(answer.reasons)}


def load(governd: Client) -> dict[str, Any]:
    """Asks one question after the other, none from a lease; what failed and what took longest."""
    ended = threading.Event()
    threading.Thread(target=_await_end_of_input, args=(ended,), daemon=True).start()
    calls, longest, failed = 0, 0.0, []
    while not ended.wait(0.005):
        began = time.monotonic()
        answer = ask(governd, FORECAST)
        calls, longest = calls + 1, max(longest, time.monotonic() - began)
        if answer.get("allowed") is not True:
            failed.append(answer)
    return {"calls": calls, "failed": failed[:10], "longest_seconds": longest}


def reach(path: str) -> dict[str, str]:
    """What this process can do to the files at a path, its socket included."""
    place = Path(path)
    attempts = {
        "list": lambda: sorted(one.name for one in place.iterdir()),
        "connect": lambda: _connect(place / "governd.sock"),
        "create": (place / "forged").touch,
        "remove": (place / "governd.sock").unlink,
        "replace": lambda: (place / "governd.sock").rename(place / "old"),
    }
    result = {}
    for name, attempt in attempts.items():
        try:
            result[name] = f"done {attempt() or ''}".strip()  # type: ignore[no-untyped-call]
        except OSError as error:
            result[name] = error.strerror or "failed"
    return result


def tell(answer: object) -> None:
    """Prints an answer for the tests."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Does what the first argument says."""
    verb, *rest = sys.argv[1:]
    if verb == "serve":
        serve()
    elif verb == "reach":
        tell(reach(*rest))
    else:
        with Client(leases=False) as governd:
            _answer(governd, verb, *rest)


def _answer(governd: Client, verb: str, *rest: str) -> None:
    if verb == "whoami":
        tell(whoami(governd))
    elif verb == "ask":
        tell(ask(governd, *rest))
    elif verb == "load":
        tell(load(governd))
    else:
        sys.exit(f"agent.py: {verb}: expected serve, whoami, ask, load or reach")


def _answers(governd: Client) -> bool:
    with contextlib.suppress(GoverndError):
        return bool(governd.whoami(timeout=1.0).spiffe_id)
    return False


def _await_end_of_input(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))


if __name__ == "__main__":
    main()
