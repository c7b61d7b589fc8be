"""Who is there in the vectors: two trust domains, their signers, and what a vector is."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.authority import Authority
from tests.fakes.forge import BODY, NOW, PLANNER, SIGNER, SIGNERS, TOOLS, URI, Forge

PARTNER_SIGNER = "spiffe://partner.example/governd/signer/n1"
PARTNER = "spiffe://partner.example/ns/x/sa/buyer"
EXPECTATIONS: Mapping[str, Any] = {
    "audiences": [TOOLS],
    "issuers": [{"prefix": SIGNERS, "also_for": []}],
    "least_binding": "REQUEST",
    "revoked": {"transactions": [], "tokens": [], "users": [], "workloads": []},
}
PARTNER_RULE = {"prefix": "spiffe://partner.example/governd/signer", "also_for": []}


def request(method: str = "POST", uri: str = URI, body: bytes | None = BODY) -> dict[str, Any]:
    """A request as a receiver sees it; the body is ``None`` where it was not read."""
    encoded = None if body is None else base64.b64encode(body).decode()
    return {"method": method, "uri": uri, "body_base64": encoded}


ARRIVAL: Mapping[str, Any] = {"peer": PLANNER, "peer_certificate": None, "request": request()}


@dataclass
class Scene:
    """Keys and certificates of one run.

    Attributes:
        ours: The signer of the node, in ``example.org``.
        theirs: A signer of the federated ``partner.example``.
        stranger: A signer of a domain that nobody trusts, which says that it is ours.
    """

    ours: Forge = field(default_factory=lambda: Forge(SIGNER))
    theirs: Forge = field(
        default_factory=lambda: Forge(PARTNER_SIGNER, authority=Authority("partner.example"))
    )
    stranger: Forge = field(default_factory=lambda: Forge(SIGNER, authority=Authority()))

    @property
    def bundles(self) -> dict[str, list[str]]:
        """DER certificates in base64, by trust domain."""
        return {
            forge.authority.trust_domain: [
                base64.b64encode(der).decode() for der in forge.authority.bundle
            ]
            for forge in (self.ours, self.theirs)
        }


@dataclass
class Case:
    """One vector.

    Attributes:
        id: Unique among all.
        rule: What demands the result.
        presented: The token, or what carries it: ``headers``, ``mcp_meta``, ``a2a_metadata``.
        reason: Why it is rejected; ``""`` where it is accepted.
        accepted: What an accepted token says, as far as the vector is about it.
        arrival: Changes of how it comes.
        expectations: Changes of what the receiver expects.
        now: Seconds since 1970.
        before: Tokens that the receiver was shown just before, the same way.
    """

    id: str
    title: str
    rule: str
    presented: str | Mapping[str, Any]
    reason: str = ""
    accepted: Mapping[str, Any] = field(default_factory=dict)
    arrival: Mapping[str, Any] = field(default_factory=dict)
    expectations: Mapping[str, Any] = field(default_factory=dict)
    now: int = NOW
    before: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        """As it is kept."""
        token = self.presented
        presented = {"token": token} if isinstance(token, str) else dict(token)
        rejected = {"rejected": {"reason": self.reason}}
        return {
            "id": self.id,
            "title": self.title,
            "rule": self.rule,
            "now": self.now,
            "expectations": {**EXPECTATIONS, **self.expectations},
            "arrival": {**ARRIVAL, **self.arrival},
            "before": list(self.before),
            "presented": presented,
            "result": rejected if self.reason else {"accepted": dict(self.accepted)},
        }
