"""A signing identity that signs whatever a test asks for, the bad above all.

    forge = Forge()
    good = forge.token()
    widened = forge.token(scope="admin")
    unsigned = forge.token(forge.header(alg="none"))

Every token is what an acting-as token should be but for what the test changes. ``EXPECTED``
is what its audience expects, ``ARRIVAL`` how it comes.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from governd.delegation.binding import body_digest, request_binding
from governd.delegation.expectations import Arrival, Expectations, IssuerRule
from governd.delegation.opening import Opener
from governd.delegation.rejection import Rejected
from governd.delegation.replay import UsedTokens
from governd.delegation.verification import Receiver, Verified
from governd.identity import SpiffeId, jose
from governd.identity.svid_signer import SvidSigner, signer_of
from governd.identity.verification import Verifier
from governd.identity.x509_material import x509_svid
from tests.fakes.authority import NOON, Authority
from tests.fakes.token_issuer import encode

SIGNERS = "spiffe://example.org/governd/signer"
SIGNER = f"{SIGNERS}/node-7"
PLANNER = "spiffe://example.org/ns/a/sa/planner"
ROUTER = "spiffe://example.org/ns/b/sa/router"
TOOLS = "spiffe://example.org/ns/tools/sa/github-mcp"
URI = "https://github-mcp.example/mcp"
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_issues"}}'
NOW = int(NOON.timestamp())
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DETAIL = {
    "type": "mcp_tool",
    "actions": ["call"],
    "locations": [URI],
    "tools": ["list_issues", "search_issues"],
}


def digest(text: bytes) -> str:
    """SHA-256, base64url."""
    return encode(hashlib.sha256(text).digest())


def workload(text: str) -> SpiffeId:
    return SpiffeId.parse(text)


def nested(*actors: str) -> dict[str, Any]:
    """``act`` of several actors, the current one first."""
    act: dict[str, Any] = {}
    for actor in reversed(actors):
        act = {"sub": actor, "act": act} if act else {"sub": actor}
    return act


class Forge:
    """Signs with one key whose certificates an authority issued.

    Attributes:
        authority: Who issued them.
        spiffe_id: Who the leaf says that it is.
        algorithm: Of its signatures.
        chain: DER certificates, the leaf first.
    """

    def __init__(
        self,
        spiffe_id: str = SIGNER,
        *,
        authority: Authority | None = None,
        algorithm: str = "ES256",
        key: Key | None = None,
        **leaf: Any,
    ) -> None:
        """Makes a key, unless one is handed in; ``leaf`` changes the leaf's form."""
        self.authority = authority or Authority()
        self.spiffe_id = spiffe_id
        self.algorithm = algorithm
        if key is None and algorithm == "ES384":
            key = ec.generate_private_key(ec.SECP384R1())
        uris = leaf.pop("uris", (spiffe_id,))
        self.issued = self.authority.issue(*uris, key=key, **leaf)
        self.chain = self.issued.chain
        pem = self.issued.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        kind = ECKey if isinstance(self.issued.key, ec.EllipticCurvePrivateKey) else RSAKey
        self._key = kind.import_key(pem)

    @cached_property
    def signer(self) -> SvidSigner:
        """The same identity as governd has it."""
        svid = x509_svid(workload(self.spiffe_id), self.chain, self.issued.key_der)
        return signer_of(svid, self.authority.bundle)

    @property
    def verifier(self) -> Verifier:
        """Whoever trusts its authority."""
        return Verifier({self.authority.trust_domain: self.authority.bundle})

    def header(self, **changes: object) -> dict[str, Any]:
        """A token's header; ``changes`` with ``None`` leave something out."""
        x5c = [base64.b64encode(der).decode() for der in self.chain]
        whole = {"alg": self.algorithm, "typ": "acting-as+jwt", "x5c": x5c, **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def claims(self, **changes: object) -> dict[str, Any]:
        """A token's claims; ``changes`` with ``None`` leave something out."""
        whole = {
            "iss": self.spiffe_id,
            "sub": "user:alice@example.com",
            "sub_iss": "https://idp.example",
            "act": nested(PLANNER),
            "aud": TOOLS,
            "iat": NOW,
            "exp": NOW + 120,
            "jti": encode(bytes(range(16))),
            "txn": "workflow-1",
            "scope": "tools:call:list_issues tools:call:search_issues",
            "authorization_details": [DETAIL],
            "htm": "POST",
            "htu": URI,
            "dep": 1,
            "mdp": 4,
            "pol": {"dig": f"sha-256:{'0' * 64}", "dec": "0" * 32},
            **changes,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, header: Mapping[str, object] | None = None, /, **changes: object) -> str:
        """A signed token; ``changes`` are of its claims."""
        claims = json.dumps(self.claims(**changes), separators=(",", ":"))
        return self.sealed(claims.encode(), header)

    def deep(self, *actors: str, **changes: object) -> str:
        """A token with those actors, the current one first."""
        deep = {"act": nested(*actors), "dep": len(actors)}
        parent = {"pth": digest(b"parent")} if len(actors) > 1 else {}
        return self.token(**{**deep, **parent, **changes})

    def sealed(self, payload: bytes, header: Mapping[str, object] | None = None) -> str:
        """Any payload, signed."""
        text = json.dumps(header or self.header(), separators=(",", ":"))
        return self.signed(f"{encode(text.encode())}.{encode(payload)}")

    def signed(self, message: str) -> str:
        """Any two parts, signed."""
        algorithm = jws.JWSRegistry.algorithms[self.algorithm]
        return f"{message}.{encode(algorithm.sign(message.encode(), self._key))}"


def with_twin_signature(token: str) -> str:
    """The same token with the other signature that ECDSA has for it: (r, n - s), on P-256."""
    message, _, signature = token.rpartition(".")
    made = jose.decode(signature.encode())
    other = P256_ORDER - int.from_bytes(made[32:])
    return f"{message}.{encode(made[:32] + other.to_bytes(32))}"


EXPECTED = Expectations(frozenset({workload(TOOLS)}), (IssuerRule(workload(SIGNERS)),))
ARRIVAL = Arrival(workload(PLANNER), request=request_binding("POST", URI, body_digest(BODY)))


def received(
    forge: Forge,
    text: str,
    expected: Expectations = EXPECTED,
    arrival: Arrival = ARRIVAL,
    **changes: Any,
) -> Verified | Rejected:
    """What a fresh receiver who trusts ``forge`` says; ``changes``: ``now``, ``replay``."""
    replay = changes.pop("replay", UsedTokens())
    now = changes.pop("now", NOON)
    return Receiver(Opener(forge.verifier), replay).receive(text, expected, arrival, now)


def verified(forge: Forge, text: str, *more: Any, **changes: Any) -> Verified:
    """The same, of a token that has to be taken."""
    found = received(forge, text, *more, **changes)
    assert isinstance(found, Verified), found
    return found


def rejected(forge: Forge, text: str, *more: Any, **changes: Any) -> str:
    """The name of the reason why a token is not taken."""
    found = received(forge, text, *more, **changes)
    assert isinstance(found, Rejected), found
    assert text[:40] not in found.message
    return found.reason.name
