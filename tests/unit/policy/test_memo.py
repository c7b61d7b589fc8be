"""Nothing is remembered beyond any input of a decision: a model of the memo is the judge."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from governd.policy.decision import Decision, DecisionCode
from governd.policy.delegated import Circumstances
from governd.policy.known_card import KnownCard
from governd.policy.memo import Memo
from governd.policy.question import Question
from governd.policy.verdict import Verdict
from tests.policies import ALICE, BOB, EXPIRES, READER, WRITER, acting, question

QUESTIONS = [
    question(WRITER),
    question(READER),
    question(WRITER, arguments={"text": "x"}),
    question(WRITER, arguments={"text": "y"}),
    question(WRITER, resource="tool:git/read"),
    question(WRITER, circumstances=acting(ALICE)),
    question(WRITER, circumstances=acting(BOB)),
    question(WRITER, circumstances=acting(ALICE, WRITER, READER)),
    question(WRITER, circumstances=acting(ALICE, scopes=["a"])),
    question(WRITER, circumstances=acting(ALICE, binding=1, evidence=["acting_as"])),
    question(WRITER, circumstances=acting(ALICE, kya_level=1)),
    question(WRITER, circumstances=acting(ALICE, own_level=1)),
    question(WRITER, circumstances=Circumstances(1)),
    question(WRITER, circumstances=Circumstances(1, kya=KnownCard("a"))),
    question(WRITER, circumstances=Circumstances(1, kya=KnownCard("a", skills=frozenset("a")))),
    question(WRITER, circumstances=acting(ALICE, expires=EXPIRES + 1)),
]
MAX_SECONDS = 10.0
EPOCHS = st.sampled_from(["e1", "e2", "e3"])
ASKED = st.integers(0, len(QUESTIONS) - 1)


class Model(RuleBasedStateMachine):
    """What was kept, when, and for which epoch: all that the memo may ever give back."""

    def __init__(self) -> None:
        super().__init__()
        self.memo = Memo(max_seconds=MAX_SECONDS)
        self.kept: dict[int, tuple[str, Verdict, float]] = {}
        self.latest = ""
        self.now = self.age = 0.0
        self.count = 0

    @rule(asked=ASKED, epoch=EPOCHS, above=st.floats(-5, 20), width=st.floats(0.1, 20))
    def keep(self, asked: int, epoch: str, above: float, width: float) -> None:
        self.count += 1
        verdict = Verdict(
            Decision(DecisionCode.PERMITTED, (str(self.count),)), above, above + width
        )
        self.memo.keep(epoch, QUESTIONS[asked], verdict, now=self.now)
        if epoch != self.latest:
            self.kept.clear()
        self.kept[asked] = (epoch, verdict, self.now)
        self.latest = epoch

    @rule(seconds=st.floats(0, 6))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.age += seconds

    @rule()
    def the_policy_is_verified(self) -> None:
        self.age = 0.0

    @rule(asked=ASKED, epoch=EPOCHS)
    def find(self, asked: int, epoch: str) -> None:
        found = self.memo.find(epoch, QUESTIONS[asked], now=self.now, age_seconds=self.age)
        kept_for, verdict, when = self.kept.get(asked, ("", None, 0.0))
        good = (
            verdict is not None
            and kept_for == epoch == self.latest
            and self.now < when + MAX_SECONDS
            and verdict.holds(self.age)
        )
        assert found is (verdict if good else None)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=100, stateful_step_count=30)


def test_it_is_bounded_by_the_names_it_keeps() -> None:
    memo, verdict = Memo(max_chars=5000), Verdict(Decision(DecisionCode.FORBIDDEN))
    asked = [question(f"spiffe://example.org/agent/{number}") for number in range(50)]
    for one in asked:
        memo.keep("e", one, verdict, now=0.0)
    held = [memo.find("e", one, now=0.0, age_seconds=0.0) is not None for one in asked]
    assert held[-1]
    assert 1 < sum(held) < 10


def test_names_beyond_the_bound_are_not_kept() -> None:
    memo = Memo(max_chars=100)
    asked: Question = question()
    memo.keep("e", asked, Verdict(Decision(DecisionCode.FORBIDDEN)), now=0.0)
    assert memo.find("e", asked, now=0.0, age_seconds=0.0) is None
