"""Evidence that was verified a moment ago, and is shown again.

Whether a token of an issuer holds is a function of the token, of who shows it, of what policy
says of its issuer, of the issuer's keys and of what is revoked, until it ends. So it is
remembered with all of these, and holds again only while each is still the very same value:
a policy that was loaded, keys that were fetched or a revocation since then, and the signature
is verified anew.

No token is kept, only its digest.
"""

import hashlib
from typing import NamedTuple

from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.revocations import Revocations
from governd.identity import Caller
from governd.identity.secret import Secret
from governd.policy.delegated import Delegation, EvidenceKind
from governd.policy.manifest import Manifest
from governd.policy.recent import Recent
from governd.policy.trusted import Issuer

MAX_CHARS = 4 << 20
"""Of all that is remembered."""
_OVERHEAD_CHARS = 512


class Grounds(NamedTuple):
    """What a verdict on a token rests on, beside the token and who shows it.

    Attributes:
        manifest: Of the policy in force.
        keys: The issuer's.
        revoked: What counts no longer.
    """

    manifest: Manifest
    keys: IssuerKeySet
    revoked: Revocations


class Verified(NamedTuple):
    """A token that holds.

    Attributes:
        issuer: Whose it is.
        key_id: Which key signed it.
        grounds: What that rests on.
        delegation: What it proves.
    """

    issuer: Issuer
    key_id: str
    grounds: Grounds
    delegation: Delegation

    def holds(self, grounds: Grounds, now: float) -> bool:
        """Whether that is so still; ``now`` in seconds since 1970."""
        same = all(one is other for one, other in zip(self.grounds, grounds, strict=True))
        return same and now < self.delegation.expires


class Shows(NamedTuple):
    """A token, by its digest, as somebody shows it."""

    digest: bytes
    kind: EvidenceKind
    by: str


class EvidenceMemo:
    """Tokens that hold."""

    def __init__(self, *, max_chars: int = MAX_CHARS) -> None:
        """Remembers nothing yet."""
        self._held: Recent[Shows, Verified] = Recent(max_chars)

    def find(self, shows: Shows) -> Verified | None:
        """What came of it, on the grounds of then."""
        return self._held.get(shows)

    def keep(self, shows: Shows, verified: Verified) -> None:
        """Remembers what came of it."""
        self._held.keep(shows, verified, _OVERHEAD_CHARS + verified.delegation.chars)


def shows(token: Secret, kind: EvidenceKind, caller: Caller) -> Shows:
    """By what a token is remembered that ``caller`` shows."""
    return Shows(hashlib.sha256(token.reveal()).digest(), kind, str(caller.spiffe_id))
