"""A name server that is silent, of one authorization server, stops no other one."""

import itertools
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration import token_node as nodes
from tests.integration.token_node import TokenNode, Told, token_node

pytestmark = [pytest.mark.req("avail-3", part=True), pytest.mark.req("r-3", part=True)]

_SILENT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  if (name && strstr(name, "silent.example")) for (;;) pause();
  return ((look_up *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
}
"""
"""The resolver of this machine, but that it never comes back for names of one zone."""
_SCOPES = [f"s{number}" for number in range(5)]
_MANIFEST = f"""
[[authorization_server]]
name = "silent"
issuer = "https://login.silent.example"
client_id = "governd"
client_authentication = "jwt-spiffe"
token_endpoint = "https://login.silent.example/token"
[[upstream]]
name = "silent"
resource = "https://api.silent.example/"
authorization_server = "silent"
grant = "client-credentials"
scopes = [{", ".join(f'"{one}"' for one in _SCOPES)}]
"""


@pytest.fixture
def resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is the one of the daemon that is started, whose policy has the silent server, too."""
    source, library = tmp_path / "silent.c", tmp_path / "silent.so"
    source.write_text(_SILENT, encoding="ascii")
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    others = nodes.manifest
    monkeypatch.setattr(nodes, "manifest", lambda *parts: _MANIFEST + others(*parts))


def _ask(node: TokenNode, scopes: tuple[str, ...]) -> Told:
    with pytest.raises(Told) as told:
        node.router.get("silent", "", *scopes)
    return told.value


@pytest.mark.usefixtures("resolver")
def test_a_silent_name_server_stops_no_other_authorization_server(tmp_path: Path) -> None:
    """Any pool of threads that they share, ten would fill for good."""
    wanted = list(itertools.combinations(_SCOPES, 2))
    limits = "breaker_failures = 100\nretries = 0\n"
    with token_node(tmp_path, tokens=limits) as node, ThreadPoolExecutor(len(wanted)) as asking:
        silent = [asking.submit(_ask, node, scopes) for scopes in wanted]
        for number in range(10):
            assert node.planner.get("crm", node.login(f"during-{number}")).access_token
        for one in silent:
            told = one.result()
            assert told.reason == "ISSUER_UNAVAILABLE"
            assert told.facts["authorization_server"] == "silent"
        assert node.planner.get("crm", node.login("after")).access_token
