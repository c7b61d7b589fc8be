"""What lists hide is refused as what does not exist: nobody can tell the one from the other."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer

from governd_client import AsyncClient
from governd_client._proto.governd.v1 import policy_service_pb2
from governd_client.mcp import DENIED, INVALID_PARAMS, PolicyMiddleware
from governd_client.testing import FakeGovernd, deny

AGENT = "spiffe://example.org/agent/reader"
MODERN = "2026-07-28"
REVISIONS = ["2025-06-18", "2025-11-25", MODERN]
Connect = Callable[..., Any]


@pytest.fixture
def git(governd: FakeGovernd) -> Server[Any]:
    """A governed server."""
    server: Server[Any] = Server("git")
    client = AsyncClient(port=governd.async_port())
    server.middleware.append(PolicyMiddleware(client, server="git", caller=lambda _: AGENT))
    return server


ABOUT = [
    ("tools/call", "tool", {"name": "{}", "arguments": {}}, "Unknown tool: {}", {}),
    ("resources/read", "resource", {"uri": "{}"}, "Unknown resource: {}", {"uri": "{}"}),
    ("prompts/get", "prompt", {"name": "{}"}, "Unknown prompt: {}", {}),
]


def hides(asked: policy_service_pb2.EvaluateRequest) -> Any:
    """What exists is hidden, what does not is unknown; each answer has an id of its own."""
    exists = asked.resource.id == "git/there"
    return deny(
        decision_id=("1" if exists else "2") * 32,
        code=2 if exists else 5,
        hidden=exists,
        reasons=["secret"] if exists else [],
    )


@pytest.mark.req("gi-5", part=True)
@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize(("method", "kind", "params", "message", "data"), ABOUT)
async def test_what_is_hidden_is_refused_as_what_does_not_exist(
    *,
    governd: FakeGovernd,
    git: Server[Any],
    connect_mcp: Connect,
    revision: str,
    method: str,
    kind: str,
    params: dict[str, Any],
    message: str,
    data: dict[str, str],
) -> None:
    governd.rule = hides
    answers = {}
    async with connect_mcp(git, revision) as send:
        for name in ("there", "where"):
            given = {k: v.format(name) if v == "{}" else v for k, v in params.items()}
            answers[name] = await send(method, given)
    for name, decision_id in (("there", "1" * 32), ("where", "2" * 32)):
        about = {key: value.format(name) for key, value in data.items()}
        assert answers[name]["error"] == {
            "code": INVALID_PARAMS,
            "message": message.format(name),
            "data": {"decision_id": decision_id, **about},
        }
    there = str(answers["there"]).replace("there", "where").replace("1" * 32, "2" * 32)
    assert there == str(answers["where"])


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_the_sdk_answers_about_an_unknown_resource_is_said_in_the_same_words(
    governd: FakeGovernd, git: Server[Any], connect_mcp: Connect, revision: str
) -> None:
    plain: Any = MCPServer("git", log_level="ERROR")
    governd.rule = hides
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(connect_mcp(git, revision))
        sdks = await stack.enter_async_context(connect_mcp(plain._lowlevel_server, revision))
        for uri in ("there", "file:///where"):
            own = (await ours("resources/read", {"uri": uri}))["error"]
            sdk = (await sdks("resources/read", {"uri": uri}))["error"]
            del own["data"]["decision_id"]
            assert own == sdk


async def test_an_explicit_denial_says_that_it_is_one(
    governd: FakeGovernd, git: Server[Any], connect_mcp: Connect
) -> None:
    governd.rule = lambda _: deny(code=2)
    async with connect_mcp(git, MODERN) as send:
        answer = await send("tools/call", {"name": "there"})
    assert (answer["error"]["code"], answer["error"]["message"]) == (DENIED, "denied by policy")
