"""What acting-as tokens cost, in the process of whoever mints or receives one.

A chain of three: a token is minted and signed, one is verified whose signer was seen
before, one whose signer was not, and one that was seen itself. Beside that, how large tokens
are.
"""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from bench.measure import Runs
from bench.results import Result
from bench.scenario import Bench
from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.delegation.acting_as import ActingAs, Attested, Evidence, Ruled
from governd.delegation.attenuation import ACTION, Order, Stamp, extend
from governd.delegation.binding import BindingLevel, body_digest, request_binding
from governd.delegation.details import ToolDetail
from governd.delegation.expectations import Arrival, Expectations, IssuerRule
from governd.delegation.opening import Opener
from governd.delegation.rejection import Rejected
from governd.delegation.replay import Admission
from governd.delegation.signing import sign
from governd.delegation.verification import Receiver, Verified
from governd.identity import SpiffeId, jose
from governd.identity.ports import Signer
from governd.identity.user import User
from governd.identity.verification import Verifier
from governd.policy.allowed import Ruling, Terms, allow
from governd.policy.decision import Decision, DecisionCode
from governd.policy.question import Question, ResourceRef

_CALLS = 400
"""Of each kind in one run."""
_URI = "https://github-mcp.example/mcp"
_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_ACTORS = tuple(
    SpiffeId.parse(f"spiffe://example.org/ns/{name}/sa/{name}") for name in ("front", "plan", "do")
)
_TOOLS = SpiffeId.parse("spiffe://example.org/ns/tools/sa/github-mcp")


class _Again:
    """Takes every token for a first one: the same is measured many times."""

    def admit(self, *_token: object) -> Admission:
        """Says so."""
        return Admission.FIRST


def run(bench: Bench) -> Iterator[Result]:
    """Measures all of it."""
    authority = EmbeddedAuthority("example.org", _NOW)
    signer = EmbeddedIdentity.signing(authority, "node").current(_NOW)
    runs = [_once(signer) for _ in bench.rounds(5)]
    mint, known, cold, seen = (Runs(list(values)) for values in zip(*runs, strict=True))
    yield Result("extend and sign, depth 3", mint, "ms", goal=1)
    yield Result("verify, depth 3", known, "ms", goal=0.4)
    yield Result("verify, depth 3, signer never seen", cold, "ms")
    yield Result("verify, seen before", seen, "ms", goal=0.02, goal_op="<=")
    yield Result("size at depth 3", Runs([_size(signer)]), "bytes", goal=3000)
    twice = dataclasses.replace(_said(signer), actors=_ACTORS[:1], parent=None)
    yield Result("size at depth 1", Runs([len(sign(twice, signer).text.reveal())]), "bytes")


def _once(signer: Signer) -> tuple[float, float, float, float]:
    """Medians in ms: to mint, to verify, with a signer never seen, seen before."""
    text = sign(_said(signer), signer).text.reveal().decode()
    verifier = Verifier({"example.org": signer.trust_bundle})
    opener = Opener(verifier)

    expected, arrival, again = _expected(), _arrival(), _Again()

    def verify(opener: Opener) -> None:
        found = Receiver(opener, again).receive(text, expected, arrival, _NOW)
        if isinstance(found, Rejected):
            raise RuntimeError(found.message)  # noqa: TRY004  the token is at fault, not its type

    def with_new_signer() -> None:
        verifier.replace(verifier.bundles)
        verify(Opener(verifier))

    extending = _extending(signer)
    return (
        _median(lambda: sign(extending(), signer)),
        _median(lambda: verify(Opener(verifier))),
        _median(with_new_signer),
        _median(lambda: verify(opener)),
    )


def _extending(signer: Signer) -> Callable[[], ActingAs]:
    """Makes the third token of a chain from the second, as policy permitted."""
    before = dataclasses.replace(_said(signer), actors=_ACTORS[1:], audience=_ACTORS[0])
    parent = Verified(before, BindingLevel.UNSAFE_NONE, jose.encode(bytes(32)))
    question = Question(_ACTORS[0], ACTION, ResourceRef("agent", str(_TOOLS)))
    details = tuple(one.canonical for one in before.details)
    terms = Terms(_TOOLS, before.scopes, details, before.user)
    permit = Decision(DecisionCode.PERMITTED)
    order = Order(request=before.request, kya=before.kya)

    def extended() -> ActingAs:
        allowed = allow(question, permit, terms, Ruling(*reversed(before.ruled)))
        stamp = Stamp(signer.spiffe_id, signer.not_after, os.urandom(16), _NOW)
        return extend(parent, allowed, order, stamp)

    return extended


def _median(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _size(signer: Signer) -> float:
    return len(sign(_said(signer), signer).text.reveal())


def _said(signer: Signer) -> ActingAs:
    """A token with everything in it that one has."""
    now = int(_NOW.timestamp())
    digest = jose.encode(bytes(32))
    return ActingAs(
        signer.spiffe_id,
        User("https://idp.example", "user:alice@example.com"),
        _ACTORS,
        _TOOLS,
        now,
        now + 120,
        jose.encode(os.urandom(16)),
        jose.encode(bytes(16)),
        Ruled(f"sha-256:{'0' * 64}", "0" * 32),
        scopes=("tools:call:list_issues", "tools:call:search_issues"),
        details=(ToolDetail(("call",), (_URI,), ("list_issues", "search_issues")),),
        request=request_binding("POST", _URI, body_digest(b"{}")),
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


def _expected() -> Expectations:
    issuers = (IssuerRule(SpiffeId.parse("spiffe://example.org/governd/signer")),)
    return Expectations(frozenset({_TOOLS}), issuers)


def _arrival() -> Arrival:
    return Arrival(_ACTORS[0], request=request_binding("POST", _URI, body_digest(b"{}")))
