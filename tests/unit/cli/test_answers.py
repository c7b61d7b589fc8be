"""What answers look like to people and to programs."""

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import RenderableType

from governd._proto.governd.v1 import (
    admin_service_pb2,
    identity_service_pb2,
    types_pb2,
)
from governd.cli import caller, evaluation, explain, output, status, whoami

INFO = types_pb2.PolicyInfo(digest="sha-256:" + "ab" * 32, bundle_version=7, epoch="e-1")
INFO.age.FromMilliseconds(1500)


def shown(capsys: pytest.CaptureFixture[str], *parts: RenderableType) -> str:
    output.show(*parts)
    return capsys.readouterr().out


def an_allow() -> types_pb2.Evaluation:
    answer = types_pb2.Evaluation(
        decision=True,
        code=types_pb2.DECISION_CODE_PERMITTED,
        reasons=["a/permit"],
        decision_id="0" * 32,
        policy=INFO,
    )
    answer.obligations.add(policy_id="a/permit", type="notify", properties={"to": "ops"})
    answer.lease.valid_for.FromSeconds(5)
    answer.shadow.decision = False
    answer.shadow.reasons.append("a/watched")
    return answer


def test_every_code_of_a_decision_is_explained_in_words() -> None:
    names = [name.removeprefix("DECISION_CODE_") for name in types_pb2.DecisionCode.keys()[1:]]
    for number, name in enumerate(names, 1):
        line = evaluation.headline(types_pb2.Evaluation(code=number)).plain  # type: ignore[arg-type]
        assert line.startswith(f"deny  {name}  ")
        assert len(line) > len(f"deny  {name}  ")


def test_an_answer_shows_all_that_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    answer = an_allow()
    said = shown(capsys, evaluation.headline(answer), output.facts(evaluation.rows(answer)))
    assert said.startswith("allow  PERMITTED")
    for part in ("a/permit", "notify (a/permit) to=ops", "5.0 s", "deny by a/watched", "0" * 32):
        assert part in said
    assert "version 7 (sha-256:abababababab), verified 1.5 s ago" in said


def test_an_answer_has_stable_keys() -> None:
    assert evaluation.as_json(an_allow()) == {
        "decision": True,
        "code": "PERMITTED",
        "reasons": ["a/permit"],
        "obligations": [{"policy_id": "a/permit", "type": "notify", "properties": {"to": "ops"}}],
        "decision_id": "0" * 32,
        "policy": {
            "digest": "sha-256:" + "ab" * 32,
            "bundle_version": 7,
            "epoch": "e-1",
            "age_seconds": 1.5,
        },
        "lease_seconds": 5.0,
        "shadow": {"decision": False, "reasons": ["a/watched"]},
    }


def test_a_bare_deny_has_the_same_keys() -> None:
    bare = evaluation.as_json(types_pb2.Evaluation())
    assert bare.keys() == evaluation.as_json(an_allow()).keys()
    assert bare["decision"] is False
    assert bare["lease_seconds"] is None
    assert bare["shadow"] is None


def test_a_code_of_a_newer_governd_is_a_number_and_no_crash() -> None:
    newer = types_pb2.Evaluation.FromString(b"\x18\x63")
    assert evaluation.as_json(newer)["code"] == "99"
    assert evaluation.headline(newer).plain.startswith("deny  99")
    caller_ = identity_service_pb2.WhoAmIResponse.FromString(b"\x10\x63")
    assert whoami.attestation_name(caller_.attestation) == "99"
    phase = identity_service_pb2.WhoAmIResponse.FromString(b"\x28\x63").phase
    assert whoami.phase_name(phase) == "99"


def an_explanation() -> admin_service_pb2.ExplainResponse:
    forbidden = types_pb2.Evaluation(
        code=types_pb2.DECISION_CODE_FORBIDDEN, reasons=["p/forbid"], policy=INFO
    )
    answer = admin_service_pb2.ExplainResponse(evaluation=forbidden, undeclared_arguments=["zap"])
    permit, forbid = (
        admin_service_pb2.POLICY_EFFECT_PERMIT,
        admin_service_pb2.POLICY_EFFECT_FORBID,
    )
    add = answer.policies.add
    add(policy_id="p/forbid", effect=forbid, applied=True, file="policies/p.cedar", line=3)
    add(policy_id="p/permit", effect=permit, applied=True, file="policies/p.cedar", line=9)
    add(policy_id="p/watched", effect=forbid, applied=True, shadow=True, file="governd", line=1)
    add(policy_id="p/broken", effect=permit, error="no such attribute", file="q.cedar", line=2)
    add(
        policy_id="p/other",
        effect=permit,
        first_false='principal in Group::"[red]writers"',
        file="q.cedar",
        line=8,
    )
    return answer


def test_an_explanation_tells_who_decided_before_who_did_not_apply(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys, *explain.words(an_explanation())).splitlines()
    order = [
        "deny  FORBIDDEN",
        "undeclared  zap",
        "applied  ",
        "p/forbid",
        "decided",
        "p/permit",
        "overruled by a forbid",
        "p/watched",
        "if it were in force",
        "did not apply",
        "p/broken",
        "failed: no such attribute",
        "p/other",
        'false: principal in Group::"[red]writers"',
    ]
    places = [next(n for n, line in enumerate(lines) if part in line) for part in order]
    assert places == sorted(places)
    assert "policies/p.cedar:3" in lines[places[3]]


