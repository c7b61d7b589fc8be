"""A real Spring Authorization Server for tests: built once, started on loopback.

    with spring(directory, documents.uri("/governd.jwks")) as server:
        access_token = server.log_in()["access_token"]

Its application is in ``tests/spring``. It keeps everything in memory, and has one user, alice.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests import parts
from tests.java_process import JavaProcess, free_port

BOOT_VERSION = "4.0.9"
_PROJECT = Path(__file__).with_name("spring")
_JAR = "authorization-server.jar"
_JAVA = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_HTTP_SECONDS = 60.0
_CSRF = re.compile(r'name="_csrf"[^>]*value="([^"]+)"')
_USER = "alice"
_FRONT_END, _BACK = "chat", "http://127.0.0.1:1/back"


def jar() -> Path:
    """The application."""
    sources = sorted(path for path in _PROJECT.rglob("*") if path.is_file())
    return parts.built(f"spring-{BOOT_VERSION}", sources, _make) / _JAR


class Spring:
    """One that runs.

    Attributes:
        issuer: Its identifier, and where it listens.
        process: What runs.
    """

    def __init__(self, directory: Path, jwks_uri: str) -> None:
        """Starts it; ``directory`` is for its files, the keys at ``jwks_uri`` are governd's."""
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        settings = (f"--server.port={port}", f"--governd.jwks={jwks_uri}")
        command = ("java", *_JAVA, "-jar", str(jar()), *settings)
        self.process = JavaProcess(command, directory, {})

    def until_ready(self) -> None:
        """Waits until it serves."""
        self.process.until(self._is_ready)

    def log_in(self) -> dict[str, Any]:
        """What the front end has once the user is logged in: an ID token, and an access token."""
        with self._client() as browser:
            asked = {"response_type": "code", "client_id": _FRONT_END, "redirect_uri": _BACK}
            scope = {"scope": "openid read", "state": "state"}
            page = browser.get(f"{self.issuer}/oauth2/authorize", params={**asked, **scope})
            csrf = _CSRF.search(page.text)
            assert csrf is not None, page.text
            form = {"username": _USER, "password": _USER, "_csrf": csrf.group(1)}
            home = browser.post(f"{self.issuer}/login", data=form, follow_redirects=False)
            back = browser.get(home.headers["location"], follow_redirects=False)
            (code,) = parse_qs(urlsplit(back.headers["location"]).query)["code"]
        return self._redeem(code)

    def _redeem(self, code: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _BACK}
        client = {"client_id": _FRONT_END, "client_secret": _FRONT_END}
        with self._client() as front_end:
            answer = front_end.post(f"{self.issuer}/oauth2/token", data={**form, **client})
        assert answer.is_success, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def _client(self) -> httpx2.Client:
        headers = {"accept": "text/html"}
        return httpx2.Client(
            timeout=_HTTP_SECONDS, trust_env=False, headers=headers, follow_redirects=True
        )

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx2.TransportError), self._client() as client:
            return client.get(f"{self.issuer}/.well-known/openid-configuration").is_success
        return False


@contextlib.contextmanager
def spring(directory: Path, jwks_uri: str) -> Iterator[Spring]:
    """One with a directory of its own, until the end."""
    server = Spring(directory, jwks_uri)
    try:
        server.until_ready()
        yield server
    finally:
        server.process.kill()


def _make(into: Path) -> None:
    target = into.with_name("target")
    parts.maven(_PROJECT, target)
    into.mkdir()
    (target / _JAR).rename(into / _JAR)
