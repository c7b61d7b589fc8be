"""A chain of three actors, with everything in its tokens that one has."""

import dataclasses
import os
from collections.abc import Callable
from datetime import UTC, datetime

from governd.delegation.acting_as import ActingAs, Attested, Evidence, Ruled
from governd.delegation.attenuation import ACTION, Order, Stamp, extend
from governd.delegation.binding import BindingLevel, body_digest, request_binding
from governd.delegation.details import ToolDetail
from governd.delegation.expectations import Arrival, Expectations, IssuerRule
from governd.delegation.verification import Verified
from governd.identity import SpiffeId, jose
from governd.identity.ports import Signer
from governd.identity.user import User
from governd.policy.allowed import Ruling, Terms, allow
from governd.policy.decision import Decision, DecisionCode
from governd.policy.question import Question, ResourceRef

URI = "https://github-mcp.example/mcp"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACTORS = tuple(
    SpiffeId.parse(f"spiffe://example.org/ns/{name}/sa/{name}") for name in ("front", "plan", "do")
)
_TOOLS = SpiffeId.parse("spiffe://example.org/ns/tools/sa/github-mcp")


def extending(signer: Signer) -> Callable[[], ActingAs]:
    """Makes the third token of a chain from the second, as policy permitted."""
    before = dataclasses.replace(said(signer), actors=ACTORS[1:], audience=ACTORS[0])
    parent = Verified(before, BindingLevel.UNSAFE_NONE, jose.encode(bytes(32)))
    question = Question(ACTORS[0], ACTION, ResourceRef("agent", str(_TOOLS)))
    details = tuple(one.canonical for one in before.details)
    terms = Terms(_TOOLS, before.scopes, details, before.user)
    permit = Decision(DecisionCode.PERMITTED)
    order = Order(request=before.request, kya=before.kya)

    def extended() -> ActingAs:
        allowed = allow(question, permit, terms, Ruling(*reversed(before.ruled)))
        stamp = Stamp(signer.spiffe_id, signer.not_after, os.urandom(16), NOW)
        return extend(parent, allowed, order, stamp)

    return extended


def said(signer: Signer) -> ActingAs:
    """A token with everything in it that one has."""
    now = int(NOW.timestamp())
    digest = jose.encode(bytes(32))
    return ActingAs(
        signer.spiffe_id,
        User("https://idp.example", "user:alice@example.com"),
        ACTORS,
        _TOOLS,
        now,
        now + 120,
        jose.encode(os.urandom(16)),
        jose.encode(bytes(16)),
        Ruled(f"sha-256:{'0' * 64}", "0" * 32),
        scopes=("tools:call:list_issues", "tools:call:search_issues"),
        details=(ToolDetail(("call",), (URI,), ("list_issues", "search_issues")),),
        request=request_binding("POST", URI, body_digest(b"{}")),
        parent=digest,
        evidence=(
            Evidence(
                "urn:ietf:params:oauth:token-type:id_token",
                digest,
                "https://idp.example",
                now + 300,
            ),
        ),
        kya=Attested(2, jose.encode(bytes(16)), digest),
    )


def expected() -> Expectations:
    """What the receiver expects of every token."""
    issuers = (IssuerRule(SpiffeId.parse("spiffe://example.org/governd/signer")),)
    return Expectations(frozenset({_TOOLS}), issuers)


def arrival() -> Arrival:
    """How the token comes."""
    return Arrival(ACTORS[0], request=request_binding("POST", URI, body_digest(b"{}")))
