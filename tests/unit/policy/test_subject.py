"""Who may be named as a subject: by a gateway, or for a call received."""

import pytest

from governd.errors import SubjectError
from governd.policy.subject import check_subject
from tests.policies import READER, SERVER, WRITER, compiled, question

GATEWAY = "spiffe://example.org/gateway"
MANIFEST = f"""
[[gateway]]
spiffe_id = "{GATEWAY}"
subjects = ["spiffe://example.org/agent", "spiffe://partner.example"]
"""
POLICY = compiled(manifest=MANIFEST)


def accepted(subject: str, by: str | None, resource: str = "tool:git/open") -> bool:
    try:
        check_subject(POLICY, question(subject, resource=resource, asserted_by=by))
    except SubjectError as error:
        assert (error.field, error.reason) == ("subject.id", "SUBJECT_NOT_ALLOWED")
        return False
    return True


def test_whoever_asks_about_itself_needs_no_leave() -> None:
    assert accepted(WRITER, None)
    check_subject(None, question(WRITER))


@pytest.mark.parametrize(
    ("subject", "fine"),
    [
        (WRITER, True),
        ("spiffe://partner.example/any/one", True),
        ("spiffe://example.org/agent", True),
        ("spiffe://example.org/agents/x", False),
        ("spiffe://example.org/admin", False),
        ("spiffe://partner.example.org/x", False),
    ],
)
def test_a_gateway_names_whom_the_policy_lists(subject: str, fine: bool) -> None:
    assert accepted(subject, GATEWAY) is fine


@pytest.mark.parametrize(
    "caller",
    [READER, GATEWAY + "/x", "spiffe://example.org/gatewa", "spiffe://example.com/gateway"],
)
def test_nobody_else_is_a_gateway(caller: str) -> None:
    assert not accepted(WRITER, caller)


def test_a_revoked_gateway_names_nobody() -> None:
    policy = compiled(manifest=f'{MANIFEST}[revoked]\nsubjects = ["{GATEWAY}"]')
    with pytest.raises(SubjectError):
        check_subject(policy, question(WRITER, asserted_by=GATEWAY))


@pytest.mark.parametrize(
    "resource",
    ["tool:git/open", "mcp_server:git", "resource:git/file:///x", "prompt:git/p", "tool:git/none"],
)
def test_a_server_may_ask_about_a_call_that_it_received(resource: str) -> None:
    assert accepted(WRITER, SERVER, resource)
    assert not accepted(WRITER, READER, resource)


@pytest.mark.parametrize(
    "resource",
    [
        "tool:gti/open",
        "mcp_server:gti",
        "external_service:git.example",
        "Tool:git/open",
        f"agent:{READER}",
    ],
)
def test_a_server_may_not_ask_about_anothers_calls(resource: str) -> None:
    assert not accepted(WRITER, SERVER, resource)


def test_an_agent_may_ask_about_a_call_that_it_received() -> None:
    assert accepted(WRITER, READER, f"agent:{READER}")
    assert not accepted(WRITER, READER, f"agent:{READER}/x")


def test_without_a_policy_nobody_names_another() -> None:
    for caller in (GATEWAY, SERVER, READER):
        with pytest.raises(SubjectError):
            check_subject(None, question(WRITER, resource=f"agent:{READER}", asserted_by=caller))
