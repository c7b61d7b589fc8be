"""What is minted is judged with all that it permits, and by what the user granted."""

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest

from tests.fakes.token_issuer import TokenIssuer
from tests.integration.daemon_process import StartGovernd
from tests.integration.delegating import (
    GIT,
    PLANNER,
    REQUEST,
    WORKLOADS,
    Workload,
    access_token,
    id_token,
    told,
    write_policy,
)

RESET = "tools:call:git/reset"
CALLS = """
@id("call") permit (principal, action in Action::"tools/call", resource)
  when { context has delegation };
"""
OPEN_ONLY = (
    CALLS
    + """
@id("mint") permit (principal, action == Action::"delegation/mint", resource)
  when { context has delegation && ["tools:call:git/open"].containsAll(context.delegation.scopes) };
"""
)
WRITERS_CALL = (
    CALLS
    + """
@id("mint") permit (principal, action == Action::"delegation/mint", resource);
@id("users-grant") forbid (principal, action in Action::"tools/call", resource)
  when { context has delegation && context.delegation.evidence.contains("access_token") }
  unless { context.delegation.granted.contains("git.write") };
"""
)


class Pair:
    """The planner, to which the user turned, and the server that it calls."""

    def __init__(self, idp: TokenIssuer, planner: Workload, git: Workload) -> None:
        self.idp, self.planner, self.git = idp, planner, git

    def reset(self, token: str) -> list[str]:
        """Which policies say whether a tool is called by a token that the server took."""
        assert self.git.verify(token, PLANNER).HasField("verified")
        found = self.git.evaluate("tools/call", "tool:git/reset", PLANNER, acting_as_token=token)
        return list(found.reasons)


StartPair: TypeAlias = Callable[[str], Pair]


@pytest.fixture
def pair(governd: StartGovernd, tmp_path: Path) -> Iterator[StartPair]:
    """Starts a daemon with some policies."""
    workloads: list[Workload] = []

    def start(policies: str) -> Pair:
        idp = TokenIssuer()
        folder = write_policy(tmp_path / "policy", idp)
        (folder / "policies" / "test.cedar").write_text(policies)
        daemon = governd(listeners=WORKLOADS, policy=folder)
        workloads.extend(Workload(daemon, name) for name in ("planner", "git"))
        return Pair(idp, *workloads)

    yield start
    for one in workloads:
        one.close()


def refused(mint: Callable[[], object]) -> str:
    """By which rule a token is not minted."""
    with pytest.raises(grpc.RpcError) as raised:
        mint()
    return told(raised.value)[1]["rule"]


@pytest.mark.req("gi-3", part=True)
def test_attack_details_for_what_policy_mints_no_scope_for(pair: StartPair) -> None:
    node = pair(OPEN_ONLY)

    def mint(tool: str, location: str = GIT) -> str:
        detail = {"type": "mcp_tool", "actions": ["call"], "locations": [location], "tools": [tool]}
        text = json.dumps([detail]).encode()
        wanted = {"authorization_details_json": text, "request": REQUEST}
        return node.planner.mint(GIT, id_token(node.idp), **wanted).token

    for tool, location in (("reset", GIT), ("open", "None"), ("open", "git")):
        assert refused(functools.partial(mint, tool, location)) == "NOT_PERMITTED"
    assert node.reset(mint("open")) == ["base/delegation-in-scope"]


@pytest.mark.req("gi-3", part=True)
def test_attack_a_mint_of_what_the_users_access_token_does_not_grant(pair: StartPair) -> None:
    node = pair(WRITERS_CALL)

    def mint(scope: str, *scopes: str) -> str:
        wanted = {"kind": "access_token", "scopes": scopes, "request": REQUEST}
        return node.planner.mint(GIT, access_token(node.idp, scope), **wanted).token

    token = access_token(node.idp, "git.read")
    asked = node.planner.evaluate("tools/call", "tool:git/reset", access_token=token)
    assert list(asked.reasons) == ["users-grant"]
    assert refused(lambda: mint("git.read", RESET, "git.write")) == "FORBIDDEN"
    assert node.reset(mint("git.read", RESET, "git.read")) == ["users-grant"]
    assert node.reset(mint("git.write", RESET)) == ["users-grant"], "it was not passed on"
    assert node.reset(mint("git.read git.write", RESET, "git.write")) == ["call"]
