"""``governd tool approve``: nothing is approved that the operator has not seen."""

from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2 as admin
from governd._proto.governd.v1 import tool_service_pb2 as tools
from governd.cli import failure, tool_approve, tool_calls, tool_lines, tool_text
from governd.cli.failure import NO, Failure
from governd.cli.root import governd
from governd.cli.tool_approve import Approval, Wanted
from governd.cli.tool_target import Target
from tests.unit.cli.tool_answers import EVIL, PINNED, a_status, an_answer, changed, json_of, printed

TARGET = Target("git", tools.DEFINITION_KIND_TOOL, "git_commit")
OTHER = "sha-256:" + "0" * 64


class FakeTools:
    """A governd with one definition.

    Attributes:
        approved: What was approved, with its digest.
        dropped: What is required no longer.
    """

    def __init__(self, answer: admin.GetToolResponse) -> None:
        self._answer = answer
        self.approved: list[tuple[Target, str]] = []
        self.dropped: list[str] = []

    def get(self, target: Target) -> admin.GetToolResponse:
        assert target == TARGET
        return self._answer

    def approve(
        self, target: Target, digest: str, drop: Sequence[str]
    ) -> admin.ApproveToolResponse:
        if digest != self._answer.status.digest:
            why = "what is registered has another digest"
            raise tool_calls.refusal(why)
        self.approved.append((target, digest))
        self.dropped.extend(drop)
        return admin.ApproveToolResponse(status=a_status(pinned_digest=digest))


class Operator:
    """Who is shown what, and answers.

    Attributes:
        seen: Everything that was shown before the question.
        asked: The questions.
    """

    def __init__(self, *, agrees: bool = True) -> None:
        self._agrees = agrees
        self.seen: list[RenderableType] = []
        self.asked: list[str] = []

    def show(self, *parts: RenderableType) -> None:
        assert not self.asked
        self.seen.extend(parts)

    def ask(self, question: str) -> bool:
        self.asked.append(question)
        return self._agrees


def give(
    fake: FakeTools, operator: Operator, expected: str | None = None, drop: tuple[str, ...] = ()
) -> Approval | None:
    wanted = Wanted(TARGET, expected, drop)
    return tool_approve.give(fake, wanted, ask=operator.ask, show=operator.show)


def test_what_is_approved_is_the_digest_of_what_was_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = an_answer(changed(description="No."), reasons=[1], requires=["git:write"])
    fake, operator = FakeTools(answer), Operator()
    given = give(fake, operator)
    assert fake.approved == [(TARGET, tool_lines.digest(answer.definition_json))]
    assert given is not None
    assert fake.dropped == []
    said = printed(capsys, *operator.seen)
    for part in ("quarantined: changed", '+   "No."', "requires    git:write"):
        assert part in said
    assert operator.asked == ["approve git/git_commit as it is registered?"]


def test_a_text_that_has_not_the_digest_that_is_claimed_for_it_is_not_approved() -> None:
    answer = an_answer(changed(description="No."))
    answer.status.digest = OTHER
    fake = FakeTools(answer)
    with pytest.raises(Failure, match="another digest"):
        give(fake, Operator())
    assert fake.approved == []


def test_nothing_is_approved_when_somebody_says_no() -> None:
    fake = FakeTools(an_answer(changed(description="No.")))
    assert give(fake, Operator(agrees=False)) is None
    assert fake.approved == []


def test_a_digest_that_was_looked_at_before_is_approved() -> None:
    answer = an_answer(changed(description="No."))
    fake = FakeTools(answer)
    assert give(fake, Operator(), expected=answer.status.digest)
    assert fake.approved


def obstacles() -> list[Any]:
    twice = an_answer(PINNED, reasons=[tools.QUARANTINE_REASON_DUPLICATE])
    source = an_answer(
        changed(description="No."), pin_origin=admin.PIN_ORIGIN_POLICY_SOURCE, reasons=[2]
    )
    return [
        pytest.param(an_answer(None), None, "nothing of that name is registered now", id="absent"),
        pytest.param(twice, None, "registered more than one of that name", id="duplicate"),
        pytest.param(source, None, "only the policy source can change that", id="source"),
        pytest.param(an_answer(PINNED), OTHER, "not what --digest states", id="changed"),
    ]


