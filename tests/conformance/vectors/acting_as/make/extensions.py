"""What may be extended, and how far: for whoever mints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.vectors.acting_as.make.scene import Scene
from tests.fakes.forge import DETAIL, NOW, PLANNER, ROUTER, SIGNERS, TOOLS

RULE = "docs/delegation.md, attenuation; {}"
USER = {"issuer": "https://idp.example", "subject": "user:alice@example.com"}
PERMIT: Mapping[str, Any] = {
    "actor": PLANNER,
    "audience": TOOLS,
    "user": USER,
    "scopes": ["tools:call:search_issues"],
    "authorization_details": [{**DETAIL, "tools": ["search_issues"]}],
}
PARENT: Mapping[str, Any] = {"aud": PLANNER, "htm": None, "htu": None}


@dataclass
class Extension:
    """One vector.

    Attributes:
        id: Unique among all.
        rule: What demands the result.
        parent: Compact JWS, which the actor holds.
        refused: Which rule is broken; ``""`` for none.
        accepted: What the new token says, as far as the vector is about it.
        permit: Changes of what policy permitted.
        order: What else is asked for.
        now: Seconds since 1970.
    """

    id: str
    title: str
    rule: str
    parent: str
    refused: str = ""
    accepted: Mapping[str, Any] = field(default_factory=dict)
    permit: Mapping[str, Any] = field(default_factory=dict)
    order: Mapping[str, Any] = field(default_factory=dict)
    now: int = NOW

    def record(self) -> dict[str, Any]:
        """As it is kept."""
        refused = {"refused": {"rule": self.refused}}
        return {
            "id": self.id,
            "title": self.title,
            "rule": RULE.format(self.rule),
            "now": self.now,
            "issuers": [{"prefix": SIGNERS, "also_for": []}],
            "parent": self.parent,
            "permit": {**PERMIT, **self.permit},
            "order": {"lifetime_seconds": 120, **self.order},
            "result": refused if self.refused else {"accepted": dict(self.accepted)},
        }


def cases(scene: Scene) -> Iterator[Extension]:
    """What holds, and what would widen."""
    ours = scene.ours
    parent = ours.deep(ROUTER, **PARENT)
    yield Extension(
        "extended",
        "Narrower in all",
        "RFC 8693 section 4.1",
        parent,
        accepted={
            "user": USER,
            "actors": [PLANNER, ROUTER],
            "scopes": ["tools:call:search_issues"],
            "transaction": "workflow-1",
            "expires_at": NOW + 120,
        },
    )
    end = {"expires_at": NOW + 120}
    title = "Ends with its parent"
    yield Extension("ends-with-parent", title, "exp", parent, accepted=end, now=NOW + 60)
    yield from _widened(parent)
    yield from _other(scene, parent)


def _widened(parent: str) -> Iterator[Extension]:
    more = ["tools:call:delete_issue", "tools:call:search_issues"]
    scopes = {"scopes": more}
    yield Extension("scope", "One scope more", "scope", parent, "SCOPE_WIDENED", permit=scopes)
    for name, change in {
        "tools": {"tools": ["delete_issue"]},
        "locations": {"locations": ["https://other.example/mcp"]},
        "actions": {"actions": ["call", "list"]},
    }.items():
        details = {"authorization_details": [{**DETAIL, **change}]}
        title = f"Other {name}"
        rule = "RFC 9396 section 2"
        refused = "DETAILS_WIDENED"
        yield Extension(f"details-{name}", title, rule, parent, refused, permit=details)
    deeper = {"max_depth": 5}
    yield Extension("mdp-raised", "More actors", "mdp", parent, "DEPTH_RAISED", order=deeper)


def _other(scene: Scene, parent: str) -> Iterator[Extension]:
    ours = scene.ours
    eve = {"user": {**USER, "subject": "user:eve@example.com"}}
    yield Extension("sub-swap", "Another user", "sub", parent, "USER_CHANGED", permit=eve)
    evil = {"user": {**USER, "issuer": "https://evil.example"}}
    yield Extension("iss-swap", "Another issuer", "sub_iss", parent, "USER_CHANGED", permit=evil)
    other = {"transaction": "workflow-2"}
    refused = "TRANSACTION_CHANGED"
    yield Extension("txn-swap", "Another transaction", "txn", parent, refused, order=other)
    actor = {"actor": TOOLS, "audience": ROUTER}
    title = "Somebody who is not the parent's audience"
    yield Extension("not-audience", title, "act", parent, "NOT_AUDIENCE", permit=actor)
    own = {"audience": PLANNER}
    title = "Somebody who acts towards itself"
    yield Extension("own-audience", title, "aud", parent, "OWN_AUDIENCE", permit=own)
    full = ours.deep(ROUTER, **PARENT, mdp=1)
    yield Extension("depth", "One actor too many", "dep", full, "DEPTH_EXCEEDED")
    loop = ours.deep(ROUTER, PLANNER, **PARENT)
    yield Extension("loop", "An actor twice", "act", loop, "LOOP")
    late = NOW + 120
    yield Extension(
        "parent-expired", "A parent that has ended", "exp", parent, "PARENT_EXPIRED", now=late
    )
