"""Writes the vectors of agent cards and KYA attestations anew: ``kya/*.json``.

    python -m tests.conformance.vectors.generate_kya

The keys are made for the run and thrown away, so every signature is another one afterwards,
and every result the same. ``schema.json`` says what a vector has; ``test_kya_vectors.py`` runs
them, and so can whoever verifies cards in another language.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from governd.identity import SpiffeId, jose
from governd.identity.svid_signer import SvidSigner
from governd.identity.x5c import seal
from governd.identity.x509_rules import thumbprint
from governd.kya.attestation import TYPE, Attestation, write
from governd.kya.level import Level
from governd.kya.registered_agent import attest
from tests.agent_cards import (
    ACME,
    AUTHORITY,
    CALLER,
    NODE,
    PARTNER,
    REGISTRY,
    THIEF,
    World,
    card,
    jwk,
    old_card,
    read,
    self_signed,
    signature,
    signed,
    signer,
    skill,
)
from tests.agent_cards import write as text_of
from tests.fakes.authority import HOUR, NOON, Authority, new_key

FOLDER = Path(__file__).parent / "kya"
JSON = Mapping[str, Any]
SECOND = timedelta(seconds=1)
OWN = AUTHORITY.issue(str(CALLER))
STRANGER = new_key()
P384, RSA = ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)
SIGNED = signed(card())
OLD_URL = "https://old.example/a2a"

CANONICAL = "A2A 1.0 section 8.4.1"
SIGNING = "A2A 1.0 section 8.4.3"
HEADERS = "RFC 7515 section 4.1"
BINDING = "docs/kya.md, whose card it is"
LEVELS = "docs/kya.md, levels"
DRIFT = "docs/kya.md, drift"
CLAIMS = "docs/kya.md, attestations"
STRICT = "RFC 7493 section 2"

TRUST: JSON = {
    "bundles": {
        "example.org": [base64.b64encode(one).decode() for one in AUTHORITY.bundle],
        "partner.example": [base64.b64encode(one).decode() for one in PARTNER.bundle],
    },
    "keys": [{"provider": "Acme", "jwk": json.loads(jwk(ACME, "acme-1"))}],
    "bindings": [{"agents": "spiffe://example.org/ns/shop", "provider": "Acme"}],
    "attesters": [
        {"attesters": "spiffe://example.org/governd/signer", "max_level": 2},
        {"attesters": str(REGISTRY), "max_level": 3},
    ],
}


def vector(name: str, title: str, rule: str, content: JSON, result: JSON) -> JSON:
    return {
        "id": name,
        "title": title,
        "rule": rule,
        "now": int(NOON.timestamp()),
        "caller": str(CALLER),
        "trust": TRUST,
        **content,
        "result": result,
    }


def encoded(members: Any) -> str:
    text = members if isinstance(members, bytes) else text_of(members)
    return base64.b64encode(text).decode()


# What is signed of a card.


def canonical() -> Iterator[JSON]:
    def accepted(name: str, title: str, members: Any) -> JSON:
        found = read(members)
        result = {"digest": found.digest, "payload": encoded(found.payload)}
        return vector(name, title, CANONICAL, {"card": encoded(members)}, {"accepted": result})

    def refused(name: str, title: str, members: Any, field: str, rule: str = STRICT) -> JSON:
        result = {"rejected": {"reason": "CARD_INVALID", "field": field}}
        return vector(name, title, rule, {"card": encoded(members)}, result)

    plain = card(skills=[skill("plan")])
    yield accepted("card-plain", "a card of required members", plain)
    yield accepted(
        "card-written-otherwise",
        "white space, the order of members and escapes mean nothing",
        json.dumps(dict(reversed(plain.items())), indent=3).replace("plan", "pl\\u0061n").encode(),
    )
    yield accepted(
        "card-defaults-written-out",
        "defaults that say nothing are no part of what is signed",
        card(
            skills=[skill("plan", examples=[], inputModes=[], securityRequirements=[])],
            securitySchemes={},
            securityRequirements=[],
            capabilities={"streaming": True, "extensions": []},
        ),
    )
    yield accepted(
        "card-explicit-defaults",
        "what was set stays, even to its default; what is required stays, even if empty",
        card(
            description="",
            documentationUrl="",
            capabilities={"streaming": False, "pushNotifications": False, "extensions": []},
            defaultOutputModes=[],
            skills=[],
        ),
    )
    yield accepted(
        "card-empty-messages",
        "messages and entries of maps stay, even if empty: they name what is required",
        card(
            securitySchemes={"mtls": {"mtlsSecurityScheme": {"description": ""}}},
            securityRequirements=[{"schemes": {"mtls": {"list": []}}}],
        ),
    )
    yield accepted(
        "card-unknown-members",
        "members that nobody knows are signed like every other",
        card(trust={"b": None, "a": [0, 1.50, 1e21]}, skills=[skill("plan", danger="")]),
    )
    yield accepted(
        "card-utf-16-order",
        "members are in the order of UTF-16 code units",
        card(x={"\ue000": 1, "\U00010000": 2, "\u20ac": 3, "a": 4}),
    )
    yield accepted(
        "card-hybrid",
        "members of v0.3 in a card of v1.0 are signed like every other",
        card(url=OLD_URL, preferredTransport="JSONRPC", protocolVersion="0.3.0"),
    )
    yield accepted("card-v0.3", "a card of A2A v0.3 is taken as it is", old_card(iconUrl=""))
    yield refused(
        "card-duplicate-member",
        "a member that comes twice is two cards",
        text_of(plain)[:-1] + b',"name":"other"}',
        "card_json",
    )
    yield refused(
        "card-duplicate-escaped",
        "a member that comes twice under another spelling, too",
        text_of(plain)[:-1] + b',"n\\u0061me":"other"}',
        "card_json",
    )
    yield refused(
        "card-large-integer",
        "an integer that not every reader takes exactly",
        text_of(plain)[:-1] + b',"x":9007199254740993}',
        "card_json.x",
    )
    yield refused(
        "card-half-surrogate",
        "half a surrogate pair has no canonical form",
        text_of(plain)[:-1] + b',"x":"\\ud800"}',
        "card_json.x",
    )
    yield refused(
        "card-second-spelling",
        "a name of the proto is a second spelling, which some readers take and others drop",
        card(security_requirements=[]),
        "card_json.security_requirements",
        CANONICAL,
    )
    yield from second_spellings(refused)
    yield refused(
        "card-null",
        "null is no value of a member",
        {**plain, "provider": None},
        "card_json.provider",
        CANONICAL,
    )
    yield refused(
        "card-required-missing",
        "a required member is there",
        card(description=None),
        "card_json.description",
        CANONICAL,
    )
    yield refused(
        "card-two-schemes-in-one",
        "of a union one member is there",
        card(securitySchemes={"x": {"mtlsSecurityScheme": {}, "apiKeySecurityScheme": KEY}}),
        "card_json.securitySchemes.x",
        CANONICAL,
    )
    yield refused(
        "card-too-deep",
        "nesting has a limit",
        text_of(plain)[:-1] + b',"x":' + b"[" * 9000 + b"]" * 9000 + b"}",
        "card_json",
    )


def second_spellings(refused: Callable[..., JSON]) -> Iterator[JSON]:
    """Those by which readers of one version are sent elsewhere than readers of the other."""
    evil = {"url": "https://evil.example", "transport": "JSONRPC"}
    for version, made in (("v0.3", old_card), ("v1.0", card)):
        for member, value in (
            ("supported_interfaces", [evil]),
            ("additional_interfaces", [evil]),
            ("preferred_transport", "GRPC"),
        ):
            yield refused(
                f"card-{version}-{member.replace('_', '-')}",
                f"a card of A2A {version} has no second spelling of where its agent is reached",
                made(**{member: value}),
                f"card_json.{member}",
                CANONICAL,
            )


KEY = {"location": "header", "name": "x"}


# How much is known of an agent that presents a card.


def registered(name: str, title: str, rule: str, members: Any, **content: Any) -> JSON:
    """A registration with what it comes to, which is written by hand."""
    result = {"signature": content.pop("signature"), "level": content.pop("level")}
    if "drift" in content:
        result["drift"] = content.pop("drift")
    if "fault" in content:
        result["attestation"] = content.pop("fault")
    found = {"card": encoded(members), **content}
    return vector(name, title, rule, found, {"accepted": result})


def trust(**changes: Any) -> JSON:
    return {**TRUST, **changes}


def keys(*found: Any) -> JSON:
    pinned = [{"provider": "Acme", "jwk": json.loads(jwk(key, "acme-1"))} for key in found]
    return trust(keys=pinned)


def headed(header: JSON, *, unprotected: Any = None) -> JSON:
    """A card signed under exactly that header with ACME's key."""
    one = signature(ACME, read(card()).payload, {"alg": "ES256", "kid": "acme-1", **header})
    more = {} if unprotected is None else {"header": unprotected}
    return {**card(), "signatures": [{**one, **more}]}


