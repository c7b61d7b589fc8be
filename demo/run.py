"""``make demo``: two agents work on a git repository, and governd governs them.

Every part is real: governd as it is installed, ``mcp-server-git`` as it is published,
behind a small MCP proxy with governd's middleware, and agents that are MCP clients. The
demo checks what it shows and ends with 0 only if all of it came true.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.agent import Agent, Outcome, connected
from demo.world import BIN, World, running
from governd_client import Client, Resource

_CONSOLE = Console(highlight=False, soft_wrap=True)
_GRANT = """
[[grant]]
agents = ["spiffe://example.org/agent/writer"]
destructive = ["git/git_reset"]
"""


class Story:
    """Tells what happens and keeps what did not come true."""

    def __init__(self, world: World) -> None:
        """Begins."""
        self.world = world
        self.failures: list[str] = []

    def chapter(self, title: str) -> None:
        """Begins a chapter."""
        _CONSOLE.print(f"\n[bold]{title}[/bold]")

    def say(self, text: str) -> None:
        """Tells something beside the calls."""
        _CONSOLE.print(f"  [dim]{text}[/dim]")

    def check(self, claim: str, *, holds: bool) -> None:
        """Tells what is seen on the server's side, and keeps it where it does not hold."""
        _CONSOLE.print(f"  {'[green]✓[/green]' if holds else '[red]✗[/red]'} {claim}")
        if not holds:
            self.failures.append(claim)

    async def call(self, agent: Agent, tool: str, *, wanted: bool, **arguments: object) -> Outcome:
        """Lets an agent call a tool, and tells what came of it and why."""
        outcome = await agent.call(tool, repo_path=str(self.world.repository), **arguments)
        asked = {"type": "tool", "id": f"git/{tool}"}
        record = [one for one in self.world.decisions() if one["resource"] == asked][-1]
        word = "[green]allowed[/green]" if outcome.allowed else "[red]refused[/red]"
        why = ", ".join(record["reasons"]) or record["code"].lower()
        shown = " ".join(f"{name}={value}" for name, value in arguments.items())
        _CONSOLE.print(
            f"  {agent.name:<7} {tool:<12} {shown[:34]:<35} {word}  {why}"
            f"  [dim]{record['latency_us']} µs[/dim]"
        )
        if outcome.allowed != wanted:
            self.failures.append(f"{agent.name} {tool}: {outcome.text}")
        return outcome


async def tell(world: World) -> Story:
    """The whole story."""
    story = Story(world)
    async with AsyncExitStack() as stack:
        connect = [connected(name, world.agent_socket(name)) for name in ("reader", "writer")]
        reader, writer = [await stack.enter_async_context(one) for one in connect]
        await _different_grants(story, reader, writer)
        await _ignored_advice(story, writer)
        await _live_edit(story, writer)
        await _broken_policy(story, reader)
    return story


async def _different_grants(story: Story, reader: Agent, writer: Agent) -> None:
    story.chapter("1  Two agents, one MCP server, different grants")
    (story.world.repository / "plan.txt").write_text("Ship it.\n")
    story.say(f"the server lists {len(await reader.tools())} tools; the call decides")
    await story.call(reader, "git_status", wanted=True)
    await story.call(reader, "git_add", files=["plan.txt"], wanted=False)
    await story.call(writer, "git_add", files=["plan.txt"], wanted=True)
    await story.call(writer, "git_commit", message="wip", wanted=False)
    await story.call(writer, "git_commit", message="DEMO-1: Add the plan", wanted=True)
    subject = story.world.git("log", "-1", "--format=%s")
    story.check(f'the newest commit is "{subject}"', holds=subject == "DEMO-1: Add the plan")


async def _ignored_advice(story: Story, writer: Agent) -> None:
    story.chapter("2  Advice can be ignored; the server cannot")
    (story.world.repository / "draft.txt").write_text("Not yet.\n")
    await story.call(writer, "git_add", files=["draft.txt"], wanted=True)
    with Client(str(story.world.governd_socket("writer"))) as governd:
        advice = governd.evaluate(
            "tools/call",
            Resource("tool", "git/git_reset"),
            arguments={"repo_path": str(story.world.repository)},
        )
    story.say(f"writer asks governd whether it may reset: {advice.code.name.lower()}")
    story.say("writer resets all the same")
    await story.call(writer, "git_reset", wanted=False)
    staged = story.world.git("diff", "--cached", "--name-only")
    story.check("draft.txt is still staged", holds=staged == "draft.txt")


