"""No token says more than policy permitted, and no child more than its parent."""

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from governd.delegation import refusals
from governd.delegation.acting_as import ActingAs, Attested
from governd.delegation.attenuation import Order, Stamp, extend, mint
from governd.delegation.binding import BindingLevel, request_binding
from governd.delegation.claims import read_claims, write_claims
from governd.delegation.details import ToolDetail
from governd.delegation.refusals import AttenuationError
from governd.delegation.signing import sign
from governd.delegation.verification import Verified
from governd.errors import MintError, RequestError
from governd.identity.user import User
from governd.policy.allowed import Terms, allow
from governd.policy.decision import Decision, DecisionCode
from governd.policy.question import Question, ResourceRef
from tests.delegations import ALICE, DETAIL, EVIDENCE, RULING, STAMP, permit, seen
from tests.fakes.authority import NOON
from tests.fakes.forge import (
    NOW,
    PLANNER,
    ROUTER,
    SIGNER,
    TOOLS,
    URI,
    Forge,
    digest,
    verified,
    workload,
)
from tests.fakes.signer import FakeSigner
from tests.fakes.token_issuer import encode

FORGE = Forge()
FRONT = "spiffe://example.org/ns/c/sa/front"
NARROW = dataclasses.replace(DETAIL, tools=("search",))
WIDE = dataclasses.replace(DETAIL, tools=("delete", "search"))
ID = encode(bytes(range(16)))


def kya(level: int) -> Attested:
    return Attested(level, ID, digest(b"attestation"))


def minted(order: Order | None = None, **changes: Any) -> ActingAs:
    """Of the router for the planner."""
    return mint(permit(**changes), order or Order(), STAMP, (EVIDENCE,))


def parent(order: Order | None = None, **changes: Any) -> Verified:
    """The same, as the planner received it."""
    return seen(minted(order, **changes), FORGE)


def extended(
    before: Verified | None = None, order: Order | None = None, stamp: Stamp = STAMP, **changes: Any
) -> ActingAs:
    """Of the planner for the tools."""
    allowed = permit(PLANNER, TOOLS, **changes)
    return extend(before or parent(), allowed, order or Order(), stamp)


@pytest.mark.req("gi-3", part=True)
def test_a_chain_begins_with_what_policy_permitted() -> None:
    token = minted()
    assert (str(token.issuer), str(token.audience)) == (SIGNER, PLANNER)
    assert [str(actor) for actor in token.actors] == [ROUTER]
    assert (token.user, token.scopes, token.details) == (ALICE, ("a", "b"), (DETAIL,))
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 120)
    assert (token.token_id, token.transaction) == (ID, ID)
    assert (token.max_depth, token.parent, token.evidence) == (4, None, (EVIDENCE,))
    assert tuple(token.ruled) == (RULING.policy_digest, RULING.decision_id)