def unsigned_as(algorithm: str) -> JSON:
    header = jose.encode(json.dumps({"alg": algorithm, "kid": "acme-1"}).encode())
    return {**card(), "signatures": [{"protected": header, "signature": "MA"}]}


def signatures() -> Iterator[JSON]:
    yield registered(
        "provider-key",
        "a key of the card's provider",
        SIGNING,
        SIGNED,
        signature="verified",
        level=2,
    )
    for name, key, algorithm in (
        ("es384", P384, "ES384"),
        ("rs256", RSA, "RS256"),
        ("ps256", RSA, "PS256"),
    ):
        yield registered(
            f"provider-key-{name}",
            f"the same with {algorithm}",
            SIGNING,
            signed(card(), key, alg=algorithm),
            trust=keys(key),
            signature="verified",
            level=2,
        )
    yield registered(
        "unsigned", "a card without signatures", LEVELS, card(), signature="unsigned", level=1
    )
    yield registered(
        "unbound",
        "a card that nothing binds to the caller",
        BINDING,
        SIGNED,
        trust=trust(bindings=[]),
        signature="verified",
        level=0,
    )
    yield registered(
        "stolen",
        "a signed card that somebody else presents",
        BINDING,
        SIGNED,
        caller=str(THIEF),
        signature="verified",
        level=0,
    )
    yield registered(
        "own-svid",
        "a card signed with the caller's own X.509-SVID",
        BINDING,
        self_signed(card(), OWN),
        trust=trust(bindings=[]),
        signature="verified",
        level=1,
    )
    yield registered(
        "own-svid-stolen",
        "the same card, presented by somebody else",
        BINDING,
        self_signed(card(), OWN),
        trust=trust(bindings=[]),
        caller=str(THIEF),
        signature="untrusted_key",
        level=0,
    )
    yield registered(
        "own-svid-expired",
        "an X.509-SVID that has ended",
        BINDING,
        self_signed(card(), AUTHORITY.issue(str(CALLER), not_before=NOON - 2 * HOUR)),
        trust=trust(bindings=[]),
        signature="untrusted_key",
        level=0,
    )
    yield registered(
        "own-svid-foreign",
        "an X.509-SVID by another domain's authority",
        BINDING,
        self_signed(card(), PARTNER.issue(str(CALLER))),
        trust=trust(bindings=[]),
        signature="untrusted_key",
        level=0,
    )
    yield registered(
        "both-keys",
        "signed by the agent and by its provider",
        LEVELS,
        self_signed(SIGNED, OWN),
        trust=trust(bindings=[]),
        signature="verified",
        level=2,
    )
    yield registered(
        "changed",
        "a card that was changed after it was signed",
        SIGNING,
        {**SIGNED, "description": "Pays things."},
        signature="failed",
        level=0,
    )
    yield registered(
        "lossy-json",
        "a signature over what a reader that drops members saw",
        CANONICAL,
        {**SIGNED, "trust": "full"},
        signature="failed",
        level=0,
    )
    yield from hybrids()
    yield from confused()
    yield from headers()


