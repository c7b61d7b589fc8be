"""``make demo``: two agents work on a git repository, and governd governs them.

Every part is real: governd as it is installed, ``mcp-server-git`` as it is published,
behind a small MCP proxy with governd's middleware, a server that declares what its tools
require, and agents that are MCP clients. An authorization server and an MCP server that it
protects stand for what is elsewhere. The demo checks what it shows and ends with 0 only if
all of it came true.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from rich.table import Table

from demo import access, chain, tools
from demo.agent import Agent, connected
from demo.story import CONSOLE, Story, until
from demo.world import AGENTS, BIN, World, running
from governd_client import Client, Resource

_GRANT = """
[[grant]]
agents = ["spiffe://example.org/agent/writer"]
destructive = ["git/git_reset"]
"""


async def tell(world: World) -> Story:
    """The whole story."""
    story = Story(world)
    async with AsyncExitStack() as stack:
        connect = [connected(name, world.agent_socket("git", name)) for name in AGENTS]
        reader, writer = [await stack.enter_async_context(one) for one in connect]
        await _different_grants(story, reader, writer)
        await _ignored_advice(story, writer)
        await _live_edit(story, writer)
        await _broken_policy(story, reader)
    await tools.tell(story)
    await chain.tell(story)
    await access.tell(story)
    return story


async def _different_grants(story: Story, reader: Agent, writer: Agent) -> None:
    story.chapter("1  Two agents, one MCP server, different grants")
    (story.world.repository / "plan.txt").write_text("Ship it.\n")
    story.say("mcp-server-git has 12 tools; an agent is shown those that it may call:")
    for agent in (reader, writer):
        shown = [name.removeprefix("git_") for name in await agent.tools()]
        story.say(f"{agent.name:<7} {', '.join(shown)}")
    hidden = "git_reset" not in await writer.tools()
    story.check("nobody was granted git_reset, so nobody is shown it", holds=hidden)
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


def _edit(story: Story, path: Path, text: str) -> None:
    """In one step: governd may look at any moment, and an empty file is one without grants."""
    edited = story.world.root / "edited"
    edited.write_text(text)
    edited.replace(path)


async def _live_edit(story: Story, writer: Agent) -> None:
    story.chapter("3  The policy is edited while everything runs")
    before = story.world.governd("status")["policy"]["epoch"]
    grants = story.world.policy / "grants.toml"
    good = grants.read_text()
    _edit(story, grants, good + _GRANT)
    seconds = await until(lambda: story.world.governd("status")["policy"]["epoch"] != before)
    story.say(f"grants.toml now grants git/git_reset to the writer; in force after {seconds:.1f} s")
    await story.call(writer, "git_reset", wanted=True)
    staged = story.world.git("diff", "--cached", "--name-only")
    story.check("nothing is staged any more", holds=staged == "")
    _edit(story, grants, good)


async def _broken_policy(story: Story, reader: Agent) -> None:
    story.chapter("4  A policy that is broken is refused; the last good one stays")
    path = story.world.policy / "policies" / "git.cedar"
    good = path.read_text()
    _edit(story, path, good + "\nforbid (principal, action, resource) when { context.nonsense };\n")
    await until(lambda: bool(story.world.governd("status")["policy_problems"]))
    problem = story.world.governd("status")["policy_problems"][0]
    story.say(f"{problem['file']}:{problem['line']}: {problem['message']}"[:110])
    await story.call(reader, "git_log", max_count=1, wanted=True)
    _edit(story, path, good)
    await until(lambda: not story.world.governd("status")["policy_problems"])
    story.check("governd took the mended policy", holds=story.world.governd("status")["ready"])


def _show_decisions(world: World) -> None:
    table = Table("agent", "asked by", "action", "resource", "decision", "why", "µs", box=None)
    for record in world.decisions():
        if record["kind"] != "decision":
            continue
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
    CONSOLE.print("\n[bold]Every decision is on record[/bold]")
    CONSOLE.print(table)


def _stay(world: World) -> None:
    """Keeps everything up until interrupted."""
    governd, root = BIN / "governd", world.root
    CONSOLE.print(f"""
[bold]Everything stays up. Try, in another terminal:[/bold]

  {governd} status --admin-socket {root}/admin.sock
  {governd} whoami --socket {root}/writer.sock
  {governd} evaluate tools/call tool:git/git_status --socket {root}/reader.sock \\
      --arguments '{{"repo_path": "{world.repository}"}}'
  {governd} explain tools/call tool:git/git_commit --admin-socket {root}/admin.sock \\
      --caller spiffe://example.org/agent/reader \\
      --arguments '{{"repo_path": "{world.repository}", "message": "wip"}}'
  {governd} tool list --admin-socket {root}/admin.sock
  {governd} upstream check tickets --admin-socket {root}/admin.sock
  {governd} token cache --admin-socket {root}/admin.sock
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
    CONSOLE.print("[dim]starting governd, mcp-server-git and its proxy…[/dim]")
    try:
        with running(root) as world:
            story = asyncio.run(tell(world))
            _show_decisions(world)
            for failure in story.failures:
                CONSOLE.print(f"[red]did not come true:[/red] {failure}")
            if keep:
                _stay(world)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if not story.failures:
        CONSOLE.print("\n[green]All of it came true.[/green]")
    return 1 if story.failures else 0


if __name__ == "__main__":
    sys.exit(main())
