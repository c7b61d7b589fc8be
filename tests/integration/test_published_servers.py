"""Published MCP servers, as they come: every argument has a type, and policies hold it.

What is in force is made of the very definitions that the servers list.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from demo.world import BIN
from governd.cli import policy_lint
from governd.cli.policy_source import compile_files, read_files
from governd.policy.argument_types import render
from governd.policy.compiler import CompiledPolicy
from governd.policy.decision import DecisionCode
from tests.policies import MANIFEST, ask

AGENT = "spiffe://example.org/agent/worker"
POLICIES = """\
@id("git/only-our-repositories")
forbid (principal, action in Action::"tools/call", resource in McpServer::"git")
unless {
  context.args has repo_path &&
  context.args.repo_path like "/srv/repos/*" &&
  !(context.args.repo_path like "*..*")
};

@id("git/commit-names-its-ticket")
forbid (principal, action == Action::"tools/call:git/git_commit", resource)
unless { context.args.message like "OPS-*: *" };

@id("git/add-by-name")
forbid (principal, action == Action::"tools/call:git/git_add", resource)
when { context.args.files.containsAny([".", "*", "-A", ":/"]) };

@id("fetch/from-our-hosts")
forbid (principal, action == Action::"tools/call:fetch/fetch", resource)
unless {
  context.args.url like "https://docs.example.com/*" ||
  context.args.url like "https://api.example.com/*"
};

@id("fetch/a-page")
forbid (principal, action == Action::"tools/call:fetch/fetch", resource)
when { context.args has max_length && context.args.max_length > 20000 };

@id("fetch/no-raw-pages")
forbid (principal, action == Action::"tools/call:fetch/fetch", resource)
when { context.args has raw && context.args.raw };

@id("nothing-undeclared")
forbid (principal, action in Action::"tools/call", resource)
when { context.args_undeclared };
"""
GRANTS = f"""\
[[grant]]
agents = ["{AGENT}"]
capabilities = ["git", "fetch"]
"""
FILES = ["grants.toml", "policies/main.cedar", "tools/fetch.json", "tools/git.json"]
REPO = '"repo_path": String'
LINES = '"context_lines"?: Long'
ARGUMENTS = {
    "git/git_status": f"{{ {REPO} }}",
    "git/git_diff_unstaged": f"{{ {REPO}, {LINES} }}",
    "git/git_diff_staged": f"{{ {REPO}, {LINES} }}",
    "git/git_diff": f'{{ {REPO}, "target": String, {LINES} }}',
    "git/git_commit": f'{{ {REPO}, "message": String }}',
    "git/git_add": f'{{ {REPO}, "files": Set<String> }}',
    "git/git_reset": f"{{ {REPO} }}",
    "git/git_log": (
        f'{{ {REPO}, "max_count"?: Long, "start_timestamp"?: String, "end_timestamp"?: String }}'
    ),
    "git/git_create_branch": f'{{ {REPO}, "branch_name": String, "base_branch"?: String }}',
    "git/git_checkout": f'{{ {REPO}, "branch_name": String }}',
    "git/git_show": f'{{ {REPO}, "revision": String }}',
    "git/git_branch": (
        f'{{ {REPO}, "branch_type": String, "contains"?: String, "not_contains"?: String }}'
    ),
    "fetch/fetch": ('{ "url": String, "max_length"?: Long, "start_index"?: Long, "raw"?: Bool }'),
}
"""Every tool of both servers, and its arguments as policies see them."""

UNTYPED: dict[str, tuple[str, ...]] = dict.fromkeys(ARGUMENTS, ())
"""What no policy can see: nothing."""


async def definitions(program: str) -> list[dict[str, Any]]:
    """What a server answers to ``tools/list``."""
    command = StdioServerParameters(command=str(BIN / program))
    async with stdio_client(command) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        listed = await session.list_tools()
    return [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in listed.tools]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy source with the servers' own definitions."""
    folder = tmp_path_factory.mktemp("policy")
    for name in ("policies", "tools"):
        (folder / name).mkdir()
    for server in ("git", "fetch"):
        tools = asyncio.run(definitions(f"mcp-server-{server}"))
        spiffe_id = f"spiffe://example.org/mcp/{server}"
        required = [{**tool, "requires": [server]} for tool in tools]
        declared = {"server": server, "spiffe_id": spiffe_id, "tools": required}
        (folder / "tools" / f"{server}.json").write_text(json.dumps(declared))
    (folder / "policies" / "main.cedar").write_text(POLICIES)
    (folder / "grants.toml").write_text(GRANTS)
    (folder / "manifest.toml").write_text(f"{MANIFEST}files = {json.dumps(FILES)}")
    return folder


@pytest.fixture(scope="module")
def policy(folder: Path) -> CompiledPolicy:
    """The source, compiled."""
    return compile_files(read_files(folder))[1]