def hybrids() -> Iterator[JSON]:
    """Cards that agents of A2A v0.3 read, too: where those are sent counts as well."""
    new = card()["supportedInterfaces"][0]["url"]
    old: JSON = {"url": OLD_URL, "preferredTransport": "JSONRPC", "protocolVersion": "0.3.0"}
    other: JSON = {"additionalInterfaces": [{"url": OLD_URL, "transport": "JSONRPC"}]}
    for name, title, members, urls, level in (
        ("url", "a card whose v0.3 url is no rule's", old, [new], 0),
        ("additional", "a card whose additional interface is no rule's", other, [new], 0),
        ("covered", "a card whose URLs of either version a rule covers", old, [new, OLD_URL], 1),
        ("same", "a card that is reached at one URL", {**old, "url": new}, [new], 1),
    ):
        rule = {"agents": str(CALLER), "urls": urls}
        yield registered(
            f"hybrid-{name}",
            title,
            BINDING,
            card(**members),
            trust=trust(bindings=[rule]),
            signature="unsigned",
            level=level,
        )


def confused() -> Iterator[JSON]:
    scheme: JSON = {"securitySchemes": {"mtls": {"mtlsSecurityScheme": {}}}}
    yield registered(
        "default-dropped",
        "an empty scheme, which is no default, added after signing",
        CANONICAL,
        {**SIGNED, **scheme},
        signature="failed",
        level=0,
    )
    yield registered(
        "default-explicit",
        "a signature over a card that does not say streaming: false",
        CANONICAL,
        {**signed(card(capabilities={})), "capabilities": {"streaming": False}},
        signature="failed",
        level=0,
    )
    yield registered(
        "default-removed",
        "a default written out after signing changes nothing",
        CANONICAL,
        {**SIGNED, "securityRequirements": []},
        signature="verified",
        level=2,
    )
    yield registered(
        "v0.3-signed",
        "signatures of v0.3 cannot be verified",
        LEVELS,
        signed(old_card()),
        signature="unverifiable",
        level=1,
    )


