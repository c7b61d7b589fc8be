"""Who signed a token, and whether they may."""

import base64
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from tests.conformance.vectors.acting_as.make.scene import (
    EXPECTATIONS,
    PARTNER,
    PARTNER_RULE,
    Case,
    Scene,
)
from tests.fakes.authority import HOUR, NOON
from tests.fakes.forge import (
    NOW,
    PLANNER,
    SIGNER,
    SIGNERS,
    Forge,
    nested,
    with_twin_signature,
)

SVID = "X509-SVID section 5; docs/delegation.md step 4"
ALLOWED = "docs/delegation.md step 7"


def cases(scene: Scene) -> Iterator[Case]:
    """Certificates, signatures, issuers."""
    yield from _certificates(scene)
    yield from _signatures(scene)
    yield from _issuers(scene)
    yield from _times(scene)


def _certificates(scene: Scene) -> Iterator[Case]:
    ours = scene.ours
    leaf = ours.header()["x5c"][0]
    chains: dict[str, tuple[str, object]] = {
        "none": ("No certificate", []),
        "six": ("Six certificates", [leaf] * 6),
        "text": ("A text in place of a list", leaf),
        "base64url": (
            "Certificates in base64url",
            [leaf.replace("+", "-").replace("/", "_") + "-_"],
        ),
    }
    for name, (title, chain) in chains.items():
        rule = "RFC 7515 section 4.1.6; docs/delegation.md step 4"
        yield Case(f"x5c-{name}", title, rule, ours.token(ours.header(x5c=chain)), "CHAIN")
    yield Case(
        "x5c-junk", "No certificate in it", SVID, ours.token(ours.header(x5c=["YQ=="])), "SIGNER"
    )
    root = base64.b64encode(scene.stranger.authority.bundle[0]).decode()
    header = scene.stranger.header(x5c=[*scene.stranger.header()["x5c"], root])
    yield Case(
        "x5c-root", "Its own root in the chain", SVID, scene.stranger.token(header), "SIGNER"
    )
    intermediate = Forge(SIGNER, authority=ours.authority.intermediate())
    yield Case("x5c-intermediate", "An intermediate", SVID, intermediate.token())
    leaves: dict[str, tuple[str, dict[str, Any]]] = {
        "ca": ("A leaf that is an authority", {"ca": True}),
        "two-uris": ("Two URI SANs", {"uris": (SIGNER, f"{SIGNER}-2")}),
        "no-uri": ("No URI SAN", {"uris": ()}),
        "no-signature": ("A key that is not for signatures", {"usage": None}),
        "expired": ("A leaf that has expired", {"not_before": NOON - HOUR, "lifetime": HOUR / 2}),
        "early": ("A leaf that is not valid yet", {"not_before": NOON + HOUR}),
    }
    for name, (title, form) in leaves.items():
        forge = Forge(SIGNER, authority=ours.authority, **form)
        yield Case(f"leaf-{name}", title, SVID, forge.token(), "SIGNER")
    forge = Forge(SIGNER, authority=scene.theirs.authority)
    yield Case("leaf-foreign", "Our ID from a federated authority", SVID, forge.token(), "SIGNER")


def _signatures(scene: Scene) -> Iterator[Case]:
    ours, rule = scene.ours, "RFC 7515 section 5.2; docs/delegation.md step 5"
    header, payload, signature = ours.token().split(".")
    other = ours.token(sub="user:eve@example.com").split(".")[1]
    yield Case(
        "swapped-payload", "Another payload", rule, f"{header}.{other}.{signature}", "SIGNATURE"
    )
    text = Forge(SIGNER, authority=ours.authority).token(ours.header())
    yield Case("other-key", "Another key than the leaf's", rule, text, "SIGNATURE")
    zeros = base64.urlsafe_b64encode(bytes(64)).rstrip(b"=").decode()
    yield Case("zeros", "A signature of zeros", rule, f"{header}.{payload}.{zeros}", "SIGNATURE")
    token = ours.token()
    twin = with_twin_signature(token)
    rule = f"FIPS 186-5 section 6.4; {rule}"
    yield Case("twin", "The other signature of ECDSA, (r, n - s)", rule, twin)
    title = "Both signatures of ECDSA, one after the other"
    yield Case("twin-replayed", title, rule, twin, "REPLAYED", before=[token])
    es384 = Forge(SIGNER, authority=ours.authority, algorithm="ES384")
    yield Case("es384", "A key of P-384", rule, es384.token())


def _issuers(scene: Scene) -> Iterator[Case]:
    ours, theirs = scene.ours, scene.theirs
    rule = "docs/delegation.md step 6"
    yield Case("iss-other", "iss is not who signed", rule, ours.token(iss=f"{SIGNER}8"), "ISSUER")
    for name, spiffe_id in {
        "workload": PLANNER,
        "prefix": f"{SIGNERS}-evil/node",
        "server": "spiffe://example.org/governd/server/node-7",
    }.items():
        text = Forge(spiffe_id, authority=ours.authority).token()
        title = f"{spiffe_id} is no signer"
        yield Case(f"issuer-{name}", title, ALLOWED, text, "ISSUER_NOT_ALLOWED")
    text = theirs.token(act=nested(PARTNER))
    arrival = {"peer": PARTNER}
    title = "A federated signer that is not on the list"
    yield Case("issuer-foreign", title, ALLOWED, text, "ISSUER_NOT_ALLOWED", arrival=arrival)
    listed = _listed()
    title = "A federated signer for its own actor"
    yield Case("foreign-own", title, ALLOWED, text, arrival=arrival, expectations=listed)
    for name, actors in {"ours": (PLANNER,), "chain": (PARTNER, PLANNER)}.items():
        yield Case(
            f"foreign-{name}",
            "A federated signer that names our actor",
            ALLOWED,
            theirs.deep(*actors),
            "ACTOR_NOT_ISSUERS",
            arrival={"peer": actors[0]},
            expectations=listed,
        )
    title = "A federated signer that may name our actors"
    also = _listed(["example.org"])
    yield Case("foreign-also", title, ALLOWED, theirs.token(), expectations=also)


def _listed(also_for: Sequence[str] = ()) -> dict[str, object]:
    rule = {**PARTNER_RULE, "also_for": list(also_for)}
    return {"issuers": [*EXPECTATIONS["issuers"], rule]}


def _times(scene: Scene) -> Iterator[Case]:
    ours, rule = scene.ours, "docs/delegation.md step 9"
    yield Case("iat-future", "iat 61 s ahead", rule, ours.token(iat=NOW + 61), "NOT_YET_VALID")
    yield Case("iat-skew", "iat 60 s ahead", rule, ours.token(iat=NOW + 60))
    old = {"iat": NOW - 180, "exp": NOW - 60}
    yield Case("expired", "exp 60 s ago", rule, ours.token(**old), "EXPIRED")
    old["exp"] += 1
    yield Case("expired-skew", "exp 59 s ago", rule, ours.token(**old))
    yield Case("too-long", "301 s", rule, ours.token(exp=NOW + 301), "LIFETIME")
    yield Case("longest", "300 s", rule, ours.token(exp=NOW + 300))
    yield Case("ends-first", "exp before iat", rule, ours.token(exp=NOW - 1), "LIFETIME")
    short = Forge(SIGNER, authority=ours.authority, lifetime=timedelta(seconds=119))
    yield Case("outlives", "exp after the leaf's end", rule, short.token(), "OUTLIVES_SIGNER")