@pytest.mark.req("gi-5", part=True)
def test_every_argument_of_a_published_tool_is_typed_or_known_to_be_untyped(
    policy: CompiledPolicy,
) -> None:
    tools = [tool for server in policy.servers.values() for tool in server.tools.values()]
    assert {tool.id: render(tool.parameters) for tool in tools} == ARGUMENTS
    assert {tool.id: tool.parameters.untyped for tool in tools} == UNTYPED


@pytest.mark.req("gi-5", part=True)
def test_published_definitions_and_policies_about_them_have_nothing_to_look_at(
    folder: Path,
) -> None:
    assert policy_lint.examine(folder) == ([], [])


FINE = DecisionCode.PERMITTED, ("base/capabilities-cover",)
MISFIT = DecisionCode.ARGUMENTS_MISMATCH, ()


def no(*reasons: str) -> tuple[DecisionCode, tuple[str, ...]]:
    return DecisionCode.FORBIDDEN, reasons


OUTSIDE = no("git/only-our-repositories")
ELSEWHERE = no("fetch/from-our-hosts")
OURS = "/srv/repos/one"
PAGE = "https://docs.example.com/guide"
CALLS: dict[str, tuple[str, dict[str, Any], tuple[DecisionCode, tuple[str, ...]]]] = {
    "one of our repositories": ("git/git_status", {"repo_path": OURS}, FINE),
    "another repository": ("git/git_status", {"repo_path": "/srv/other"}, OUTSIDE),
    "a repository that begins alike": ("git/git_log", {"repo_path": "/srv/reposx/a"}, OUTSIDE),
    "traversal out of our repositories": (
        "git/git_show",
        {"repo_path": "/srv/repos/../../etc", "revision": "HEAD"},
        OUTSIDE,
    ),
    "no repository": ("git/git_status", {}, MISFIT),
    "a list of repositories": ("git/git_status", {"repo_path": [OURS, "/etc"]}, MISFIT),
    "a commit with its ticket": (
        "git/git_commit",
        {"repo_path": OURS, "message": "OPS-7: Add the plan"},
        FINE,
    ),
    "a commit without a ticket": (
        "git/git_commit",
        {"repo_path": OURS, "message": "wip"},
        no("git/commit-names-its-ticket"),
    ),
    "a commit without a ticket elsewhere": (
        "git/git_commit",
        {"repo_path": "/etc", "message": "wip"},
        no("git/commit-names-its-ticket", "git/only-our-repositories"),
    ),
    "files by name": ("git/git_add", {"repo_path": OURS, "files": ["plan.txt"]}, FINE),
    "all files": (
        "git/git_add",
        {"repo_path": OURS, "files": ["plan.txt", "."]},
        no("git/add-by-name"),
    ),
    "files that are one text": ("git/git_add", {"repo_path": OURS, "files": "."}, MISFIT),
    "null where null may be": ("git/git_log", {"repo_path": OURS, "start_timestamp": None}, FINE),
    "a number where a text may be": (
        "git/git_log",
        {"repo_path": OURS, "start_timestamp": 0},
        MISFIT,
    ),
    "an argument that the server does not list": (
        "git/git_status",
        {"repo_path": OURS, "git_dir": "/etc"},
        no("nothing-undeclared"),
    ),
    "a destructive tool": (
        "git/git_reset",
        {"repo_path": OURS},
        no("base/destructive-needs-grant"),
    ),
    "a page of ours": ("fetch/fetch", {"url": PAGE, "max_length": 20000}, FINE),
    "another host": ("fetch/fetch", {"url": "https://evil.example/"}, ELSEWHERE),
    "our host as userinfo": (
        "fetch/fetch",
        {"url": "https://docs.example.com@evil.example/"},
        ELSEWHERE,
    ),
    "the metadata service": ("fetch/fetch", {"url": "http://169.254.169.254/"}, ELSEWHERE),
    "our host on another port": (
        "fetch/fetch",
        {"url": "https://docs.example.com:8443/"},
        ELSEWHERE,
    ),
    "a page that is too long": (
        "fetch/fetch",
        {"url": PAGE, "max_length": 20001},
        no("fetch/a-page"),
    ),
    "a length that is a text": ("fetch/fetch", {"url": PAGE, "max_length": "9"}, MISFIT),
    "a length that is true": ("fetch/fetch", {"url": PAGE, "max_length": True}, MISFIT),
    "a raw page": ("fetch/fetch", {"url": PAGE, "raw": True}, no("fetch/no-raw-pages")),
    "a page that is not raw": ("fetch/fetch", {"url": PAGE, "raw": False}, FINE),
    "headers that the server does not list": (
        "fetch/fetch",
        {"url": PAGE, "headers": {"Authorization": "Bearer x"}},
        no("nothing-undeclared"),
    ),
}


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize(("tool", "arguments", "wanted"), CALLS.values(), ids=CALLS.keys())
def test_a_call_of_a_published_tool_is_held_to_its_policies(
    tool: str,
    arguments: dict[str, Any],
    wanted: tuple[DecisionCode, tuple[str, ...]],
    policy: CompiledPolicy,
) -> None:
    decision = ask(policy, AGENT, resource=f"tool:{tool}", arguments=arguments)
    assert (decision.code, decision.reasons) == wanted