def headers() -> Iterator[JSON]:
    evil = {"kid": "evil", "jku": "http://169.254.169.254/keys"}
    yield registered(
        "jku-internal-host",
        "a jku that leads to an internal host is not followed",
        HEADERS,
        signed(card(), STRANGER, **evil),
        signature="untrusted_key",
        level=1,
    )
    yield registered(
        "jku-pinned-key",
        "a jku beside a configured key means nothing",
        HEADERS,
        headed({"jku": "https://acme.example/keys"}),
        signature="verified",
        level=2,
    )
    yield registered(
        "unknown-key",
        "a key that nobody configured",
        SIGNING,
        signed(card(), STRANGER, kid="evil"),
        signature="untrusted_key",
        level=1,
    )
    yield registered(
        "other-provider",
        "a key signs for its own provider only",
        SIGNING,
        signed(card(provider={"organization": "Globex", "url": ""})),
        signature="untrusted_key",
        level=0,
    )
    yield registered(
        "expired-key",
        "a key that has ended",
        SIGNING,
        SIGNED,
        trust=trust(keys=[{**TRUST["keys"][0], "not_after": int(NOON.timestamp())}]),
        signature="untrusted_key",
        level=1,
    )
    forged = signed(card(), STRANGER)["signatures"][0]
    injected = {"kid": "evil", "alg": "none", "jwk": json.loads(jwk(STRANGER, "evil"))}
    yield registered(
        "unprotected-header",
        "an unprotected header is not read: it saves no forgery",
        HEADERS,
        {**card(), "signatures": [{**forged, "header": injected}]},
        signature="failed",
        level=0,
    )
    yield registered(
        "unprotected-header-beside",
        "nor does it spoil what holds",
        HEADERS,
        headed({"typ": "JOSE"}, unprotected=injected),
        signature="verified",
        level=2,
    )
    for name in ("none", "HS256"):
        yield registered(
            f"alg-{name.lower()}",
            f"the algorithm {name} proves nothing",
            "RFC 8725 section 3.1",
            unsigned_as(name),
            signature="failed",
            level=0,
        )
    for name, value in (("crit", ["x"]), ("b64", False), ("jwk", {}), ("x5u", "https://a.example")):
        yield registered(
            f"header-{name}",
            f"the header {name} is refused",
            HEADERS,
            headed({name: value}),
            signature="failed",
            level=0,
        )
    yield registered(
        "typ-jwt",
        "a token of another type is no card's signature",
        "RFC 8725 section 3.11",
        headed({"typ": "JWT"}),
        signature="failed",
        level=0,
    )
    yield registered(
        "one-of-several",
        "one signature that holds is enough",
        SIGNING,
        signed(signed(SIGNED, STRANGER), STRANGER, kid="evil"),
        signature="verified",
        level=2,
    )


