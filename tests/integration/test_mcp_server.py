"""A published MCP server behind the middleware, real MCP clients in front of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.agent import connected
from demo.world import World, running

PLAN = {"files": ["plan.txt"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        (world.repository / "plan.txt").write_text("Ship it.\n")
        yield world


@pytest.mark.req("sdk-6", part=True)
@pytest.mark.req("gi-5", part=True)
async def test_a_denied_tool_never_runs_and_a_permitted_one_does(world: World) -> None:
    repository = str(world.repository)
    async with connected("reader", world.agent_socket("git", "reader")) as reader:
        refused = await reader.call("git_add", repo_path=repository, **PLAN)
        assert not refused.allowed
        assert refused.decision_id in {one.get("decision_id") for one in world.decisions()}
        assert world.git("diff", "--cached", "--name-only") == "", "nothing happened"
        assert (await reader.call("git_status", repo_path=repository)).allowed
    async with connected("writer", world.agent_socket("git", "writer")) as writer:
        assert (await writer.call("git_add", repo_path=repository, **PLAN)).allowed
    assert world.git("diff", "--cached", "--name-only") == "plan.txt"


@pytest.mark.req("sdk-6", part=True)
async def test_arguments_are_judged_as_they_are_carried_out(world: World) -> None:
    repository = str(world.repository)
    async with connected("writer", world.agent_socket("git", "writer")) as writer:
        await writer.call("git_add", repo_path=repository, **PLAN)
        refused = await writer.call("git_commit", repo_path=repository, message="wip")
        assert not refused.allowed
        assert "policy" in refused.text
        assert "ticket" not in refused.text, "a refusal says nothing of the policy"
        assert world.git("log", "--format=%s") == "Begin"
        message = "DEMO-1: Add the plan"
        assert (await writer.call("git_commit", repo_path=repository, message=message)).allowed
    assert world.git("log", "-1", "--format=%s") == message


async def test_a_misnamed_or_unknown_tool_is_refused_before_the_server_sees_it(
    world: World,
) -> None:
    async with connected("writer", world.agent_socket("git", "writer")) as writer:
        for tool in ("git_statuѕ", "GIT_STATUS", "git_status ", "git_push"):
            assert not (await writer.call(tool, repo_path=str(world.repository))).allowed
    assert {one["code"] for one in world.decisions() if one.get("action") == "tools/call"} == {
        "UNKNOWN_RESOURCE"
    }
