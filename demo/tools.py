"""The chapter about a tool that changes behind its name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.agent import Agent, Outcome, connected
from demo.notes import EDITIONS
from demo.story import Story, until

_TOOL = "notes/read_notes"


async def tell(story: Story) -> None:
    """A server registers its tools; one changes, twice; an operator looks."""
    story.chapter("5  A server registers its tools; one changes behind its name")
    async with _deployed(story, "first") as reader:
        shown = await reader.tools()
        story.say(f"the notes server registered its tools; reader is shown: {', '.join(shown)}")
        story.check("reader is not shown add_note", holds=shown == ["read_notes"])
        await _read(story, reader, wanted=True)
    async with _deployed(story, "poisoned") as reader:
        await _changed(story, reader)
    async with _deployed(story, "improved") as reader:
        await _changed(story, reader)
        status = story.world.governd("tool", "show", _TOOL)
        story.say("this change is welcome: an operator approves exactly what was looked at")
        approve = ("tool", "approve", _TOOL, "--digest", status["digest"])
        said = "\n".join(story.world.told(*approve).splitlines()[-2:])
        story.quote(f"$ governd {' '.join(approve)[:78]}…\n{said}")
        story.check("reader is shown it again", holds=await reader.tools() == ["read_notes"])
        await _read(story, reader, wanted=True)


@asynccontextmanager
async def _deployed(story: Story, edition: str) -> AsyncIterator[Agent]:
    """The reader, connected to the notes server in one edition."""
    with story.world.notes(edition):
        await until(lambda: _registered(story) == EDITIONS[edition])
        async with connected("reader", story.world.agent_socket("notes", "reader")) as reader:
            yield reader


def _registered(story: Story) -> object:
    try:
        return story.world.governd("tool", "show", _TOOL)["definition"]["description"]
    except (RuntimeError, KeyError):  # not yet
        return None


async def _changed(story: Story, reader: Agent) -> None:
    story.say("the notes server is deployed anew, and read_notes says something else of itself")
    diff = story.world.told("tool", "diff", _TOOL)
    story.quote(f"$ governd tool diff {_TOOL}\n{diff}")
    story.check("it is quarantined: nobody is shown it", holds=await reader.tools() == [])
    outcome = await _read(story, reader, wanted=False)
    unknown = await reader.call("no_notes")
    same = outcome.text == unknown.text.replace("no_notes", "read_notes")
    story.check("and who calls it is told that there is no such tool", holds=same)


async def _read(story: Story, reader: Agent, *, wanted: bool) -> Outcome:
    return await story.use(reader, _TOOL, {"topic": "demo"}, "topic=demo", wanted=wanted)
