"""Acting-as tokens, signed.

The signature is that of the signing identity (``identity.x5c``); a domain that holds a key
would not be pure, so it is asked of the ``Signer`` port.
"""

from dataclasses import dataclass

from governd.delegation import refusals
from governd.delegation.acting_as import MAX_TOKEN_BYTES, TYPE, ActingAs
from governd.delegation.claims import write_claims
from governd.delegation.opening import name_of
from governd.identity import x5c
from governd.identity.ports import Signer
from governd.identity.secret import Secret


@dataclass(frozen=True, slots=True)
class Delegation:
    """A token, ready to be sent.

    Attributes:
        token: What it says.
        text: Compact JWS. A secret: where it is tied to little, whoever has it can use it.
        digest: SHA-256 of it, base64url: its name in records.
    """

    token: ActingAs
    text: Secret
    digest: str


def sign(token: ActingAs, signer: Signer) -> Delegation:
    """Signs a token.

    Args:
        token: What ``attenuation`` made.
        signer: The signing identity that it names.

    Raises:
        OtherSignerError: It names another one, or lasts longer than this one.
        TooLargeError: It would not fit into one header.
    """
    if token.issuer != signer.spiffe_id or token.expires_at > signer.not_after.timestamp():
        message = "the token is not for this signer"
        raise refusals.OtherSignerError(message)
    text = x5c.seal(write_claims(token), TYPE, signer)
    if len(text) > MAX_TOKEN_BYTES:
        message = f"the token has {len(text)} bytes, the limit is {MAX_TOKEN_BYTES}"
        raise refusals.TooLargeError(message)
    return Delegation(token, Secret(text.encode()), name_of(text))
