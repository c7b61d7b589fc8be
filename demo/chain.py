"""The chapter about who acts in whose name: a user, two agents and an MCP server."""

import base64
from contextlib import ExitStack

import httpx2

from demo.agent import Hook, connected
from demo.story import Story
from demo.world import NOTES, NOTES_ORIGIN, READER, WRITER
from governd_client import (
    AsyncActingAs,
    AsyncClient,
    BoundRequest,
    Client,
    Delegation,
    Evidence,
    EvidenceKind,
    MintRefusedError,
)
from governd_client.acting import acting
from governd_client.carriage import HTTP_HEADER, from_a2a
from governd_client.http_client import AsyncActingAsHook

_ASKED = BoundRequest.of("POST", "https://writer.example.org/a2a")
_ADD = "tools:call:notes/add_note"
_READ = "tools:call:notes/read_notes"


async def tell(story: Story) -> None:
    """Alice asks the reader, which asks the writer, which calls the notes server."""
    story.chapter("6  A user, two agents and a tool: who acts in whose name")
    with story.world.notes("improved"):
        delegation = _from_reader_to_writer(story)
        await _from_writer_to_notes(story, delegation)
        _widened(story, delegation)


def _from_reader_to_writer(story: Story) -> Delegation:
    world = story.world
    login = Evidence(EvidenceKind.ID_TOKEN, world.outside.login("alice"))
    with ExitStack() as stack:
        reader = stack.enter_context(Client(str(world.governd_socket("reader"))))
        writer = stack.enter_context(Client(str(world.governd_socket("writer"))))
        token = reader.delegation.mint(WRITER, login, scopes=[_ADD], request=_ASKED)
        story.say("alice logged in at the reader; governd mints a token for its call to the writer")
        text = from_a2a(token.a2a_metadata) or ""
        found = writer.delegation.verify(text, request=_ASKED, peer=READER)
    known = (found.user, found.actors) == ("alice", (READER,))
    story.check("the writer knows that alice asks, through the reader", holds=known)
    return found


async def _from_writer_to_notes(story: Story, delegation: Delegation) -> None:
    """The writer extends what it received for each request that it makes."""
    world, seen = story.world, _Seen()
    async with AsyncClient(str(world.governd_socket("writer"))) as governd:
        source = AsyncActingAs(governd, audience=NOTES, scopes=[_ADD])
        hooks: list[Hook] = [AsyncActingAsHook(source, origin=NOTES_ORIGIN), seen]
        with acting(delegation):
            async with connected("writer", world.agent_socket("notes", "writer"), hooks) as writer:
                note: dict[str, object] = {"topic": "demo", "text": "alice was here"}
                await story.use(writer, "notes/add_note", note, "for alice", wanted=True)
                await story.use(
                    writer, "notes/read_notes", {"topic": "demo"}, "for alice", wanted=False
                )
                seen.forges = True
                forged = await writer.call("add_note", **note)
    file = world.root / "token"
    file.write_text(seen.token)
    story.quote(f"$ governd delegation show token\n{world.told('delegation', 'show', str(file))}")
    refused = not forged.allowed and "acting-as token" in forged.text
    story.check(
        f"one in which somebody made carol of alice is refused: {forged.text}", holds=refused
    )


class _Seen:
    """Keeps the last token that is sent, or forges the user in it."""

    def __init__(self) -> None:
        self.token = ""
        self.forges = False

    async def __call__(self, request: httpx2.Request) -> None:
        headers = request.headers
        if self.forges:
            head, payload, signature = headers[HTTP_HEADER].split(".")
            claims = base64.urlsafe_b64decode(payload + "==").replace(b'"alice"', b'"carol"')
            forged = base64.urlsafe_b64encode(claims).decode().rstrip("=")
            headers[HTTP_HEADER] = f"{head}.{forged}.{signature}"
        else:
            self.token = headers[HTTP_HEADER]


def _widened(story: Story, delegation: Delegation) -> None:
    refused = ""
    with Client(str(story.world.governd_socket("writer"))) as writer:
        try:
            writer.delegation.extend(NOTES, delegation, scopes=[_ADD, _READ])
        except MintRefusedError as error:
            refused = error.metadata.get("rule", "")
    story.check(f"a wider one is not minted: {refused}", holds=refused == "SCOPE_WIDENED")
