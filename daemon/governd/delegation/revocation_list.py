"""What an operator has revoked on a node, each until its time.

Values and pure functions; who keeps the list, and what else follows, is decided elsewhere.

Invariants:
    * Each thing is revoked once; whoever revokes it again says anew until when.
    * Every name has its one spelling, so that what is revoked is what was meant.
    * There are at most ``MAX_REVOCATIONS``; nothing is forgotten before its time to make
      room.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from governd.delegation import texts
from governd.delegation.acting_as import MAX_TRANSACTION_BYTES
from governd.delegation.issuer_claims import MAX_TOKEN_ID_BYTES
from governd.delegation.revocations import Revocations
from governd.identity import SpiffeId, jose
from governd.policy.delegated import read_user

MAX_REVOCATIONS = 1024
MIN_SECONDS = 1.0
DEFAULT_SECONDS = 86_400.0
MAX_SECONDS = 90 * 86_400.0
MAX_REASON_BYTES = 256


class Kind(enum.Enum):
    """Of what is revoked; the values are the words of records and of the file."""

    USER = "user"
    WORKLOAD = "workload"
    TRANSACTION = "transaction"
    TOKEN = "token"  # noqa: S105  a kind of thing, and none


class Target(NamedTuple):
    """What is revoked.

    Attributes:
        kind: Of it.
        name: Of a user ``<issuer>#<subject>``, of a workload its SPIFFE ID, of a transaction
            its ``txn``, of a token its ``jti``.
    """

    kind: Kind
    name: str

    def check(self, *, field: str) -> None:
        """Accepts a name in its one spelling.

        Raises:
            RequestError: It is none of its kind.
        """
        if self.kind is Kind.USER:
            read_user(self.name, field=field)
        elif self.kind is Kind.WORKLOAD:
            texts.workload(self.name, field)
        elif self.kind is Kind.TRANSACTION:
            texts.text(self.name, field, limit=MAX_TRANSACTION_BYTES)
        else:
            texts.text(self.name, field, limit=MAX_TOKEN_ID_BYTES)


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revocation.

    Attributes:
        target: What is revoked.
        since: In seconds since 1970.
        until: Likewise; from then on it counts no more.
        reason: Why, in an operator's words; ``""`` for none.
    """

    target: Target
    since: float
    until: float
    reason: str = ""

    def __post_init__(self) -> None:
        """Holds it to the invariants.

        Raises:
            RequestError: It breaks one.
        """
        self.target.check(field=f"revoked.{self.target.kind.value}")
        if self.reason:
            texts.text(self.reason, "reason", limit=MAX_REASON_BYTES)
        if not 0 <= self.since <= self.until <= jose.MAX_SECONDS:
            texts.refuse("lifetime", "expected to end after it begins, and before 9999")


def revocation(target: Target, *, now: float, seconds: float, reason: str = "") -> Revocation:
    """A revocation from now on.

    Raises:
        RequestError: The name, the reason or the lifetime is not within its bounds.
    """
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        texts.refuse("lifetime", f"expected {MIN_SECONDS:g} to {MAX_SECONDS:g} seconds")
    return Revocation(target, now, now + seconds, reason)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """All that is revoked.

    Attributes:
        entries: In the order in which they came.
    """

    entries: tuple[Revocation, ...] = ()

    def __post_init__(self) -> None:
        """Holds it to the invariants.

        Raises:
            RequestError: It breaks one.
        """
        if len(self.entries) > MAX_REVOCATIONS:
            texts.refuse(
                "revoked",
                f"{MAX_REVOCATIONS} are revoked here already: revoke in the policy source",
            )
        if len({one.target for one in self.entries}) != len(self.entries):
            texts.refuse("revoked", "is revoked twice")

    def adding(self, one: Revocation) -> "RevocationList":
        """With one more, in place of an earlier one of the same thing.

        Raises:
            RequestError: There are too many.
        """
        others = (other for other in self.entries if other.target != one.target)
        return RevocationList((*others, one))

    def at(self, now: float) -> "RevocationList":
        """Those that have not ended; itself where none has."""
        current = tuple(one for one in self.entries if now < one.until)
        return self if len(current) == len(self.entries) else RevocationList(current)

    def value(self) -> Revocations:
        """As receivers of tokens take it."""
        return Revocations(
            transactions=frozenset(self.names(Kind.TRANSACTION)),
            tokens=frozenset(self.names(Kind.TOKEN)),
            users=frozenset(read_user(name, field="user") for name in self.names(Kind.USER)),
            workloads=frozenset(SpiffeId.parse(name) for name in self.names(Kind.WORKLOAD)),
        )

    def names(self, kind: Kind) -> Iterable[str]:
        """The names of all of a kind."""
        return (one.target.name for one in self.entries if one.target.kind is kind)
