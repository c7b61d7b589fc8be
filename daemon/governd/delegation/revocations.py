"""What counts no longer, although it has not expired.

A value: who distributes it, and how fast, is decided elsewhere. To end everything that
follows from one cause, its transaction is revoked: a token names its parent by digest only,
so revoking a token does not end what was extended from it.
"""

from dataclasses import dataclass

from governd.delegation.acting_as import ActingAs
from governd.identity import SpiffeId
from governd.identity.user import User


@dataclass(frozen=True, slots=True)
class Revocations:
    """A deny-list.

    Attributes:
        transactions: ``txn`` of chains.
        tokens: ``jti`` of tokens.
        users: In whose name nobody may act.
        workloads: Actors, anywhere in a chain, and signers.
    """

    transactions: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()
    users: frozenset[User] = frozenset()
    workloads: frozenset[SpiffeId] = frozenset()

    def contains(self, token: ActingAs) -> bool:
        """Whether anything that the token rests on is revoked."""
        return (
            token.transaction in self.transactions
            or token.token_id in self.tokens
            or token.user in self.users
            or token.issuer in self.workloads
            or not self.workloads.isdisjoint(token.actors)
        )


NOTHING = Revocations()
