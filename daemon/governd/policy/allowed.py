"""Policy's word that something may be minted, and what exactly.

What hands out a credential takes an ``Allowed`` in place of a promise that somebody asked:
no mint without a permit, for exactly that audience, that user and those scopes.

INVARIANT: ``allow`` is the only place where one comes about. Python cannot keep a module
from breaking in; a test sees to it that none does (``tests/architecture``).
"""

from dataclasses import InitVar, dataclass
from typing import NamedTuple, NoReturn

from governd.errors import MintError
from governd.identity import SpiffeId
from governd.identity.user import User
from governd.policy.decision import Decision
from governd.policy.question import Question, ResourceRef

_SEAL = object()


class Terms(NamedTuple):
    """What is to be minted; the question that policy was asked says so, too.

    Attributes:
        audience: Who is to accept it: a workload, or an external service by its id.
        scopes: What it is to permit, sorted (RFC 6749, section 3.3).
        details: The same as authorization details (RFC 9396), each in canonical JSON
            (RFC 8785), sorted.
        user: In whose name; ``None`` for the subject's own.
        upstream: Of a token for an upstream: its name, as one service may be several.
    """

    audience: SpiffeId | str
    scopes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    user: User | None = None
    upstream: str = ""


class Ruling(NamedTuple):
    """Which decision it was.

    Attributes:
        decision_id: The answer's id, as it is on record.
        policy_digest: ``sha-256:<hex>`` of the policy that decided.
    """

    decision_id: str
    policy_digest: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """A permit to mint. Made by ``allow`` and by nobody else; no copy says another thing.

    Attributes:
        seal: What only this module has.
        principal: Who may have it.
        action: What was permitted, e.g. ``delegation/mint``.
        resource: What it was permitted on.
        terms: What exactly.
        ruling: By which decision.
    """

    seal: InitVar[object]
    principal: SpiffeId
    action: str
    resource: ResourceRef
    terms: Terms
    ruling: Ruling

    def __post_init__(self, seal: object) -> None:
        """Refuses to be made elsewhere.

        Raises:
            TypeError: It is.
        """
        if seal is not _SEAL:
            message = "only policy says what is allowed"
            raise TypeError(message)


def allow(question: Question, decision: Decision, terms: Terms, ruling: Ruling) -> Allowed:
    """What follows from a decision for whoever mints.

    Args:
        question: What was asked, by whoever is to have it.
        decision: The answer.
        terms: What was asked for; the question's arguments and context told policy.
        ruling: Which decision it was.

    Raises:
        MintError: It is no permit, one with obligations that nobody here performs, or one
            about somebody else than who asked.
    """
    if not decision.allowed:
        _refuse("policy does not permit it", decision.code.name, ruling)
    if decision.obligations:
        _refuse("a permit with obligations mints nothing", "OBLIGATIONS", ruling)
    if question.asserted_by is not None:
        _refuse("nobody mints for another subject", "OTHER_SUBJECT", ruling)
    return Allowed(_SEAL, question.subject, question.action, question.resource, terms, ruling)


def _refuse(message: str, rule: str, ruling: Ruling) -> NoReturn:
    raise MintError(message, metadata={"rule": rule, "decision_id": ruling.decision_id})