def test_an_explanation_has_stable_keys() -> None:
    said = explain.to_json(an_explanation())
    more = ("policies", "undeclared_arguments", "kya_level")
    assert said.keys() == {*evaluation.as_json(an_allow()), *more}
    policies = said["policies"]
    assert isinstance(policies, list)
    assert policies[0] == {
        "policy_id": "p/forbid",
        "effect": "forbid",
        "determining": True,
        "applied": True,
        "first_false": "",
        "error": "",
        "shadow": False,
        "file": "policies/p.cedar",
        "line": 3,
    }


def a_status() -> admin_service_pb2.StatusResponse:
    answer = admin_service_pb2.StatusResponse(
        version="1.2.3", ready=False, policy=INFO, policies=4, listeners=2
    )
    answer.started.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    answer.components.add(name="decision_log", ready=False, detail="disk full")
    return answer


def test_a_status_is_loud_about_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    answer = a_status()
    answer.unsafe_settings.append("decision_log.unsafe_answer_without_log")
    for line in range(12):
        answer.policy_problems.add(file="policies/p.cedar", line=line, message="policy: wrong")
    said = shown(capsys, *status.words(answer, datetime(2026, 1, 2, 1, tzinfo=UTC)))
    assert "governd 1.2.3  NOT READY  up 1 d 1 h, development" in said
    assert "UNSAFE: decision_log.unsafe_answer_without_log is on" in said
    assert "the policy source was refused, the last good policy stays in force:" in said
    assert "  policies/p.cedar:9: policy: wrong" in said
    assert "and 2 more" in said
    assert "NOT OK" in said


def test_a_status_without_policy_says_that_all_is_denied(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = a_status()
    answer.ClearField("policy")
    answer.policy_problems.add(file="policy", message="no policy source is configured")
    said = shown(capsys, *status.words(answer, datetime(2026, 1, 1, tzinfo=UTC)))
    assert "the policy source was refused, all is denied:" in said
    assert "none, so everything is denied" in said


def test_a_status_has_stable_keys() -> None:
    said = status.to_json(a_status())
    assert said["started"] == "2026-01-01T00:00:00Z"
    assert said["components"] == [{"name": "decision_log", "ready": False, "detail": "disk full"}]
    assert set(said) == {
        *("version", "started", "ready", "production", "components", "policy", "policies"),
        *("policy_problems", "listeners", "unsafe_settings", "serving_identity"),
        *("signing_identity", "identity_source"),
    }


def test_a_caller_that_never_called_is_told_apart() -> None:
    one = admin_service_pb2.CallerStatus(spiffe_id="spiffe://example.org/a")
    assert caller.to_json(one)["idle_seconds"] is None
    one.idle.FromSeconds(0)
    assert caller.to_json(one)["idle_seconds"] == 0


def a_caller() -> identity_service_pb2.WhoAmIResponse:
    return identity_service_pb2.WhoAmIResponse(
        spiffe_id="spiffe://example.org/a",
        attestation=identity_service_pb2.ATTESTATION_SPIRE,
        facts={"pod": "a-1"},
        phase=identity_service_pb2.PHASE_READY,
    )


def test_a_caller_with_an_identity_is_told_when_it_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = a_caller()
    answer.not_after.FromDatetime(datetime(2026, 1, 1, 13, tzinfo=UTC))
    said = shown(capsys, output.facts(whoami.rows(answer)))
    for part in ("spiffe://example.org/a", "spire", "none", "ready", "2026-01-01T13:00:00Z", "a-1"):
        assert part in said
    assert "because" not in said


def test_a_caller_that_waits_is_told_what_for(capsys: pytest.CaptureFixture[str]) -> None:
    answer = a_caller()
    answer.phase = identity_service_pb2.PHASE_WAITING
    answer.reason = "no registration entry matches"
    said = shown(capsys, output.facts(whoami.rows(answer)))
    assert "waiting" in said
    assert "no registration entry matches" in said
    assert "ends" not in said


def test_a_newcomer_is_told_that_it_has_no_id(capsys: pytest.CaptureFixture[str]) -> None:
    phase = identity_service_pb2.PHASE_WAITING
    newcomer = identity_service_pb2.WhoAmIResponse(phase=phase, reason="no answer yet from spire")
    said = shown(capsys, output.facts(whoami.rows(newcomer)))
    assert "none yet" in said
    assert "unspecified" not in said
    assert whoami.to_json(newcomer)["spiffe_id"] == ""


def test_a_caller_has_stable_keys() -> None:
    assert whoami.to_json(a_caller()) == {
        "spiffe_id": "spiffe://example.org/a",
        "attestation": "spire",
        "facts": {"pod": "a-1"},
        "tenant": "",
        "phase": "ready",
        "reason": "",
        "not_after": None,
    }


def test_what_came_over_a_socket_cannot_style_or_move_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "[bold]a[/bold] :smile: \x1b[2J\u202eb"
    said = shown(capsys, output.facts([("name", evil)]), output.table(["x"], [[evil]]))
    assert said.count("[bold]a[/bold] :smile: \\x1b[2J\\u202eb") == 2


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_json({"name": "\x1bü\u202e"})
    said = capsys.readouterr().out
    assert said.isascii()
    assert json.load(io.StringIO(said)) == {"name": "\x1bü\u202e"}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (90000, "1 d 1 h")],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert output.duration(seconds) == said
