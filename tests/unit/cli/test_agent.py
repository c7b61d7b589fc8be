"""What an operator is shown of agents, and what they approve, is what is there."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import rfc8785
from click.testing import CliRunner

from governd._proto.governd.v1 import admin_service_pb2 as admin
from governd._proto.governd.v1 import agent_service_pb2 as pb
from governd.cli import agent_approve, agent_forget, agent_list, agent_show, tool_lines
from governd.cli.failure import NO, Failure
from tests.agent_cards import card, skill
from tests.unit.cli.tool_answers import EVIL, json_of, printed

USAGE = 2
PLANNER = "spiffe://example.org/agent/planner"


def an_agent(**values: Any) -> admin.AgentStatus:
    usual = {
        "spiffe_id": PLANNER,
        "level": pb.KYA_LEVEL_SIGNED,
        "name": "planner",
        "version": "1",
        "signature": pb.CARD_SIGNATURE_STATUS_VERIFIED,
        "protocol_version": "1.0",
    }
    return admin.AgentStatus(agent=pb.Agent(**{**usual, **values}), pinned_digest="sha-256:00")


def an_answer(presented: Mapping[str, Any], **values: Any) -> admin.GetAgentStatusResponse:
    """An agent that is held to the plain card."""
    now, held = rfc8785.dumps(dict(presented)), rfc8785.dumps(card())
    status = an_agent(card_digest=tool_lines.digest(now), **values)
    return admin.GetAgentStatusResponse(status=status, card_json=now, pinned_json=held)


SWAPPED = an_answer(
    card(skills=[skill("pay")], description=f"Plans{EVIL}."),
    level=0,
    drift=[pb.DRIFT_REASON_SKILLS_CHANGED],
    problems=[f"card: skills{EVIL}"],
    name=f"plan{EVIL}",
)


def test_the_list_says_who_is_quarantined_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    found = [an_agent(), SWAPPED.status]
    said = printed(capsys, *agent_list.words(found, quarantined=False))
    assert "quarantined: skills changed" in said
    assert "2 agents, 1 quarantined" in said
    assert "no agent is quarantined" in printed(capsys, *agent_list.words([], quarantined=True))


def test_a_changed_card_is_shown_member_by_member_and_nothing_in_it_is_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = printed(capsys, *agent_show.words(SWAPPED))
    assert "@@ skills: changed @@" in said
    assert "@@ description: changed @@" in said
    assert "@@ version" not in said
    shown = json_of(capsys, agent_show.to_json(SWAPPED))
    assert (shown["drift"], shown["attestation_fault"]) == (["SKILLS_CHANGED"], None)
    assert shown["held_to"]["skills"] != shown["card"]["skills"]
    same = printed(capsys, *agent_show.words(an_answer(card())))
    assert "planner" in same
    assert "@@" not in same


class Agents:
    """An agent at a governd."""

    def __init__(self, answer: admin.GetAgentStatusResponse) -> None:
        self._answer = answer
        self.approved: list[str] = []
        self.forgotten: list[str] = []

    def get(self, spiffe_id: str) -> admin.GetAgentStatusResponse:
        assert spiffe_id == PLANNER
        return self._answer

    def approve(self, spiffe_id: str, digest: str) -> admin.ApproveAgentResponse:
        assert spiffe_id == PLANNER
        self.approved.append(digest)
        return admin.ApproveAgentResponse(status=self._answer.status)

    def forget(self, spiffe_id: str) -> admin.ForgetAgentResponse:
        self.forgotten.append(spiffe_id)
        return admin.ForgetAgentResponse(status=self._answer.status)


def test_an_agent_is_forgotten_when_somebody_who_was_shown_it_agrees(
    capsys: pytest.CaptureFixture[str],
) -> None:
    agents = Agents(SWAPPED)
    assert agent_forget.give(agents, PLANNER, ask=lambda _: False, quiet=False) is None
    assert "skills: changed" in capsys.readouterr().out
    assert agents.forgotten == []
    given = agent_forget.give(agents, PLANNER, ask=lambda _: True, quiet=True)
    assert given is not None
    assert capsys.readouterr().out == ""
    assert agents.forgotten == [PLANNER]
    assert f"forgotten  {PLANNER}" in printed(capsys, *agent_forget.words(given))
    assert json_of(capsys, agent_forget.to_json(given))["spiffe_id"] == PLANNER


def test_an_agent_is_not_forgotten_where_nobody_can_be_asked() -> None:
    result = CliRunner().invoke(agent_forget.forget, [PLANNER, "--json"])
    assert (result.exit_code, "say --yes" in result.stderr) == (USAGE, True)


@pytest.mark.req("gi-6", part=True)
def test_what_is_approved_is_the_very_text_that_was_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lying = an_answer(card(version="2"))
    lying.status.agent.card_digest = "sha-256:" + "0" * 64
    agents, digest = Agents(lying), tool_lines.digest(lying.card_json)
    hide = lambda *_: None  # noqa: E731
    given = agent_approve.give(agents, PLANNER, None, ask=lambda _: True, show=hide)
    assert given is not None
    assert agents.approved == [digest]
    assert "approved" in printed(capsys, *agent_approve.words(given))
    assert json.dumps(agent_approve.to_json(given))
    assert agent_approve.give(agents, PLANNER, digest, ask=lambda _: False, show=hide) is None
    with pytest.raises(Failure, match="not what --digest states") as caught:
        agent_approve.give(agents, PLANNER, "sha-256:1", ask=lambda _: True, show=hide)
    assert caught.value.exit_code == NO
    assert agents.approved == [digest]
