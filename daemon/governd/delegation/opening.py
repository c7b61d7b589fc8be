"""Tokens opened: whose signature it is, and what is signed. Remembered by their bytes.

These are the steps that depend on nothing but the token and the trust bundles, and they are
the ones that cost something. Everything that depends on the receiver, the request or the
time is asked anew each time (``verification``).

Promises:
    * What is remembered is forgotten when a trust bundle changes, and counts within the
      validity of the signer's certificates only.
    * Whatever the text, nothing but a ``RejectionError`` is raised.
"""

import hashlib
from datetime import datetime
from typing import NamedTuple

from governd.delegation.acting_as import MAX_TOKEN_BYTES, TYPE, ActingAs
from governd.delegation.claims import read_claims
from governd.delegation.rejection import OF_FAULT, Reason, RejectionError
from governd.errors import RequestError
from governd.identity import jose
from governd.identity.verification import VerifiedPeer, Verifier
from governd.identity.x5c import X5cError, unseal

_REMEMBERED = 2048


class Opened(NamedTuple):
    """A token whose signature was verified. Whether it counts here is not said.

    Attributes:
        token: What it says; the issuer in it is who signed.
        signer: Who signed it.
        digest: Its name (``name_of``).
    """

    token: ActingAs
    signer: VerifiedPeer
    digest: str


class Opener:
    """Opens tokens, and remembers which."""

    def __init__(self, verifier: Verifier) -> None:
        """Trusts the trust bundles of a verifier, and follows them."""
        self._verifier = verifier
        self._generation = verifier.generation
        self._seen: dict[bytes, Opened] = {}

    def open(self, text: str, now: datetime) -> Opened:
        """What a token says, and who signed it: steps 1 to 6.

        Args:
            text: Compact JWS.
            now: When the signer is to be valid, in UTC.

        Raises:
            RejectionError: It is no acting-as token from somebody who is trusted.
        """
        if self._generation != self._verifier.generation:
            self._seen.clear()
            self._generation = self._verifier.generation
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        found = self._seen.get(key)
        if found is not None and found.signer.not_before <= now <= found.signer.not_after:
            return found
        opened = _open(text, self._verifier, now)
        self._remember(key, opened)
        return opened

    def _remember(self, key: bytes, opened: Opened) -> None:
        self._seen.pop(key, None)
        if len(self._seen) >= _REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        self._seen[key] = opened


def digest_of(text: str) -> str:
    """How evidence and attestations are named in records and tokens: SHA-256, base64url."""
    return jose.encode(hashlib.sha256(text.encode()).digest())


def name_of(text: str) -> str:
    """How an acting-as token is named in records and by what is extended from it.

    SHA-256 of what is signed, base64url. The signature is left out: whoever holds a token can
    write another one for the same with ECDSA, (r, n - s), and would have a token of a name
    that nobody ever gave out.
    """
    return digest_of(text.rpartition(".")[0] or text)


def _open(text: str, verifier: Verifier, now: datetime) -> Opened:
    try:
        payload, signer = unseal(text, TYPE, verifier, now, max_bytes=MAX_TOKEN_BYTES)
        token = read_claims(payload)
    except X5cError as error:
        raise RejectionError(OF_FAULT[error.fault], str(error)) from None
    except RequestError as error:
        raise RejectionError(Reason.CLAIMS, str(error)) from None
    if token.issuer != signer.spiffe_id:
        raise RejectionError(Reason.ISSUER, "iss: is not who signed")
    return Opened(token, signer, name_of(text))