def drift() -> Iterator[JSON]:
    pinned = encoded(SIGNED)
    yield registered(
        "no-drift",
        "the same card, written otherwise and signed again",
        DRIFT,
        signed(dict(reversed(card(securityRequirements=[]).items()))),
        pinned_card=pinned,
        signature="verified",
        level=2,
        drift=[],
    )
    yield registered(
        "card-swap",
        "another card of the same provider, signed with the same key",
        DRIFT,
        signed(card(name="payer", skills=[skill("pay")])),
        pinned_card=pinned,
        signature="verified",
        level=0,
        drift=["AGENT_CHANGED", "SKILLS_CHANGED", "CARD_CHANGED"],
    )
    interface = {**card()["supportedInterfaces"][0], "url": "https://evil.example"}
    yield registered(
        "interface-swap",
        "the agent is reached elsewhere",
        DRIFT,
        signed(card(supportedInterfaces=[interface])),
        pinned_card=pinned,
        signature="verified",
        level=0,
        drift=["INTERFACES_CHANGED", "CARD_CHANGED"],
    )
    yield registered(
        "interface-swap-hybrid",
        "readers of v0.3 are sent elsewhere",
        DRIFT,
        signed(card(url=OLD_URL)),
        pinned_card=pinned,
        signature="verified",
        level=0,
        drift=["INTERFACES_CHANGED", "CARD_CHANGED"],
    )
    yield registered(
        "signature-lost",
        "the same card, not signed any more",
        DRIFT,
        card(),
        pinned_card=pinned,
        signature="unsigned",
        level=0,
        drift=["SIGNATURE_LOST"],
    )
    yield registered(
        "description-changed",
        "any other change",
        DRIFT,
        signed(card(description="Other.")),
        pinned_card=pinned,
        signature="verified",
        level=0,
        drift=["CARD_CHANGED"],
    )
    agent = World().register(SIGNED)
    by_registry = attest(agent, signer(REGISTRY), NOON, token_id="1")
    token = seal(write(replace(by_registry, level=Level.ATTESTED)), TYPE, signer(REGISTRY))
    yield registered(
        "attested",
        "a registry attests this very card",
        LEVELS,
        SIGNED,
        attestation=token,
        signature="verified",
        level=3,
    )
    yield registered(
        "swapped-after-attestation",
        "a card swapped after it was attested",
        DRIFT,
        signed(card(version="2")),
        attestation=token,
        fault="OTHER_CARD",
        signature="verified",
        level=2,
    )
    yield registered(
        "swapped-after-both",
        "the same where the attested card is pinned",
        DRIFT,
        signed(card(version="2")),
        attestation=token,
        pinned_card=pinned,
        fault="OTHER_CARD",
        signature="verified",
        level=0,
        drift=["CARD_CHANGED"],
    )


# Attestations, as whoever is called by the agent checks them.


def attestation(**changes: Any) -> Attestation:
    certificate = thumbprint(OWN.chain[0])
    made = attest(World().register(SIGNED), signer(), NOON, token_id="1", certificate=certificate)
    return replace(made, **changes)


def sealed(made: Attestation, by: SvidSigner | None = None, typ: str = TYPE) -> str:
    return seal(write(made), typ, by or signer(made.issuer))


def recut(token: str, *, header: JSON | None = None, payload: JSON | None = None) -> str:
    """A token with another header or payload under the old signature."""
    parts = token.split(".")
    for index, part in ((0, header), (1, payload)):
        if part is not None:
            old = json.loads(jose.decode(parts[index].encode()))
            parts[index] = jose.encode(json.dumps({**old, **part}).encode())
    return ".".join(parts)


