"""An agent that has a user's token, and an upstream's, has neither where others may look."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.token_node import TokenNode, token_node

pytestmark = [pytest.mark.req("c-3", part=True), pytest.mark.req("sec-4", part=True)]

AGENT = """
import hashlib
import sys

from governd_client import Client, Evidence, EvidenceKind

login = Evidence(EvidenceKind.ID_TOKEN, sys.stdin.readline().strip())
with Client() as governd:
    token = governd.token("crm", evidence=login)
    print(hashlib.sha256(token.token.encode()).hexdigest(), flush=True)
    sys.stdin.readline()
"""
"""Gets a token with the login that it reads, says which one, and lives until it reads more."""
_SECRET = ("_token", "assertion")
"""How the names of parameters end that are secret."""


@contextmanager
def agent(node: TokenNode, folder: Path, login: str) -> Iterator[tuple[int, str]]:
    """A process that has a token, by its id; and the token's digest.

    All that it can write without being told where is in ``folder``.
    """
    folder.mkdir()
    (folder / "agent.py").write_text(AGENT)
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"), str(folder))
    environ = {"GOVERND_SOCKET": str(node.daemon.sockets["planner"]), **own}
    with (
        (folder / "stderr").open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "agent.py"],
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{login}\n")
        process.stdin.flush()
        digest = process.stdout.readline().strip()
        yield process.pid, digest
        process.stdin.close()
        assert process.wait(60) == 0, (folder / "stderr").read_text()


def written(pid: int, folder: Path) -> bytes:
    """A process's environment, its arguments, and all files in a directory."""
    found = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
    found += [one.read_bytes() for one in folder.rglob("*") if one.is_file()]
    return b"\n".join(found)


def tokens(node: TokenNode, login: str) -> set[str]:
    """All that were sent or came; of each what is not a header that many share."""
    found = {login, *node.corp.issued, *node.idp.issued}
    for form in (*node.corp.forms, *node.idp.forms):
        found |= {one for name, one in form.items() if name.endswith(_SECRET)}
    return {part for token in found for part in token.split(".")[1:]}


def keys(node: TokenNode, folder: Path) -> set[str]:
    """Those of the servers, and every line of one that is in a file of the node's."""
    found = {str(one.signer.key.as_dict(private=True)["d"]) for one in (node.corp, node.idp)}
    for file in folder.rglob("*"):
        if file.is_file() and b"PRIVATE KEY" in (content := file.read_bytes()):
            lines = content.decode("ascii").splitlines()
            found |= {one for one in lines if one and not one.startswith("-----")}
    return found


def test_no_token_and_no_key_is_in_an_agent_s_environment_arguments_or_files(
    tmp_path: Path,
) -> None:
    node_folder, agent_folder = tmp_path / "node", tmp_path / "agent"
    node_folder.mkdir()
    with token_node(node_folder) as node:
        login = node.login()
        with agent(node, agent_folder, login) as (pid, digest):
            (token,) = node.corp.issued
            assert hashlib.sha256(token.encode()).hexdigest() == digest, "it has one"
            found = written(pid, agent_folder)
        secrets = tokens(node, login) | keys(node, node_folder)
    for name in ("GOVERND_SOCKET", "agent.py", "import hashlib"):
        assert name.encode() in found, "it is there that tokens are looked for"
    assert len(secrets) >= 8
    for secret in secrets:
        assert secret.encode() not in found
