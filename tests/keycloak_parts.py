"""A real Keycloak for tests: fetched, built and filled once, started on loopback.

    with keycloak(directory) as server:
        server.create("", {"realm": "corp", "enabled": True})
        server.token("corp", grant_type="password", client_id="chat", ...)

What it is built with is in ``tests/keycloak``. Each has a copy of a database that has nothing
but the realm of its operator: to make that takes longer than all else.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests import parts
from tests.java_process import JavaProcess, free_port

VERSION = "26.7.3"
_PROJECT = Path(__file__).with_name("keycloak")
_SETTINGS = _PROJECT / "keycloak.conf"
_LINKED = ("bin", "conf", "lib", "providers", "themes", "version.txt")
# Starts in half the time of what its script sets: it lives for a minute.
_JAVA = "-Xms256m -Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_DATABASE = Path("data", "h2")
_ADMIN = "admin"
_HTTP_SECONDS = 60.0
_ADMIN_TOKEN_SECONDS = 30.0


def home() -> Path:
    """Keycloak, with the features that the tests need built in, and with its database."""
    return parts.built(f"keycloak-{VERSION}", (_PROJECT / "pom.xml", _SETTINGS), _make)


class Keycloak:
    """One that runs.

    Attributes:
        origin: Where it listens.
        process: What runs.
    """

    def __init__(self, installed: Path, directory: Path) -> None:
        """Starts it.

        Args:
            installed: Its programs.
            directory: For its files.
        """
        for name in _LINKED:  # it writes beside them
            (directory / name).symlink_to(installed / name)
        if (installed / _DATABASE).exists():
            shutil.copytree(installed / _DATABASE, directory / _DATABASE)
        port, self._health_port = free_port(), free_port()
        self.origin = f"http://127.0.0.1:{port}"
        self._client = httpx2.Client(timeout=_HTTP_SECONDS, trust_env=False)
        self._admin, self._admin_until = "", 0.0
        ports = (f"--http-port={port}", f"--http-management-port={self._health_port}")
        command = (str(installed / "bin" / "kc.sh"), "start", "--optimized", *ports)
        environ = {
            "JAVA_OPTS": _JAVA,
            "KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN,
        }
        home_is = f"-Dkc.home.dir={directory}"
        self.process = JavaProcess((*command, home_is), directory, environ)

    def until_ready(self) -> None:
        """Waits until it serves."""
        self.process.until(self._is_ready)

    def close(self) -> None:
        """Ends it at once."""
        self._client.close()
        self.process.kill()

    def issuer(self, realm: str) -> str:
        """The identifier of a realm as an issuer."""
        return f"{self.origin}/realms/{realm}"

    def create(self, path: str, what: Mapping[str, Any]) -> None:
        """Creates something below ``/admin/realms``, by the operator's API."""
        answer = self._operate("POST", path, what)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"

    def get(self, path: str) -> Any:
        """Reads something below ``/admin/realms``."""
        answer = self._operate("GET", path)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def ask(self, realm: str, form: Mapping[str, str]) -> httpx2.Response:
        """The answer of a realm's token endpoint."""
        uri = f"{self.issuer(realm)}/protocol/openid-connect/token"
        return self._client.post(uri, data=dict(form))

    def token(self, realm: str, **form: str) -> dict[str, Any]:
        """The same, where it has to give a token."""
        answer = self.ask(realm, form)
        assert answer.is_success, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def _operate(
        self, method: str, path: str, what: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        if time.monotonic() > self._admin_until:
            self._admin_until = time.monotonic() + _ADMIN_TOKEN_SECONDS
            who = {"client_id": "admin-cli", "username": _ADMIN, "password": _ADMIN}
            self._admin = self.token("master", grant_type="password", **who)["access_token"]
        headers = {"authorization": f"Bearer {self._admin}"}
        uri = f"{self.origin}/admin/realms{path}"
        return self._client.request(method, uri, json=what, headers=headers)

    def _is_ready(self) -> bool:
        uri = f"http://127.0.0.1:{self._health_port}/health/ready"
        with contextlib.suppress(httpx2.TransportError):
            return self._client.get(uri).is_success
        return False


@contextlib.contextmanager
def keycloak(directory: Path) -> Iterator[Keycloak]:
    """One with a directory of its own, until the end."""
    server = Keycloak(home(), directory)
    try:
        server.until_ready()
        yield server
    finally:
        server.close()


def _make(into: Path) -> None:
    unpacked = into.with_name("unpacked")
    parts.maven(_PROJECT, unpacked)
    folder = unpacked / f"keycloak-{VERSION}"
    shutil.copy(_SETTINGS, folder / "conf")
    done = subprocess.run(
        (folder / "bin" / "kc.sh", "build"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"Keycloak does not build: {done.stdout}{done.stderr}"
    _fill(folder, into.with_name("first"))
    folder.rename(into)


def _fill(folder: Path, scratch: Path) -> None:
    """Has it make its database, and keeps that beside its programs."""
    scratch.mkdir()
    server = Keycloak(folder, scratch)
    try:
        server.until_ready()
        server.process.stop()
    finally:
        server.close()
    (folder / _DATABASE).parent.mkdir(exist_ok=True)
    (scratch / _DATABASE).rename(folder / _DATABASE)