def attestations() -> Iterator[JSON]:
    expected = {
        "certificates": [thumbprint(OWN.chain[0])],
        "card_digest": read(SIGNED).digest,
    }

    def one(name: str, title: str, token: str, result: str | int, **changes: Any) -> JSON:
        content = {"attestation": token, "expected": {**expected, **changes.pop("expected", {})}}
        found = (
            {"accepted": {"level": result}}
            if isinstance(result, int)
            else {"rejected": {"reason": result}}
        )
        return vector(f"attestation-{name}", title, CLAIMS, {**content, **changes}, found)

    good = sealed(attestation())
    yield one("good", "an attestation of the caller and its card", good, 2)
    yield one(
        "no-cnf", "one that is bound to no certificate", sealed(attestation(certificate="")), 2
    )
    yield one("other-agent", "another agent's", good, "OTHER_AGENT", caller=str(THIEF))
    yield one(
        "other-card", "of another card", good, "OTHER_CARD", expected={"card_digest": "sha-256:0"}
    )
    yield one(
        "other-certificate",
        "of another certificate",
        good,
        "OTHER_CERTIFICATE",
        expected={"certificates": []},
    )
    end = int((NOON + HOUR).timestamp())
    short = sealed(attestation(expires=NOON + 60 * SECOND))
    yield one("expired", "one that has ended", short, "EXPIRED", now=int(NOON.timestamp()) + 60)
    yield one("signer-expired", "one whose signer has ended", good, "SIGNER", now=end + 1)
    early = attestation(issued_at=NOON + 61 * SECOND)
    yield one("future", "one of the future", sealed(early), "NOT_YET_VALID")
    yield one(
        "long",
        "one for more than an hour",
        sealed(attestation(issued_at=NOON - SECOND)),
        "LIFETIME",
    )
    yield one(
        "outlives-signer",
        "one that lasts longer than its signer",
        sealed(attestation(), signer(lifetime=60 * SECOND)),
        "LIFETIME",
    )
    yield one("unsigned", "one without a signature", good.rpartition(".")[0] + ".", "MALFORMED")
    yield one(
        "alg-none", "one with the algorithm none", recut(good, header={"alg": "none"}), "SIGNATURE"
    )
    yield one("alg-hs256", "one with HS256", recut(good, header={"alg": "HS256"}), "SIGNATURE")
    yield one(
        "alg-of-another-key",
        "one with RS256 and a key of P-256",
        recut(good, header={"alg": "RS256"}),
        "SIGNATURE",
    )
    yield one(
        "changed", "one that was changed", recut(good, payload={"kya": {"level": 3}}), "SIGNATURE"
    )
    yield one("kid", "one with a kid", recut(good, header={"kid": "1"}), "MALFORMED")
    yield one(
        "jku", "one with a jku", recut(good, header={"jku": "https://evil.example"}), "MALFORMED"
    )
    yield one("acting-as", "an acting-as token", sealed(attestation(), typ="acting-as+jwt"), "TYPE")
    yield one("kyapay", "a vendor's token", sealed(attestation(), typ="kya+jwt"), "TYPE")
    yield one(
        "type-case",
        "another spelling of the type",
        sealed(attestation(), typ="KYA-Attestation+JWT"),
        "TYPE",
    )
    yield one(
        "issuer-not-signer",
        "one that says somebody else issued it",
        sealed(attestation(), signer(REGISTRY)),
        "ISSUER",
    )
    yield one("own-word", "the agent's own word", sealed(attestation(issuer=CALLER)), "ISSUER")
    server = SpiffeId.parse("spiffe://example.org/governd/server/node-1")
    yield one(
        "not-allowed",
        "one by somebody whom no rule names",
        sealed(attestation(issuer=server)),
        "ISSUER",
    )
    foreign = SpiffeId.parse("spiffe://partner.example/governd/signer/n")
    theirs = sealed(attestation(issuer=foreign), signer(foreign, PARTNER))
    rules = [{"attesters": "spiffe://partner.example/governd/signer", "max_level": 2}]
    yield one(
        "foreign", "a foreign attester of our agent", theirs, "ISSUER", trust=trust(attesters=rules)
    )
    allowed = [{**rules[0], "agents": "spiffe://example.org/ns/shop"}]
    yield one(
        "foreign-allowed",
        "the same, where a rule lets it",
        theirs,
        2,
        trust=trust(attesters=allowed),
    )
    evil = Authority("example.org")
    forged = sealed(attestation(), signer(NODE, evil))
    yield one("other-authority", "one by an authority of the same name", forged, "SIGNER")
    empty = seal(b"{}", TYPE, signer())
    yield one("no-claims", "one that says nothing", empty, "CLAIMS")
    yield one(
        "boast", "a level beyond the attester's", sealed(attestation(level=Level.ATTESTED)), 2
    )


FILES = {
    "canonical.json": canonical,
    "signatures.json": signatures,
    "drift.json": drift,
    "attestations.json": attestations,
}


def main() -> None:
    """Writes every file."""
    for name, made in FILES.items():
        text = json.dumps({"vectors": list(made())}, indent=1, ensure_ascii=True)
        (FOLDER / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
