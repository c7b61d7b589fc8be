"""What one agent does to an authorization server, or an operator, keeps no other agent from it."""

from pathlib import Path

import pytest

from governd._proto.governd.v1 import admin_service_pb2 as pb
from tests.fakes.authorization_server import error
from tests.integration.token_node import TokenNode, Told, token_node

pytestmark = pytest.mark.req("avail-3", part=True)


def check(node: TokenNode) -> bool:
    """Whether an operator's check finds an upstream as it has to be."""
    with node.operator() as admin:
        answer: pb.CheckUpstreamResponse = admin.CheckUpstream(
            pb.CheckUpstreamRequest(name="crm"), timeout=60
        )
    return answer.ok


def test_attack_the_429_of_one_agent_shuts_the_server_for_all(tmp_path: Path) -> None:
    with token_node(tmp_path) as node:
        node.corp.answer = error("429 Too Many Requests", retry_after="300")
        with pytest.raises(Told):
            node.router.get("jobs")
        node.corp.answer = None
        asked = len(node.corp.forms)
        with pytest.raises(Told) as told:
            node.planner.get("crm", node.login())
        assert told.value.reason == "ISSUER_UNAVAILABLE"
        assert told.value.retry_after is not None
        assert 0 < told.value.retry_after <= 30
        assert len(node.corp.forms) == asked


def test_checks_that_fail_leave_the_way_open_to_agents(tmp_path: Path) -> None:
    with token_node(tmp_path, tokens="breaker_failures = 2\nbreaker_seconds = 600.0\n") as node:
        assert check(node)
        node.corp.answer = error("500 Internal Server Error")
        assert not any([check(node) for _ in range(3)])  # noqa: C419 - each of them
        node.corp.answer = None
        assert node.planner.get("crm", node.login()).access_token
