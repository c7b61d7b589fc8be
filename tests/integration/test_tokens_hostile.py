"""Whatever an authorization server answers wrongly, no agent gets it, and it is on record why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.authorization_server_faults import MISBEHAVIOURS, echo, misbehave
from tests.integration.token_node import TokenNode, Told, token_node

pytestmark = pytest.mark.req("r-3", part=True)

_NAMES_OF_ITS_OWN = "another user"
"""That, a server may do which is not the user's own: it has other names for users."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenNode]:
    """Failures are not kept, so that each test is a request; nor is a server left alone."""
    settings = "negative_seconds = 0.0\nbreaker_failures = 100\n"
    with token_node(tmp_path_factory.mktemp("hostile"), tokens=settings) as node:
        yield node


@pytest.fixture
def node(shared: TokenNode) -> Iterator[TokenNode]:
    yield shared
    for parts in (shared.corp.claims, shared.corp.header, shared.corp.reply):
        parts.clear()


@pytest.mark.parametrize("what", [one for one in MISBEHAVIOURS if one != _NAMES_OF_ITS_OWN])
def test_attack_an_answer_with(node: TokenNode, what: str) -> None:
    misbehave(node.corp, what)
    with pytest.raises(Told) as told:
        node.planner.get("crm", node.login())
    rule = MISBEHAVIOURS[what].rule
    assert (told.value.reason, told.value.facts["rule"]) == ("TOKEN_REFUSED", rule)
    record = node.daemon.decisions()[-1]
    assert (record["kind"], record["rule"]) == ("token", rule)
    assert not node.held()


def test_a_server_may_have_other_names_for_users(node: TokenNode) -> None:
    misbehave(node.corp, _NAMES_OF_ITS_OWN)
    assert node.planner.get("crm", node.login()).access_token


@pytest.mark.parametrize("level", ["debug", "info"])
def test_attack_a_server_that_sends_back_what_it_was_sent(tmp_path: Path, level: str) -> None:
    with token_node(tmp_path, settings=f'[log]\nlevel = "{level}"\n') as node:
        node.corp.answer = echo
        with pytest.raises(Told) as told:
            node.planner.get("crm", node.login())
        assert told.value.reason == "TOKEN_REFUSED"
        log = node.daemon.stderr_file.read_text("utf-8")
        form = node.corp.forms[-1]
    for name in ("subject_token", "actor_token", "client_assertion"):
        _, claims, signature = form[name].split(".")
        assert claims not in log
        assert signature not in log