@pytest.mark.parametrize(("answer", "expected", "said"), obstacles())
def test_what_nobody_can_approve_is_told_before_anybody_is_asked(
    answer: admin.GetToolResponse, expected: str | None, said: str
) -> None:
    fake, operator = FakeTools(answer), Operator()
    with pytest.raises(Failure, match=said) as failed:
        give(fake, operator, expected=expected)
    assert failed.value.exit_code == NO
    assert "look at it again with 'governd tool diff'" in str(failed.value)
    assert (fake.approved, operator.asked) == ([], [])
    assert operator.seen


def test_what_the_policy_source_pins_can_be_approved() -> None:
    fake = FakeTools(an_answer(PINNED, pin_origin=admin.PIN_ORIGIN_POLICY_SOURCE))
    assert give(fake, Operator())


def test_what_the_policy_source_states_otherwise_can_be_approved() -> None:
    stated = {"description": "No."}
    origin = admin.PIN_ORIGIN_POLICY_SOURCE
    fake = FakeTools(an_answer(PINNED, stated, pin_origin=origin, pinned_digest=""))
    assert give(fake, Operator())


def test_a_name_with_terminal_escapes_cannot_forge_the_question() -> None:
    operator = Operator()
    give(FakeTools(an_answer(PINNED, name=f"a{EVIL}")), operator)
    assert operator.asked[0].isascii()
    assert operator.asked[0].isprintable()


def with_more_before() -> admin.GetToolResponse:
    return an_answer(
        changed(description="No."),
        requires=["git:read", "git:write", "x:y"],
        formerly_required=["git:write", "x:y"],
    )


@pytest.mark.req("gi-5", part=True)
def test_what_is_required_only_because_it_was_before_is_told_and_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake, operator = FakeTools(with_more_before()), Operator()
    assert give(fake, operator)
    assert fake.dropped == []
    said = printed(capsys, *operator.seen)
    assert (
        "  still required because it was before: git:write, x:y; "
        "--drop git:write --drop x:y ends that\n"
    ) in said
    assert "no longer" not in operator.asked[0]


def test_what_is_dropped_is_in_the_question() -> None:
    fake, operator = FakeTools(with_more_before()), Operator()
    assert give(fake, operator, drop=("git:write",))
    assert fake.dropped == ["git:write"]
    assert operator.asked == [
        "approve git/git_commit as it is registered, and no longer require git:write?"
    ]


@pytest.mark.parametrize("drop", [("git:read",), ("git:write", "a:b")])
def test_what_something_else_requires_cannot_be_dropped(drop: tuple[str, ...]) -> None:
    fake, operator = FakeTools(with_more_before()), Operator()
    with pytest.raises(Failure, match=f"not required only because it was before: {drop[-1]}"):
        give(fake, operator, drop=drop)
    assert (fake.approved, operator.asked) == ([], [])


def an_approval(*dropped: str, **values: Any) -> Approval:
    return Approval(dropped, admin.ApproveToolResponse(status=a_status(**values)))


def test_an_approval_tells_what_is_in_force_now(capsys: pytest.CaptureFixture[str]) -> None:
    given = an_approval(pinned_digest=OTHER, requires=["git:write", "git:read"])
    assert printed(capsys, *tool_approve.words(given)) == (
        f"approved  {OTHER}\ngit/git_commit  tool  in force\n"
    )


def test_a_requirement_that_ends_with_the_approval_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = an_approval("git:write", requires=["git:read"])
    assert "\n  no longer required: git:write\n" in printed(capsys, *tool_approve.words(given))
    assert tool_approve.to_json(given)["dropped"] == ["git:write"]


def test_an_approval_has_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    said = json_of(capsys, tool_approve.to_json(an_approval()))
    assert said.keys() == {
        *tool_text.to_json(admin.ToolStatus()),
        *("dropped", "policy"),
    }
    assert said["policy"].keys() == {"digest", "bundle_version", "epoch", "age_seconds"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_where_nobody_can_be_asked_a_digest_or_yes_is_demanded(options: list[str]) -> None:
    result = CliRunner().invoke(governd, ["tool", "approve", "git/a", *options])
    assert result.exit_code == failure.USAGE
    assert "nobody can be asked here: state the --digest that was looked at, or --yes" in (
        result.stderr
    )


@pytest.mark.parametrize("digest", ["", "9f86", "sha-256:" + "A" * 64, OTHER + "\n", "x\x1b[2J"])
def test_a_digest_that_is_none_is_usage(digest: str) -> None:
    result = CliRunner().invoke(governd, ["tool", "approve", "git/a", "--digest", digest])
    assert result.exit_code == failure.USAGE
    assert "is not sha-256: and 64 hex digits in lower case" in result.stderr
    assert "\x1b" not in result.stderr
