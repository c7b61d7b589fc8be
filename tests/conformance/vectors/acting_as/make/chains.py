"""Who acts for whom, and what the chain itself shows."""

from collections.abc import Iterator
from typing import Any

from tests.conformance.vectors.acting_as.make.scene import EXPECTATIONS, Case, Scene
from tests.fakes.forge import PLANNER, ROUTER, SIGNER, digest

FRONT = "spiffe://example.org/ns/c/sa/front"
RULE = "docs/delegation.md step 13"


def cases(scene: Scene) -> Iterator[Case]:
    """Depth, loops, parents, revocations."""
    ours = scene.ours
    actors = [PLANNER, ROUTER, FRONT]
    yield Case("three", "Three actors", RULE, ours.deep(*actors), accepted={"actors": actors})
    full = ours.deep(*actors, mdp=3)
    yield Case("depth-full", "As many as it permits", RULE, full, accepted={"actors": actors})
    yield Case("depth", "More than it permits", RULE, ours.deep(*actors, mdp=2), "DEPTH")
    loop = ours.deep(PLANNER, ROUTER, PLANNER)
    yield Case("loop", "An actor twice", RULE, loop, "LOOP")
    yield Case("loop-self", "An actor for itself", RULE, ours.deep(PLANNER, PLANNER), "LOOP")
    yield Case("no-parent", "Two actors, no parent", RULE, ours.deep(*actors, pth=None), "PARENT")
    parent = ours.token(pth=digest(b"parent"))
    yield Case("parent", "One actor, and a parent", RULE, parent, "PARENT")
    yield from _revoked(scene)


def _revoked(scene: Scene) -> Iterator[Case]:
    ours = scene.ours
    revoked: dict[str, dict[str, list[Any]]] = {
        "transaction": {"transactions": ["workflow-1"]},
        "token": {"tokens": [ours.claims()["jti"]]},
        "user": {"users": [{"issuer": "https://idp.example", "subject": "user:alice@example.com"}]},
        "actor": {"workloads": [PLANNER]},
        "earlier-actor": {"workloads": [ROUTER]},
        "signer": {"workloads": [SIGNER]},
    }
    text = ours.deep(PLANNER, ROUTER)
    for name, listed in revoked.items():
        yield Case(
            f"revoked-{name}",
            f"A {name} that is revoked",
            RULE,
            text,
            "REVOKED",
            expectations={"revoked": {**EXPECTATIONS["revoked"], **listed}},
        )
    others = {"users": [{"issuer": "https://other.example", "subject": "user:alice@example.com"}]}
    yield Case(
        "revoked-other-issuer",
        "Another issuer's user of that name",
        RULE,
        text,
        expectations={"revoked": {**EXPECTATIONS["revoked"], **others}},
    )