async def _live_edit(story: Story, writer: Agent) -> None:
    story.chapter("3  The policy is edited while everything runs")
    before = story.world.governd("status")["policy"]["epoch"]
    grants = story.world.policy / "grants.toml"
    good = grants.read_text()
    grants.write_text(good + _GRANT)
    seconds = await _until(lambda: story.world.governd("status")["policy"]["epoch"] != before)
    story.say(f"grants.toml now grants git/git_reset to the writer; in force after {seconds:.1f} s")
    await story.call(writer, "git_reset", wanted=True)
    staged = story.world.git("diff", "--cached", "--name-only")
    story.check("nothing is staged any more", holds=staged == "")
    grants.write_text(good)


async def _broken_policy(story: Story, reader: Agent) -> None:
    story.chapter("4  A policy that is broken is refused; the last good one stays")
    path = story.world.policy / "policies" / "git.cedar"
    good = path.read_text()
    path.write_text(good + "\nforbid (principal, action, resource) when { context.nonsense };\n")
    await _until(lambda: bool(story.world.governd("status")["policy_problems"]))
    problem = story.world.governd("status")["policy_problems"][0]
    story.say(f"{problem['file']}:{problem['line']}: {problem['message']}"[:110])
    await story.call(reader, "git_log", max_count=1, wanted=True)
    path.write_text(good)
    await _until(lambda: not story.world.governd("status")["policy_problems"])
    story.check("governd took the mended policy", holds=story.world.governd("status")["ready"])


async def _until(true: Callable[[], bool], limit: float = 20.0) -> float:
    """Seconds until something is true."""
    start = time.monotonic()
    while not true():
        if time.monotonic() - start > limit:
            message = "governd did not take the change"
            raise TimeoutError(message)
        await asyncio.sleep(0.05)
    return time.monotonic() - start


def _show_decisions(world: World) -> None:
    table = Table("agent", "asked by", "action", "resource", "decision", "why", "µs", box=None)
    for record in world.decisions():
        asked_by = record["asserted_by"] or record["subject"]
        table.add_row(
            record["subject"].rpartition("/")[2],
            asked_by.rpartition("/")[2],
            record["action"],
            record["resource"]["id"],
            "[green]allow[/green]" if record["decision"] else "[red]deny[/red]",
            ", ".join(record["reasons"]) or record["code"].lower(),
            str(record["latency_us"]),
        )
    _CONSOLE.print("\n[bold]Every decision is on record[/bold]")
    _CONSOLE.print(table)


def _stay(world: World) -> None:
    """Keeps everything up until interrupted."""
    governd, root = BIN / "governd", world.root
    _CONSOLE.print(f"""
[bold]Everything stays up. Try, in another terminal:[/bold]

  {governd} status --admin-socket {root}/admin.sock
  {governd} whoami --socket {root}/writer.sock
  {governd} evaluate tools/call tool:git/git_status --socket {root}/reader.sock \\
      --arguments '{{"repo_path": "{world.repository}"}}'
  {governd} explain tools/call tool:git/git_commit --admin-socket {root}/admin.sock \\
      --caller spiffe://example.org/agent/reader \\
      --arguments '{{"repo_path": "{world.repository}", "message": "wip"}}'
  {governd} policy test {world.policy}
  tail -f {root}/state/decisions.jsonl
  $EDITOR {world.policy}/policies/git.cedar      # in force within a second

Stop with Ctrl-C.""")
    stopping = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)  # not before: children inherit it
    signal.sigwait(stopping)


def main() -> int:
    """Runs the demo; 0 if everything it claims came true."""
    root = Path(tempfile.mkdtemp(prefix="governd-demo-"))
    keep = os.environ.get("KEEP", "") not in {"", "0"}
    _CONSOLE.print("[dim]starting governd, mcp-server-git and its proxy…[/dim]")
    try:
        with running(root) as world:
            story = asyncio.run(tell(world))
            _show_decisions(world)
            for failure in story.failures:
                _CONSOLE.print(f"[red]did not come true:[/red] {failure}")
            if keep:
                _stay(world)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if not story.failures:
        _CONSOLE.print("\n[green]All of it came true.[/green]")
    return 1 if story.failures else 0


if __name__ == "__main__":
    sys.exit(main())
