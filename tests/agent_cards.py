"""Agent cards for tests, signed by whomever a test wants.

    found = World().register(signed(card(name="planner")))   # ACME's key, trusted for Acme's
    found = World(keys=()).register(self_signed(card(), AUTHORITY.issue(str(CALLER))))

Each is as it should be but for what the test changes.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, RSAKey

from governd.identity import SpiffeId, jose
from governd.identity.secret import Secret
from governd.identity.svid import X509Svid
from governd.identity.svid_signer import SvidSigner, signer_of
from governd.identity.verification import Verifier
from governd.kya.attestation_check import AttestationCheck, AttesterRule, Expected
from governd.kya.binding import BindingRule
from governd.kya.card import AgentCard, CardLimits
from governd.kya.card_keys import CardKeys, PinnedKey
from governd.kya.card_reader import read_card
from governd.kya.card_signature import Trust
from governd.kya.kept_agent import KeptAgent
from governd.kya.level import Level
from governd.kya.registered_agent import Checked, RegisteredAgent, assess
from tests.fakes.authority import NOON, Authority, Issued, new_key

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

CALLER = SpiffeId.parse("spiffe://example.org/ns/shop/sa/planner")
THIEF = SpiffeId.parse("spiffe://example.org/ns/other/sa/thief")
REGISTRY = SpiffeId.parse("spiffe://example.org/governd/registry")
NODE = SpiffeId.parse("spiffe://example.org/governd/signer/node-1")
ACME = new_key()
"""The key of the provider Acme, ``acme-1``."""
AUTHORITY = Authority("example.org")
PARTNER = Authority("partner.example")
RULE = BindingRule(agents="spiffe://example.org/ns/shop", provider="Acme")
ATTESTERS = (
    AttesterRule("spiffe://example.org/governd/signer", Level.SIGNED),
    AttesterRule(str(REGISTRY), Level.ATTESTED),
)


def card(**changes: Any) -> dict[str, Any]:
    """A card of A2A v1.0; a change to ``None`` leaves the member out."""
    members = {
        "name": "planner",
        "description": "Plans things.",
        "supportedInterfaces": [
            {
                "url": "https://planner.example/a2a",
                "protocolBinding": "JSONRPC",
                "protocolVersion": "1.0",
            }
        ],
        "provider": {"organization": "Acme", "url": "https://acme.example"},
        "version": "1.2.0",
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [skill("plan")],
        **changes,
    }
    return {name: member for name, member in members.items() if member is not None}


def skill(name: str, **changes: Any) -> dict[str, Any]:
    """A skill of a card."""
    return {"id": name, "name": name, "description": "Does it.", "tags": ["work"], **changes}


def old_card(**changes: Any) -> dict[str, Any]:
    """A card of A2A v0.3, likewise."""
    old = {"protocolVersion": "0.3.0", "url": "https://planner.example/a2a"}
    return card(supportedInterfaces=None, **{**old, **changes})


def write(members: dict[str, Any]) -> bytes:
    """A card as its agent serves it."""
    return json.dumps(members).encode()


def read(members: dict[str, Any] | bytes) -> AgentCard:
    """A card that was read."""
    text = members if isinstance(members, bytes) else write(members)
    return read_card(text, limits=CardLimits())


def signature(key: Key, payload: bytes, header: dict[str, Any]) -> dict[str, Any]:
    """A detached JWS with exactly that protected header."""
    protected = jose.encode(json.dumps(header).encode())
    message = f"{protected}.{jose.encode(payload)}".encode()
    return {"protected": protected, "signature": jose.encode(made(key, message, header["alg"]))}


def made(key: Key, message: bytes, algorithm: str) -> bytes:
    """A signature as JWS wants it (RFC 7518, section 3)."""
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        way = pss if algorithm == "PS256" else padding.PKCS1v15()
        return key.sign(message, way, hashes.SHA256())
    digest = hashes.SHA384() if algorithm == "ES384" else hashes.SHA256()
    size = (key.curve.key_size + 7) // 8
    parts = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
    return b"".join(part.to_bytes(size) for part in parts)


def signed(
    members: dict[str, Any], key: Key = ACME, *, kid: str = "acme-1", **header: Any
) -> dict[str, Any]:
    """A card with one more signature; a header ``None`` is left out."""
    headers = {"alg": "ES256", "typ": "JOSE", "kid": kid, **header}
    headers = {name: one for name, one in headers.items() if one is not None}
    one = signature(key, read(members).payload, headers)
    return {**members, "signatures": [*members.get("signatures", []), one]}


def self_signed(members: dict[str, Any], issued: Issued, **header: Any) -> dict[str, Any]:
    """A card signed with an X.509-SVID, whose chain goes along."""
    chain = [base64.b64encode(one).decode() for one in issued.chain]
    assert isinstance(issued.key, Key)
    return signed(members, issued.key, kid="svid", **{"x5c": chain, **header})


def pinned(
    key: Key = ACME, kid: str = "acme-1", provider: str = "Acme", **changes: Any
) -> PinnedKey:
    """A provider's key as the configuration has it."""
    return PinnedKey.parse(provider, jwk(key, kid), **changes)


def jwk(key: Key, kid: str, **members: Any) -> bytes:
    """A public key as a JWK."""
    known = RSAKey if isinstance(key, rsa.RSAPrivateKey) else ECKey
    made_of = known(key, key).as_dict(private=False)  # type: ignore[arg-type]  # either pair
    return json.dumps({**made_of, "kid": kid, **members}).encode()


def register(
    previous: RegisteredAgent | None,
    found: AgentCard,
    trust: Trust,
    rules: Sequence[BindingRule],
    attestation: Checked | None = None,
) -> RegisteredAgent:
    """An agent after it presented a card."""
    kept = KeptAgent.presented(trust.caller, found, previous.kept if previous else None)
    return assess(kept, trust, rules, attestation)


@dataclass(frozen=True)
class World:
    """What an agent meets when it registers."""

    keys: Sequence[PinnedKey] = field(default_factory=lambda: (pinned(),))
    rules: Sequence[BindingRule] = (RULE,)
    attesters: Sequence[AttesterRule] = ATTESTERS
    now: datetime = NOON

    @property
    def verifier(self) -> Verifier:
        return Verifier({"example.org": AUTHORITY.bundle, "partner.example": PARTNER.bundle})

    def trust(self, caller: SpiffeId = CALLER) -> Trust:
        return Trust(CardKeys(self.keys), self.verifier, caller, self.now)

    def register(
        self,
        text: dict[str, Any] | bytes,
        caller: SpiffeId = CALLER,
        *,
        previous: RegisteredAgent | None = None,
        attestation: str = "",
        certificates: frozenset[str] = frozenset(),
    ) -> RegisteredAgent:
        """What becomes of an agent that presents a card."""
        found = read(text)
        checked: Checked | None = None
        if attestation:
            expected = Expected(caller, certificates, found.digest)
            checked = self.check(attestation, expected)
        return register(previous, found, self.trust(caller), self.rules, checked)

    def check(self, token: str, expected: Expected) -> Checked:
        return AttestationCheck(self.verifier, self.attesters).check(token, expected, self.now)


def signer(
    spiffe_id: SpiffeId = NODE, authority: Authority = AUTHORITY, **changes: Any
) -> SvidSigner:
    """Somebody who signs, for an hour."""
    issued = authority.issue(str(spiffe_id), **changes)
    not_after = issued.certificate.not_valid_after_utc
    key = Secret(issued.key_der)
    svid = X509Svid(spiffe_id, issued.chain, key, "", NOON - timedelta(hours=1), not_after)
    return signer_of(svid, authority.bundle)
