"""A stock SPIFFE client for tests, built from go-spiffe, that knows nothing of governd.

    client = GoClient("unix:///governd/governd.sock")
    assert client.x509()["svids"][0]["id"] == "spiffe://example.org/web"
    with client.watch() as events:
        events.until(lambda event: event["event"] == "x509")

What it prints is in ``tests/spiffe_client/main.go``.
"""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import builds

Event = dict[str, Any]
PATIENCE_SECONDS = 30.0
_SOURCES = Path(__file__).with_name("spiffe_client")


def spiffe_client() -> Path:
    """The program, built the first time on a machine."""
    try:
        return builds.cached(
            "spiffe_client",
            builds.digest(_SOURCES),
            lambda target: builds.go("build", "-o", str(target), ".", folder=_SOURCES),
        )
    except FileNotFoundError:
        pytest.fail("building tests/spiffe_client takes Go; install it")


class Events:
    """What a client that watches has told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Begins to read."""
        self.seen: list[Event] = []
        self._new: queue.Queue[Event] = queue.Queue()
        self._process = process
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        """The next event that is wanted; others are passed over."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                event = self._new.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                why = f"it was not told; what was: {self.seen}"
                raise AssertionError(why) from None
            self.seen.append(event)
            if wanted(event):
                return event

    def named(self, name: str) -> Event:
        """The first event of that name, told already or to be told."""
        seen = (event for event in self.seen if event["event"] == name)
        return next(seen, None) or self.until(lambda event: event["event"] == name)

    def end(self) -> None:
        """Returns when the client tells nothing any more."""
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._new.put(json.loads(line))


class GoClient:
    """A workload with go-spiffe."""

    def __init__(self, address: str) -> None:
        """Takes the Workload API's address, as SPIFFE_ENDPOINT_SOCKET has it."""
        self._address = address

    def x509(self) -> Event:
        """The X.509 context, every SVID verified; or how the call was refused."""
        (told,) = self._run("x509")
        return told

    def jwt(self, *audiences: str, spiffe_id: str = "") -> Sequence[Event]:
        """Tokens, each validated with the JWT bundles; or how the call was refused."""
        options = [word for audience in audiences for word in ("-audience", audience)]
        return self._run("jwt", *options, *(["-id", spiffe_id] if spiffe_id else []))

    def validate(self, token: str, audience: str) -> Event:
        """Whose token the Workload API says it is; or how the call was refused."""
        (told,) = self._run("validate", "-audience", audience, stdin=token)
        return told

    @contextlib.contextmanager
    def watch(self) -> Iterator[Events]:
        """Watches all streams."""
        command = self._command("watch")
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            events = Events(process)
            try:
                yield events
            finally:
                assert process.stdin is not None
                process.stdin.close()
                events.end()
        assert process.returncode == 0

    def _run(self, *words: str, stdin: str = "") -> Sequence[Event]:
        command = self._command(*words)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _command(self, name: str, *words: str) -> Sequence[str]:
        return [str(spiffe_client()), name, "-socket", self._address, *words]
