"""A token's form, header, kind and claims."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from tests.conformance.vectors.acting_as.make.scene import Case, Scene
from tests.fakes.forge import NOW, PLANNER, TOOLS, Forge, digest, nested
from tests.fakes.token_issuer import TokenIssuer, encode

STEP = "docs/delegation.md step {}"
OTHERS = {
    "wit": ("wit+jwt", "a WIT-SVID"),
    "id-jag": ("oauth-id-jag+jwt", "an identity assertion grant"),
    "txn-token": ("txntoken+jwt", "a transaction token"),
    "access-token": ("at+jwt", "an access token"),
    "kya": ("kya-attestation+jwt", "a KYA attestation"),
    "jwt": ("JWT", "a plain JWT"),
    "case": ("Acting-As+JWT", "the right kind in another case"),
}
SEEN = {"typ": "urn:x", "dig": digest(b"seen"), "iss": "https://idp.example", "exp": NOW}
CLAIMS: dict[str, tuple[str, dict[str, Any]]] = {
    "sub-unprintable": ("has a user with a soft hyphen", {"sub": "al\u00adice"}),
    "sub-half-pair": ("has a user with half a surrogate pair", {"sub": "alice\ud800"}),
    "sub-iss-fragment": ("has an issuer with a fragment", {"sub_iss": "https://idp.example#x"}),
    "evd-10000": (
        "has evidence that ends after the year 9999",
        {"evd": [{**SEEN, "exp": 253_402_300_800}]},
    ),
    "exp-missing": ("has no end", {"exp": None}),
    "act-stripped": ("does not say who acts", {"act": None}),
    "sub-missing": ("does not say for whom", {"sub": None}),
    "aud-array": ("has its audience in an array", {"aud": [TOOLS]}),
    "aud-two": ("has two audiences", {"aud": [TOOLS, PLANNER]}),
    "aud-slash": ("has an audience with a trailing slash", {"aud": f"{TOOLS}/"}),
    "aud-case": ("has an audience in upper case", {"aud": TOOLS.upper()}),
    "aud-domain": ("has a trust domain of 256 bytes", {"aud": f"spiffe://{'a' * 256}/x"}),
    "iat-text": ("has a time that is a text", {"iat": str(NOW)}),
    "iat-fraction": ("has a time with a fraction", {"iat": NOW + 0.5}),
    "may-act": ("has may_act, which is not of the format", {"may_act": {"sub": PLANNER}}),
    "unknown-claim": ("has a claim that is not of the format", {"nbf": NOW}),
    "act-extra": ("has an actor with an exp", {"act": {"sub": PLANNER, "exp": NOW}}),
    "dep-wrong": ("counts more actors than it has", {"dep": 2}),
    "mdp-9": ("permits more actors than the format", {"mdp": 9}),
    "scope-order": ("has scopes that are not sorted", {"scope": "b a"}),
    "scope-twice": ("has a scope twice", {"scope": "a a"}),
    "detail-type": ("has a detail of another type", {"authorization_details": [{"type": "x"}]}),
    "jti-short": ("has an id of fewer than 128 bits", {"jti": encode(b"short")}),
    "htu-query": ("is tied to a URI with a query", {"htu": "https://a.example/?a=1"}),
    "htu-alone": ("is tied to a URI without a method", {"htm": None}),
    "cdg-sha-512": ("has a digest of another kind", {"cdg": f"sha-512=:{'A' * 86}==:"}),
}


def cases(scene: Scene) -> Iterator[Case]:
    """What is refused before anybody asks for whom it is, and what is not."""
    yield from _good(scene.ours)
    yield from _forms(scene.ours)
    yield from _headers(scene.ours)
    yield from _kinds(scene.ours)
    yield from _claims(scene.ours)


def _good(ours: Forge) -> Iterator[Case]:
    rule = STEP.format("1 to 13")
    yield Case(
        "accepted",
        "A token for us",
        rule,
        ours.token(),
        accepted={
            "user": {"issuer": "https://idp.example", "subject": "user:alice@example.com"},
            "actors": [PLANNER],
            "scopes": ["tools:call:list_issues", "tools:call:search_issues"],
            "binding": "REQUEST",
            "transaction": "workflow-1",
            "kya_level": 0,
        },
    )
    kya = {"lvl": 2, "jti": encode(bytes(16)), "dig": digest(b"attestation")}
    yield Case("accepted-kya", "KYA level 2", rule, ours.token(kya=kya), accepted={"kya_level": 2})
    none = ours.token(scope=None, authorization_details=None)
    yield Case("accepted-nothing", "No scopes permit nothing", rule, none, accepted={"scopes": []})
    for name, changes, said in (
        ("u0085", {"txn": "a\u0085b"}, {"transaction": "a\u0085b"}),
        ("ufffd", {"txn": "\ufffd", "sub": "\ufffd"}, {"transaction": "\ufffd"}),
        ("surrogates", {"txn": "\U0001f600"}, {"transaction": "\U0001f600"}),
        ("evd-9999", {"evd": [{**SEEN, "exp": 253_402_300_799}]}, {"transaction": "workflow-1"}),
    ):
        title = f"A token with {name}"
        yield Case(f"accepted-{name}", title, rule, ours.token(**changes), accepted=said)


def _forms(ours: Forge) -> Iterator[Case]:
    token, step = ours.token(), STEP.format(1)
    header, payload, signature = token.split(".")
    forms = {
        "two-parts": ("Two parts", f"{header}.{payload}"),
        "four-parts": ("Four parts", f"{token}.{signature}"),
        "padding": ("Padded base64url", f"{token}="),
        "stray-bits": ("Base64url with stray bits", f"{header}.{payload}.{signature[:-1]}B"),
        "too-large": ("More than 8 KiB", ours.token(txn="x" * 8192)),
        "json-serialisation": ("JWS in JSON", json.dumps({"payload": payload})),
        "no-signature": ("Nothing signed", f"{header}.{payload}."),
    }
    for name, (title, text) in forms.items():
        yield Case(f"form-{name}", title, f"RFC 7515 section 7.1; {step}", text, "FORM")


def _headers(ours: Forge) -> Iterator[Case]:
    step = STEP.format(2)
    injected: dict[str, Any] = {
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/x",
        "kid": "../k",
    }
    injected |= {"crit": ["exp"], "b64": False, "jwk": {"kty": "EC"}}
    for name, value in injected.items():
        text = ours.token(ours.header(**{name: value}))
        rule = f"RFC 8725 section 3.10; {step}"
        yield Case(f"header-{name}", f"A header {name}", rule, text, "HEADER")
    twice = json.dumps(ours.header()).replace("{", '{"alg":"none",', 1)
    text = ours.signed(f"{encode(twice.encode())}.{encode(json.dumps(ours.claims()).encode())}")
    yield Case("header-twice", "alg twice", f"RFC 7515 section 4; {step}", text, "HEADER")
    rule = f"RFC 8725 section 3.1; {STEP.format(3)}"
    none = ours.header(alg="none")
    yield Case("alg-none", "alg none, signed", rule, ours.token(none), "ALGORITHM")
    unsigned = ours.token(none).rpartition(".")[0] + "."
    yield Case("alg-none-unsigned", "alg none, not signed", rule, unsigned, "FORM")
    yield Case("alg-hs256", "A MAC with the public key", rule, _mac(ours), "ALGORITHM")
    for name in ("ES384", "RS256"):
        text = ours.token(ours.header(alg=name))
        yield Case(f"alg-{name.lower()}", f"{name} with a P-256 key", rule, text, "ALGORITHM")


def _mac(ours: Forge) -> str:
    message = ours.token(ours.header(alg="HS256")).rpartition(".")[0]
    return f"{message}.{encode(hmac.digest(ours.chain[0], message.encode(), hashlib.sha256))}"


def _kinds(ours: Forge) -> Iterator[Case]:
    rule = f"RFC 8725 section 3.11; {STEP.format(3)}"
    for name, (typ, title) in OTHERS.items():
        text = ours.token(ours.header(typ=typ))
        yield Case(f"typ-{name}", f"Presented as {title}", rule, text, "TYPE")
    yield Case("jwt-svid", "A JWT-SVID", f"{rule}, step 2", TokenIssuer().token(), "HEADER")


def _claims(ours: Forge) -> Iterator[Case]:
    rule = STEP.format(6)
    for name, (title, changes) in CLAIMS.items():
        yield Case(f"claims-{name}", f"A token that {title}", rule, ours.token(**changes), "CLAIMS")
    twice = json.dumps(ours.claims()).replace("{", '{"sub":"user:eve@example.com",', 1)
    text = ours.sealed(twice.encode())
    yield Case("claims-twice", "sub twice", f"RFC 7519 section 4; {rule}", text, "CLAIMS")
    ids = [f"spiffe://example.org/{number}" for number in range(9)]
    deep = ours.deep(*ids, mdp=8)
    yield Case("claims-nine-actors", "Nine actors", rule, deep, "CLAIMS")
    inner = f'{{"sub":"{PLANNER}","act":' * 60
    bomb = json.dumps(ours.claims(act=nested(PLANNER))).replace(
        json.dumps(nested(PLANNER)), inner + "{}" + "}" * 60
    )
    yield Case("claims-act-bomb", "Sixty actors", rule, ours.sealed(bomb.encode()), "CLAIMS")
    text = ours.sealed(b'{"a":' * 800 + b"1" + b"}" * 800)
    yield Case("claims-deep", "Eight hundred levels", rule, text, "CLAIMS")
