"""The chapter about somebody else's server: an agent gets in, and holds no secret for it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import httpx2

from demo.outside import UPSTREAM
from demo.story import Story
from demo.world import READER

_ROOT = Path(__file__).parent.parent
_SECRETS = (b"eyJ", b"PRIVATE KEY")
"""How tokens (JSON that is written as base64url) and keys (PEM) begin."""


class Visit(NamedTuple):
    """What came of an agent's visit, and how its process looked then.

    Attributes:
        text: What it was told, ``""`` for nothing.
        refused: Why it got no token, ``""`` where it did.
        given: Names of the variables of its environment.
        seen: All of its environment, its arguments and its files.
    """

    text: str
    refused: str
    given: list[str]
    seen: bytes


async def tell(story: Story) -> None:
    """Alice asks the reader for her tickets, which a protected server has, and the writer."""
    story.chapter("7  Somebody else's server: access without a credential in the agent")
    login = story.world.outside.login("alice")
    _closed(story, login)
    story.say("alice asks the reader, an agent in a process of its own, for her tickets")
    with _visiting(story, "reader", login) as reader, _visiting(story, "writer", login) as writer:
        _gets_in(story, reader.visit())
        _holds(story, login)
        refused, issued = writer.visit().refused, story.world.outside.issued
    story.check(
        f"the writer, whom no policy permits it, gets no token: {refused}",
        holds=refused == "MINT_REFUSED" and issued == 1,
    )


def _closed(story: Story, login: str) -> None:
    outside = story.world.outside
    with httpx2.Client(verify=outside.tls.context()) as http:
        shown = http.post(outside.resource, headers={"Authorization": f"Bearer {login}"}, json={})
    story.check(
        f"the tickets server takes tokens of its issuer; alice's login alone: {shown.status_code}",
        holds=shown.status_code == 401,
    )


def _gets_in(story: Story, visit: Visit) -> None:
    told = visit.text.endswith(f"for alice, asked by {READER}")
    story.check(f"it is told: {visit.text}", holds=told)
    story.say(f"its environment: {', '.join(visit.given)}; its directory is empty")
    clean = not any(secret in visit.seen for secret in _SECRETS)
    story.check("there is no token and no key in either", holds=clean)


def _holds(story: Story, login: str) -> None:
    """What the token says, to who may ask for it as the reader does."""
    world = story.world
    command = ("token", "get", UPSTREAM, "--evidence-file", "-")
    said = world.told(*command, "--socket", str(world.governd_socket("reader")), stdin=login)
    story.quote(f"$ governd {' '.join(command)}\n{said}")
    held = world.governd("token", "cache")["tokens"]
    uses = ", ".join(f"{each['uses']} times" for each in held)
    story.check(
        f"governd handed it out {uses}, and asked its issuer {world.outside.issued} time",
        holds=len(held) == 1 and held[0]["uses"] > 1 and world.outside.issued == 1,
    )


class _Agent:
    """An agent's process, and what it was given."""

    def __init__(self, process: "subprocess.Popen[bytes]", given: list[str], files: Path) -> None:
        self._process, self._given, self._files = process, given, files

    def visit(self) -> Visit:
        """What came of its visit, when it has an answer."""
        said = json.loads(cast("IO[bytes]", self._process.stdout).readline() or b"{}")
        refused = said.get("refused", "" if said else "no answer")
        return Visit(said.get("text", ""), refused, self._given, self._seen())

    def _seen(self) -> bytes:
        """What is to be seen of it: environment, arguments, and the files it has made."""
        proc = Path("/proc") / str(self._process.pid)
        files = [path for path in self._files.rglob("*") if path.is_file()]
        looked_at = (proc / "environ", proc / "cmdline", *files)
        return b"\0".join(path.read_bytes() for path in looked_at)


@contextmanager
def _visiting(story: Story, agent: str, login: str) -> Iterator[_Agent]:
    """An agent that is told who logged in, until it may end."""
    outside, directory = story.world.outside, story.world.root / f"{agent}-agent"
    directory.mkdir()
    socket = str(story.world.governd_socket(agent))
    given = {"GOVERND_SOCKET": socket, "PATH": os.defpath, "PYTHONPATH": str(_ROOT)}
    command = [
        *(sys.executable, "-m", "demo.visitor", "--url", outside.resource),
        *("--upstream", UPSTREAM, "--authorities", str(outside.tls.authorities)),
    ]
    pipe = subprocess.PIPE
    with (
        (story.world.root / f"{agent}-agent.log").open("wb") as log,
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=log, cwd=directory, env=given
        ) as process,
    ):
        to_agent = cast("IO[bytes]", process.stdin)
        to_agent.write(f"{login}\n".encode())
        to_agent.flush()
        yield _Agent(process, list(given), directory)
