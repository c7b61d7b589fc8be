"""Delegations as policy permits them, and as their audience sees them."""

from datetime import datetime, timedelta
from typing import Any

from governd.delegation.acting_as import ActingAs, Evidence
from governd.delegation.attenuation import Stamp
from governd.delegation.details import ToolDetail
from governd.delegation.expectations import Expectations
from governd.delegation.opening import Opener
from governd.delegation.replay import UsedTokens
from governd.delegation.signing import sign
from governd.delegation.verification import Receiver, Verified
from governd.identity.user import User
from governd.policy.allowed import Allowed, Ruling, Terms, allow
from governd.policy.decision import Decision, DecisionCode
from governd.policy.question import Question, ResourceRef
from tests.fakes.authority import NOON
from tests.fakes.forge import EXPECTED, NOW, PLANNER, ROUTER, SIGNER, Forge, digest, workload

ALICE = User("https://idp.example", "user:alice@example.com")
DETAIL = ToolDetail(("call",), ("https://a.example/mcp",), ("list", "search"))
STAMP = Stamp(workload(SIGNER), NOON + timedelta(minutes=15), bytes(range(16)), NOON)
RULING = Ruling("d" * 32, f"sha-256:{'0' * 64}")
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
EVIDENCE = Evidence(ID_TOKEN, digest(b"id token"), "https://idp.example", NOW + 300)


def permit(principal: str = ROUTER, audience: str = PLANNER, **changes: Any) -> Allowed:
    """Policy's word; ``changes`` are of its terms, and ``action``."""
    action = changes.pop("action", "delegation/mint")
    details = tuple(one.canonical for one in changes.pop("details", (DETAIL,)))
    terms = {"scopes": ("a", "b"), "user": ALICE, **changes, "details": details}
    asked = Question(workload(principal), action, ResourceRef("agent", audience))
    decision = Decision(DecisionCode.PERMITTED)
    return allow(asked, decision, Terms(workload(audience), **terms), RULING)


def seen(token: ActingAs, forge: Forge, now: datetime = NOON) -> Verified:
    """A token, signed, as its audience holds it."""
    text = sign(token, forge.signer).text.reveal().decode()
    expected = Expectations(frozenset({token.audience}), EXPECTED.issuers)
    found = Receiver(Opener(forge.verifier), UsedTokens()).inspect(text, expected, now)
    assert isinstance(found, Verified), found
    return found
