r"""A real SPIRE for tests: a server, an agent on the same machine, and their command line.

    def test_something(start_spire: StartSpire) -> None:
        spire = start_spire()
        spire.server.create(Entry("/web", ("k8s:ns:shop",)))
        source = SpireAgent(spire.agent.admin_socket, spire.server.trust_domain)

Whoever runs the tests is the delegate: the entry ``/governd`` matches their user. Selectors
that a delegate names are not attested, so any will do for entries of workloads.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc

from governd._proto.spire.api.agent.delegatedidentity.v1 import (
    delegatedidentity_pb2,
    delegatedidentity_pb2_grpc,
)
from governd.cli import probe
from tests import parts
from tests.fakes.authority import Authority

TRUST_DOMAIN = "example.org"
NODE, DELEGATE = "/node", "/governd"
START_SECONDS = 60.0

_SERVER = """
server {{
  {experimental}
  bind_address = "127.0.0.1"
  bind_port = "{port}"
  socket_path = "{directory}/server.sock"
  trust_domain = "{trust_domain}"
  data_dir = "{directory}/server"
  log_level = "{log_level}"
  ca_ttl = "24h"
  default_x509_svid_ttl = "1h"
  default_jwt_svid_ttl = "5m"
}}
plugins {{
  DataStore "sql" {{ plugin_data {{
    database_type = "sqlite3"
    connection_string = "{directory}/server/datastore.sqlite3"
  }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  {upstream}
}}
"""
_AGENT = """
agent {{
  {experimental}
  data_dir = "{directory}/agent"
  log_level = "{log_level}"
  server_address = "127.0.0.1"
  server_port = "{port}"
  socket_path = "{directory}/run/agent.sock"
  admin_socket_path = "{directory}/admin/admin.sock"
  authorized_delegates = {delegates}
  trust_domain = "{trust_domain}"
  trust_bundle_path = "{directory}/bundle.pem"
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{ workload_size_limit = -1 }} }}
}}
"""
_UPSTREAM = """UpstreamAuthority "disk" {{ plugin_data {{
    cert_file_path = "{directory}/root.pem"
    key_file_path = "{directory}/root.key"
  }} }}"""
_FAST_SERVER = 'experimental { cache_reload_interval = "100ms" }'
_FAST_AGENT = 'experimental { sync_interval = "200ms" }'


@dataclass(frozen=True, slots=True)
class Entry:
    """What to register.

    Attributes:
        path: Of the SPIFFE ID that it issues.
        selectors: ``type:value``, all of which a workload must have.
        ttl: Of X.509-SVIDs, in seconds; 0 for the server's own.
        federates_with: Trust domains whose bundles the workload is to have.
        hint: What the SVID is for.
        dns_names: Beside the SPIFFE ID.
        parent: Path of the ID of the node that may issue it.
        jwt_ttl: Of JWT-SVIDs, in seconds; 0 for the server's own.
    """

    path: str
    selectors: tuple[str, ...]
    ttl: int = 0
    federates_with: tuple[str, ...] = ()
    hint: str = ""
    dns_names: tuple[str, ...] = ()
    parent: str = NODE
    jwt_ttl: int = 0


class Process:
    """A program of SPIRE's and what it logs."""

    def __init__(self, log_file: Path) -> None:
        """Starts nothing yet; ``log_file`` goes on over all starts."""
        self.log_file = log_file
        self.log_level = "DEBUG"
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self, *command: str) -> None:
        """Starts it."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, e.g. SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def until(self, ready: Any) -> None:
        """Waits until ``ready()`` is true."""
        began = time.monotonic()
        while not ready():
            assert self._process is not None
            code = self._process.poll()
            assert code is None, f"ended with {code}:\n{self.logs()}"
            assert time.monotonic() - began < START_SECONDS, f"is not ready:\n{self.logs()}"
            time.sleep(0.01)

    def logs(self) -> str:
        """What it logged over all its starts."""
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""


class SpireServer(Process):
    """A SPIRE server with a trust domain of its own."""

    def __init__(
        self, directory: Path, trust_domain: str, *, fast: bool, root: Authority | None = None
    ) -> None:
        """Starts nothing yet.

        Args:
            directory: For its files; its path must be short.
            trust_domain: Its name.
            fast: Whether changes show within 0.1 s, not 5 s as by default.
            root: Above its own authority; none: it is its own root.
        """
        super().__init__(directory / "server.log")
        self.trust_domain = trust_domain
        self.directory = directory
        self.port = _free_port()
        self._socket = directory / "server.sock"
        self._fast = fast
        self._root = root

    def start(self) -> None:
        """Starts it and returns when it answers."""
        (self.directory / "server").mkdir(exist_ok=True)
        config = self.directory / "server.hcl"
        config.write_text(
            _SERVER.format(
                directory=self.directory,
                port=self.port,
                trust_domain=self.trust_domain,
                experimental=_FAST_SERVER if self._fast else "",
                upstream=self._upstream(),
                log_level=self.log_level,
            )
        )
        self.spawn(str(parts.spire().server), "run", "-config", str(config))
        self.until(lambda: _serves(self._socket))

    def command(self, *words: str, stdin: str = "") -> Any:
        """Runs one of its commands; the JSON that it prints."""
        return json.loads(self._run(*words, "-output", "json", stdin=stdin))

    def create(self, *entries: Entry) -> list[str]:
        """Registers entries; their ids."""
        document = json.dumps({"entries": [self._entry(entry) for entry in entries]})
        made = self.command("entry", "create", "-data", "-", stdin=document)
        results = made["results"]
        assert all("entry" in result for result in results), results
        return [result["entry"]["id"] for result in results]

    def delete(self, *ids: str) -> None:
        """Removes entries."""
        document = json.dumps({"ids": list(ids)})
        self._run("entry", "delete", "-file", "-", stdin=document)

    def ids_of(self, path: str) -> list[str]:
        """The ids of the entries that issue the SPIFFE ID with this path."""
        found = self.command("entry", "show", "-spiffeID", self.id_of(path))
        return [entry["id"] for entry in found["entries"]]

    def join_token(self) -> str:
        """A token with which one agent becomes the node ``NODE``."""
        found = self.command("token", "generate", "-spiffeID", self.id_of(NODE))
        return str(found["value"])

    def bundle(self, form: str = "spiffe") -> str:
        """Its trust bundle, ``spiffe`` (JWKS) or ``pem``."""
        return self._run("bundle", "show", "-format", form)

    def federate(self, other: "SpireServer") -> None:
        """Takes the trust bundle of another trust domain."""
        where = ("-id", f"spiffe://{other.trust_domain}", "-format", "spiffe")
        self._run("bundle", "set", *where, stdin=other.bundle())

    def defederate(self, other: "SpireServer") -> None:
        """Forgets the trust bundle of another trust domain."""
        where = ("-id", f"spiffe://{other.trust_domain}", "-mode", "dissociate")
        self._run("bundle", "delete", *where)

    def rotate_authority(self) -> str:
        """Signs with a new X.509 authority from now on; the id of the old one."""
        return self.activate_authority(self.prepare_authority())

    def prepare_authority(self) -> str:
        """Makes a new X.509 authority, which is trusted and signs nothing yet; its id."""
        made = self.command("localauthority", "x509", "prepare")
        return str(made["prepared_authority"]["authority_id"])

    def activate_authority(self, authority_id: str) -> str:
        """Signs with a prepared X.509 authority from now on; the id of the old one."""
        self.command("localauthority", "x509", "activate", "-authorityID", authority_id)
        return str(self.command("localauthority", "x509", "show")["old"]["authority_id"])

    def taint_authority(self, authority_id: str) -> None:
        """Has agents renew what an old X.509 authority signed."""
        self.command("localauthority", "x509", "taint", "-authorityID", authority_id)

    def revoke_authority(self, authority_id: str) -> None:
        """Takes a tainted X.509 authority out of the trust bundle."""
        self.command("localauthority", "x509", "revoke", "-authorityID", authority_id)

    def id_of(self, path: str) -> str:
        """A SPIFFE ID of its trust domain."""
        return f"spiffe://{self.trust_domain}{path}"

    def _upstream(self) -> str:
        if self._root is None:
            return ""
        (self.directory / "root.pem").write_bytes(self._root.bundle_pem)
        (self.directory / "root.key").write_bytes(self._root.key_pem)
        return _UPSTREAM.format(directory=self.directory)

    def _entry(self, entry: Entry) -> dict[str, Any]:
        selectors = (selector.partition(":") for selector in entry.selectors)
        return {
            "parent_id": self.id_of(entry.parent),
            "spiffe_id": self.id_of(entry.path),
            "selectors": [{"type": kind, "value": value} for kind, _, value in selectors],
            "x509_svid_ttl": entry.ttl,
            "jwt_svid_ttl": entry.jwt_ttl,
            "federates_with": [f"spiffe://{domain}" for domain in entry.federates_with],
            "hint": entry.hint,
            "dns_names": list(entry.dns_names),
        }

    def _run(self, *words: str, stdin: str = "") -> str:
        command = [str(parts.spire().server), *words, "-socketPath", str(self._socket)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout


class SpireNode(Process):
    """A SPIRE agent; it keeps nothing over a restart but its place in the tree."""

    def __init__(self, server: SpireServer, *, delegates: Sequence[str], fast: bool) -> None:
        """Starts nothing yet.

        Args:
            server: Whose agent it is.
            delegates: Paths of the SPIFFE IDs that may ask for others' identities.
            fast: Whether changes show within 0.2 s, not 5 s as by default.
        """
        super().__init__(server.directory / "agent.log")
        self.server = server
        self.delegates = tuple(delegates)
        self.admin_socket = server.directory / "admin" / "admin.sock"
        self.workload_socket = server.directory / "run" / "agent.sock"
        self._fast = fast

    def start(self) -> None:
        """Starts it and returns when it answers."""
        directory = self.server.directory
        for name in ("agent", "run", "admin"):
            (directory / name).mkdir(exist_ok=True)
        config = directory / "agent.hcl"
        config.write_text(
            _AGENT.format(
                directory=directory,
                port=self.server.port,
                trust_domain=self.server.trust_domain,
                delegates=json.dumps([self.server.id_of(path) for path in self.delegates]),
                experimental=_FAST_AGENT if self._fast else "",
                log_level=self.log_level,
            )
        )
        (directory / "bundle.pem").write_text(self.server.bundle("pem"))
        token = self.server.join_token()
        program = str(parts.spire().agent)
        self.spawn(program, "run", "-config", str(config), "-joinToken", token)
        self.until(lambda: _serves(self.workload_socket) and self.admin_socket.exists())

    def knows_its_delegate(self) -> bool:
        """Whether the entry of whoever runs the tests has reached it."""
        request = delegatedidentity_pb2.SubscribeToX509BundlesRequest()
        with grpc.insecure_channel(f"unix:{self.admin_socket}") as channel:
            stub = delegatedidentity_pb2_grpc.DelegatedIdentityStub(channel)
            try:
                next(iter(stub.SubscribeToX509Bundles(request, timeout=5)))
            except grpc.RpcError:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Spire:
    """A server and its agent."""

    server: SpireServer
    agent: SpireNode


class StartSpire(Protocol):
    """The fixture ``start_spire``."""

    def __call__(
        self,
        trust_domain: str = TRUST_DOMAIN,
        *,
        fast: bool = True,
        entries: Sequence[Entry] = (),
        delegates: Sequence[str] = (DELEGATE,),
        root: Authority | None = None,
    ) -> Spire:
        """Starts a SPIRE that lets this process ask for others' identities.

        Args:
            trust_domain: Its name.
            fast: Whether changes show at once, not after up to ten seconds.
            entries: To register before the agent starts.
            delegates: Paths of the SPIFFE IDs that may ask for others' identities.
            root: Above the server's own authority, for who wants its key.
        """


@contextlib.contextmanager
def spires(log_level: str = "DEBUG") -> Iterator[StartSpire]:
    """Starts SPIREs; ends them all, and prints what they logged, which pytest shows if need be."""
    started: list[Process] = []
    base = Path(tempfile.mkdtemp(prefix="spire-"))  # short: a socket's path has 107 bytes

    def start(
        trust_domain: str = TRUST_DOMAIN,
        *,
        fast: bool = True,
        entries: Sequence[Entry] = (),
        delegates: Sequence[str] = (DELEGATE,),
        root: Authority | None = None,
    ) -> Spire:
        directory = base / str(len(started))
        directory.mkdir()
        server = SpireServer(directory, trust_domain, fast=fast, root=root)
        agent = SpireNode(server, delegates=delegates, fast=fast)
        server.log_level = agent.log_level = log_level
        started.extend((server, agent))
        server.start()
        server.create(Entry(DELEGATE, (f"unix:uid:{os.geteuid()}",)), *entries)
        agent.start()
        if DELEGATE in delegates:
            agent.until(agent.knows_its_delegate)
        return Spire(server, agent)

    try:
        yield start
    finally:
        for process in reversed(started):
            process.kill()
            print(f"--- {process.log_file}", process.logs(), sep="\n")  # noqa: T201
        shutil.rmtree(base, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _serves(path: Path) -> bool:
    try:
        return probe.check(path, timeout=1) == probe.SERVING
    except probe.ProbeError:
        return False
