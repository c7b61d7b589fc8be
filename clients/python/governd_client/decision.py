"""An answer of governd as an immutable value.

Invariants:
    * ``allowed`` is true only if governd said ``decision = true`` with the code
      PERMITTED, nothing failed, and the caller can do every obligation. All else, codes
      this client does not know included, is a deny.
    * ``allowed`` and ``code`` cannot contradict each other: the one is read off the other.
    * A decision has no truth value. ``if client.evaluate(...)`` would be a question about
      an object, not about a permission, so it raises ``TypeError``.
"""

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final, NoReturn, Self

from governd_client._proto.governd.v1 import types_pb2
from governd_client.errors import DeniedError, GoverndError, MalformedAnswerError
from governd_client.statuses import from_status

_DECISION_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_PREFIX: Final = "DECISION_CODE_"


class DecisionCode(enum.Enum):
    """Why the answer is what it is; ``types.proto`` says more of each."""

    PERMITTED = "PERMITTED"
    FORBIDDEN = "FORBIDDEN"
    NOT_PERMITTED = "NOT_PERMITTED"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    UNKNOWN_RESOURCE = "UNKNOWN_RESOURCE"
    ARGUMENTS_MISMATCH = "ARGUMENTS_MISMATCH"
    ENGINE_ERROR = "ENGINE_ERROR"
    NO_POLICY = "NO_POLICY"
    POLICY_STALE = "POLICY_STALE"
    LOG_UNAVAILABLE = "LOG_UNAVAILABLE"
    QUARANTINED = "QUARANTINED"
    EVIDENCE_EXPIRED = "EVIDENCE_EXPIRED"

    OBLIGATION_UNSUPPORTED = "OBLIGATION_UNSUPPORTED"
    """This client's: a permit with an obligation that the caller cannot perform."""

    NOT_ASKED = "NOT_ASKED"
    """This client's: the question could not be asked; ``Decision.error`` says why."""

    UNRECOGNISED = "UNRECOGNISED"
    """This client's: a code it does not know, or one that contradicts the decision."""


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that must be done when acting on the permit.

    Attributes:
        type: What to do, for example ``step-up``.
        policy_id: The policy that asks for it.
        properties: Details.
    """

    type: str
    policy_id: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """Which policy decided.

    Attributes:
        digest: ``sha-256:<hex>``; empty where no policy is loaded.
        version: The bundle version, 0 for none.
        epoch: Opaque; compare for equality only.
        age: How long ago its source was last verified to hold it.
    """

    digest: str
    version: int
    epoch: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class Shadow:
    """What policies in shadow mode would have decided; never enforced.

    Attributes:
        would_allow: The decision if they were in force.
        reasons: Ids of the policies that would have determined it.
    """

    would_allow: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer.

    Attributes:
        decision_id: Identifies the answer in governd's decision log; empty only where the
            question could not be asked.
        code: Why, for programs.
        reasons: Ids of the policies that determined it, for logs and not for agents.
        obligations: What must be done along with the permit.
        policy: Which policy decided.
        shadow: What shadow policies would have changed, ``None`` for nothing.
        hidden: With a deny: lists hide what it is about, so that whoever enforces it answers
            as for something that does not exist.
        error: In a batch, why the question could not be asked; ``None`` otherwise.
        leased: Whether nobody was asked: this is an earlier answer to the same question,
            which governd gave for reuse and which still holds.
    """

    decision_id: str
    code: DecisionCode
    reasons: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    policy: Policy = Policy("", 0, "", timedelta())
    shadow: Shadow | None = None
    hidden: bool = False
    error: GoverndError | None = field(default=None, compare=False)
    leased: bool = field(default=False, compare=False)

    @property
    def allowed(self) -> bool:
        """Whether the action may go ahead."""
        return self.code is DecisionCode.PERMITTED

    def require(self) -> Self:
        """Returns the decision itself if it is a permit.

        Raises:
            DeniedError: It is a deny.
        """
        if not self.allowed:
            raise DeniedError(self)
        return self

    def __bool__(self) -> NoReturn:
        """Refuses to be taken for a yes or a no."""
        message = "a decision has no truth value: use decision.allowed or decision.require()"
        raise TypeError(message)

    @classmethod
    def from_proto(cls, answer: types_pb2.Evaluation, supported: Collection[str] = ()) -> Self:
        """Reads one answer.

        Args:
            answer: As governd sent it.
            supported: Types of the obligations that the caller performs.

        Raises:
            MalformedAnswerError: An answer without a decision id.
        """
        if answer.HasField("error"):
            return cls("", DecisionCode.NOT_ASKED, error=from_status(answer.error))
        return cls(
            decision_id=decision_id_of(answer.decision_id),
            code=_code(answer, supported),
            reasons=tuple(answer.reasons),
            obligations=tuple(_obligation(each) for each in answer.obligations),
            policy=policy_of(answer.policy),
            shadow=_shadow(answer),
            hidden=answer.hidden and not answer.decision,
        )


def decision_id_of(text: str) -> str:
    """The id of an answer.

    Raises:
        MalformedAnswerError: It is none.
    """
    if not _DECISION_ID.fullmatch(text):
        message = "the answer has no valid decision id"
        raise MalformedAnswerError(message)
    return text


def policy_of(info: types_pb2.PolicyInfo) -> Policy:
    """Reads which policy decided.

    Raises:
        MalformedAnswerError: Its age is out of range.
    """
    try:
        age = info.age.ToTimedelta()
    except (OverflowError, ValueError) as error:
        message = "the answer's policy age is out of range"
        raise MalformedAnswerError(message) from error
    return Policy(info.digest, info.bundle_version, info.epoch, age)


def _code(answer: types_pb2.Evaluation, supported: Collection[str]) -> DecisionCode:
    name = types_pb2.DecisionCode.DESCRIPTOR.values_by_number.get(answer.code)
    try:
        code = DecisionCode(name.name.removeprefix(_PREFIX)) if name else DecisionCode.UNRECOGNISED
    except ValueError:
        return DecisionCode.UNRECOGNISED
    if code is DecisionCode.PERMITTED:
        if not answer.decision:
            return DecisionCode.UNRECOGNISED
        if any(each.type not in supported for each in answer.obligations):
            return DecisionCode.OBLIGATION_UNSUPPORTED
    return code


def _obligation(each: types_pb2.Obligation) -> Obligation:
    return Obligation(each.type, each.policy_id, MappingProxyType(dict(each.properties)))


def _shadow(answer: types_pb2.Evaluation) -> Shadow | None:
    if not answer.HasField("shadow"):
        return None
    return Shadow(answer.shadow.decision, tuple(answer.shadow.reasons))
