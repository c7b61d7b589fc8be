"""What a decision says.

Values only; how they come about is in ``engine``.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class DecisionCode(enum.Enum):
    """Why a decision came out as it did; ``types.proto`` documents each."""

    PERMITTED = 1
    FORBIDDEN = 2
    NOT_PERMITTED = 3
    UNKNOWN_ACTION = 4
    UNKNOWN_RESOURCE = 5
    ARGUMENTS_MISMATCH = 6
    ENGINE_ERROR = 7
    NO_POLICY = 8
    POLICY_STALE = 9
    LOG_UNAVAILABLE = 10
    QUARANTINED = 11
    EVIDENCE_EXPIRED = 12


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something to be done along with a permit.

    Attributes:
        policy_id: The policy that asks for it.
        type: What to do.
        properties: Details.
    """

    policy_id: str
    type: str
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShadowOutcome:
    """What shadow policies would have changed the decision to.

    Attributes:
        allowed: The decision with them in force.
        reasons: The policies that would have determined it.
    """

    allowed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one question.

    Attributes:
        code: Why; permits have exactly one code, ``PERMITTED``.
        reasons: Ids of the determining policies, sorted.
        obligations: What must be done along with a permit.
        lease_seconds: How long the answer may be reused; 0 for not at all.
        shadow: Present where shadow policies would have changed the decision.
        destructive: Whether the question was about a destructive tool, or a credential:
            then the answer is neither reused nor given without a record.
        hidden: Denied whatever the arguments are: lists hide what it was about.
    """

    code: DecisionCode
    reasons: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    lease_seconds: float = 0.0
    shadow: ShadowOutcome | None = None
    destructive: bool = False
    hidden: bool = False

    @property
    def allowed(self) -> bool:
        """Whether this is a permit."""
        return self.code is DecisionCode.PERMITTED


class PolicyInfo(NamedTuple):
    """Which policy decided.

    Attributes:
        digest: ``sha-256:<hex>`` of the source; ``""`` while there is none.
        bundle_version: The number the source gives itself.
        epoch: Changes whenever anything that can change an answer changes.
        age_seconds: Since the source was last verified to hold this policy.
    """

    digest: str = ""
    bundle_version: int = 0
    epoch: str = ""
    age_seconds: float = 0.0
