"""Tells what happens in the demo, and keeps what did not come true."""

import asyncio
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from demo.agent import Agent, Outcome
from demo.world import World

CONSOLE = Console(highlight=False, soft_wrap=True)


class Story:
    """What is told, and what it rests on."""

    def __init__(self, world: World) -> None:
        """Begins."""
        self.world = world
        self.failures: list[str] = []

    def chapter(self, title: str) -> None:
        """Begins a chapter."""
        CONSOLE.print(f"\n[bold]{title}[/bold]")

    def say(self, text: str) -> None:
        """Tells something beside the calls."""
        CONSOLE.print(f"  [dim]{escape(text)}[/dim]")

    def quote(self, text: str) -> None:
        """Shows what a command printed."""
        for line in text.rstrip().splitlines():
            CONSOLE.print(Text(f"    {line}"))

    def check(self, claim: str, *, holds: bool) -> None:
        """Tells what is seen, and keeps it where it does not hold."""
        CONSOLE.print(f"  {'[green]✓[/green]' if holds else '[red]✗[/red]'} {escape(claim)}")
        if not holds:
            self.failures.append(claim)

    async def call(self, agent: Agent, tool: str, *, wanted: bool, **arguments: object) -> Outcome:
        """Lets an agent call a tool of the repository's server."""
        given = {"repo_path": str(self.world.repository), **arguments}
        shown = " ".join(f"{name}={value}" for name, value in arguments.items())
        return await self.use(agent, f"git/{tool}", given, shown, wanted=wanted)

    async def use(
        self, agent: Agent, tool: str, arguments: dict[str, object], shown: str, *, wanted: bool
    ) -> Outcome:
        """Lets an agent call a tool, and tells what came of it and why."""
        outcome = await agent.call(tool.partition("/")[2], **arguments)
        asked = {"type": "tool", "id": tool}
        record = [one for one in self.world.decisions() if one.get("resource") == asked][-1]
        word = "[green]allowed[/green]" if outcome.allowed else "[red]refused[/red]"
        why = ", ".join(record["reasons"]) or record["code"].lower()
        told = "" if outcome.allowed else f"  [dim]told: {escape(outcome.text)}[/dim]"
        CONSOLE.print(
            f"  {agent.name:<7} {tool.partition('/')[2]:<12} {escape(shown[:34]):<35} {word}  {why}"
            f"  [dim]{record['latency_us']} µs[/dim]{told}"
        )
        if outcome.allowed != wanted:
            self.failures.append(f"{agent.name} {tool}: {outcome.text}")
        return outcome


async def until(true: Callable[[], bool], limit: float = 20.0) -> float:
    """Seconds until something is true.

    Raises:
        TimeoutError: It does not become true.
    """
    start = time.monotonic()
    while not true():
        if time.monotonic() - start > limit:
            message = "governd did not take the change"
            raise TimeoutError(message)
        await asyncio.sleep(0.05)
    return time.monotonic() - start