def test_what_is_ordered_is_in_it() -> None:
    request = request_binding("POST", URI)
    certificate = digest(b"certificate")
    token = minted(Order(30, 2, "workflow", request, certificate, kya(2)))
    assert (token.expires_at, token.max_depth, token.transaction) == (NOW + 30, 2, "workflow")
    assert (token.request, token.certificate, token.kya_level) == (request, certificate, 2)


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"lifetime_seconds": 0}, "lifetime"),
        ({"lifetime_seconds": 301}, "lifetime"),
        ({"max_depth": 0}, "max_depth"),
        ({"max_depth": 9}, "max_depth"),
        ({"transaction": ""}, "transaction"),
        ({"transaction": "x" * 129}, "transaction"),
        ({"certificate": "x"}, "certificate"),
    ],
)
def test_an_order_out_of_bounds_is_refused(order: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as raised:
        Order(**order)
    assert raised.value.field == field


def test_nobody_acts_for_nobody() -> None:
    with pytest.raises(refusals.NoUserError):
        minted(user=None)


@pytest.mark.req("r-3", part=True)
def test_attack_a_permit_for_something_else() -> None:
    for make in (minted, extended):
        with pytest.raises(refusals.OtherActionError):
            make(action="identity/jwt-svid")


@pytest.mark.req("r-3", part=True)
def test_nobody_acts_towards_itself() -> None:
    with pytest.raises(refusals.OwnAudienceError) as raised:
        minted(principal=ROUTER, audience=ROUTER)
    assert (raised.value.field, raised.value.rule) == ("audience", "OWN_AUDIENCE")
    with pytest.raises(refusals.OwnAudienceError):
        extend(parent(), permit(PLANNER, PLANNER), Order(), STAMP)


def test_attack_a_token_for_who_is_no_workload() -> None:
    asked = Question(workload(ROUTER), "delegation/mint", ResourceRef("agent", PLANNER))
    terms = Terms("https://crm.example/mcp", user=ALICE)
    allowed = allow(asked, Decision(DecisionCode.PERMITTED), terms, RULING)
    with pytest.raises(RequestError) as raised:
        mint(allowed, Order(), STAMP)
    assert raised.value.field == "audience"


def test_terms_that_are_no_terms_are_refused() -> None:
    for changes in ({"scopes": ("a b",)}, {"scopes": ("a", "a")}):
        with pytest.raises(RequestError):
            minted(**changes)


def test_a_token_never_outlives_its_signer() -> None:
    ending = STAMP._replace(until=NOON + timedelta(seconds=5))
    assert mint(permit(), Order(), ending).expires_at == NOW + 5
    with pytest.raises(refusals.SignerEndingError):
        mint(permit(), Order(), ending._replace(until=NOON))


@pytest.mark.req("gi-3", part=True)
def test_an_extension_says_at_most_what_its_parent_says() -> None:
    before = parent(Order(kya=kya(1)))
    token = extended(before, Order(kya=kya(3)), scopes=("b",), details=(NARROW,))
    assert [str(actor) for actor in token.actors] == [PLANNER, ROUTER]
    assert (str(token.audience), token.user) == (TOOLS, ALICE)
    assert (token.transaction, token.parent) == (ID, before.digest)
    assert (token.scopes, token.details) == (("b",), (NARROW,))
    assert (token.depth, token.max_depth, token.kya_level) == (2, 4, 1)
    assert token.evidence == (EVIDENCE,)


def test_an_extension_is_taken_offline_by_the_next_receiver() -> None:
    order = Order(request=request_binding("POST", URI))
    text = sign(extended(order=order), FORGE.signer).text.reveal().decode()
    found = verified(FORGE, text)
    assert [str(actor) for actor in found.token.actors] == [PLANNER, ROUTER]
    assert found.binding is BindingLevel.REQUEST


def broken(error: type[AttenuationError], field: str, *more: Any, **changes: Any) -> None:
    with pytest.raises(error) as raised:
        extended(*more, **changes)
    assert raised.value.reason == "MINT_REFUSED"
    assert raised.value.metadata == {"rule": error.rule}
    assert raised.value.field == field


@pytest.mark.req("gi-3", part=True)
def test_attack_a_wider_scope() -> None:
    broken(refusals.ScopeWidenedError, "scopes", scopes=("a", "admin"))
    broken(refusals.ScopeWidenedError, "scopes", parent(scopes=()), scopes=("a",))


@pytest.mark.req("gi-3", part=True)
def test_attack_wider_details() -> None:
    broken(refusals.DetailsWidenedError, "authorization_details", details=(WIDE,))
    broken(refusals.DetailsWidenedError, "authorization_details", parent(details=()))
    both = (NARROW, dataclasses.replace(NARROW, locations=("https://b.example/mcp",)))
    joined = ToolDetail(("call",), tuple(sorted(one.locations[0] for one in both)), ("search",))
    broken(
        refusals.DetailsWidenedError,
        "authorization_details",
        parent(details=(both[0], dataclasses.replace(both[1], tools=("list",)))),
        details=(joined,),
    )


@pytest.mark.req("r-3", part=True)
def test_attack_another_user() -> None:
    for user in (
        User("https://idp.example", "user:bob@example.com"),
        User("https://evil.example", ALICE.subject),
        None,
    ):
        broken(refusals.UserChangedError, "parent", user=user)


@pytest.mark.req("r-3", part=True)
def test_attack_another_transaction() -> None:
    assert extended(order=Order(transaction=ID)).transaction == ID
    broken(refusals.TransactionChangedError, "transaction", None, Order(transaction="another"))


@pytest.mark.req("r-3", part=True)
def test_attack_somebody_extends_what_was_not_for_them() -> None:
    before = seen(mint(permit(audience=FRONT), Order(), STAMP), FORGE)
    broken(refusals.NotAudienceError, "parent", before)


@pytest.mark.req("r-3", part=True)
def test_attack_a_loop() -> None:
    before = seen(extend(parent(), permit(PLANNER, ROUTER), Order(), STAMP), FORGE)
    with pytest.raises(refusals.LoopError):
        extend(before, permit(ROUTER, TOOLS), Order(), STAMP)


@pytest.mark.req("r-3", part=True)
def test_attack_more_actors_than_the_chain_permits() -> None:
    before = parent(Order(max_depth=1))
    broken(refusals.DepthExceededError, "parent", before)
    broken(refusals.DepthRaisedError, "max_depth", before, Order(max_depth=2))
    assert extended(parent(), Order(max_depth=2)).max_depth == 2
    broken(refusals.DepthExceededError, "parent", parent(), Order(max_depth=1))


@pytest.mark.req("gi-3", part=True)
def test_attack_a_parent_that_has_expired() -> None:
    before = parent()
    for seconds, error in ((119, None), (120, refusals.ParentExpiredError)):
        stamp = STAMP._replace(now=NOON + timedelta(seconds=seconds))
        if error:
            broken(error, "parent", before, None, stamp)
        else:
            assert extended(before, stamp=stamp).expires_at == NOW + 120


def test_an_extension_ends_with_its_parent_at_the_latest() -> None:
    stamp = STAMP._replace(now=NOON + timedelta(seconds=60))
    assert extended(parent(), Order(300), stamp).expires_at == NOW + 120
    assert extended(parent(), Order(10), stamp).expires_at == NOW + 70


@pytest.mark.parametrize(
    ("before", "now", "level"), [(3, 2, 2), (1, 2, 1), (None, 3, 0), (3, None, 0)]
)
def test_a_chain_is_known_as_well_as_the_least_known_actor(
    before: int | None, now: int | None, level: int
) -> None:
    orders = [Order(kya=None if one is None else kya(one)) for one in (before, now)]
    assert extended(parent(orders[0]), orders[1]).kya_level == level


def test_what_is_signed_is_what_was_said() -> None:
    token = minted()
    delegation = sign(token, FORGE.signer)
    assert seen(token, FORGE).token == delegation.token == token
    assert delegation.digest == digest(delegation.text.reveal().rpartition(b".")[0])
    assert delegation.text.reveal().decode() not in repr(delegation)
    assert read_claims(write_claims(token)) == token


def test_nobody_signs_for_another_or_for_longer_than_they_last() -> None:
    for signer in (
        FakeSigner(workload(f"{SIGNER}0")),
        FakeSigner(workload(SIGNER), NOON + timedelta(seconds=119)),
    ):
        with pytest.raises(refusals.OtherSignerError):
            sign(minted(), signer)


def test_a_token_that_no_header_holds_is_not_made() -> None:
    scopes = tuple(f"{number:02}{'x' * 250}" for number in range(64))
    with pytest.raises(refusals.TooLargeError):
        sign(minted(scopes=scopes), FORGE.signer)


@pytest.mark.req("gi-3", part=True)
def test_a_chain_of_three_fits_into_three_kilobytes() -> None:
    order = Order(request=request_binding("POST", URI, "sha-256=:" + "A" * 43 + "=:"), kya=kya(2))
    first = seen(mint(permit(FRONT, ROUTER), order, STAMP, (EVIDENCE,)), FORGE)
    second = seen(extend(first, permit(ROUTER, PLANNER), order, STAMP), FORGE)
    third = sign(extend(second, permit(PLANNER, TOOLS), order, STAMP), FORGE.signer)
    assert third.token.depth == 3
    assert len(third.text.reveal()) < 3000


def test_every_rule_has_a_name_of_its_own_and_goes_onto_the_wire_as_one_reason() -> None:
    kinds = [
        kind
        for kind in vars(refusals).values()
        if isinstance(kind, type) and issubclass(kind, AttenuationError)
    ]
    rules = [kind.rule for kind in kinds if kind is not AttenuationError]
    assert len(rules) == len(set(rules)) == 15
    assert all(issubclass(kind, MintError) for kind in kinds)
    assert json.dumps(rules).isupper()
