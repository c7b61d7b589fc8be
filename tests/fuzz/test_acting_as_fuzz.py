"""Acting-as tokens, whatever they hold: an answer, never an error, and never more than before.

Raw: texts and payloads that may be anything. Structured: claims in their places with any
value. Sequences: chains that are extended again and again.
"""

import json
from datetime import timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governd.delegation import carriage
from governd.delegation.acting_as import ActingAs, Attested
from governd.delegation.attenuation import Order, Stamp, extend, mint
from governd.delegation.claims import read_claims, write_claims
from governd.delegation.details import ToolDetail, parse_details
from governd.delegation.opening import Opener
from governd.delegation.refusals import AttenuationError
from governd.delegation.rejection import Reason, Rejected, RejectionError
from governd.delegation.replay import UsedTokens
from governd.delegation.verification import Receiver, Verified
from governd.errors import RequestError
from tests.delegations import DETAIL, permit, seen
from tests.fakes.authority import NOON
from tests.fakes.forge import (
    ARRIVAL,
    EXPECTED,
    NOW,
    PLANNER,
    SIGNER,
    TOOLS,
    Forge,
    digest,
    nested,
    workload,
)
from tests.fakes.token_issuer import encode

FORGE = Forge()
TOKEN = FORGE.token()
LAST = NOON + timedelta(seconds=60)
"""Until then whoever holds a token may still read it."""
WORKLOADS = [f"spiffe://example.org/{name}" for name in "abcde"]

MORE = ("cnf", "htq", "cdg", "pth", "evd", "kya", "nbf")

names = st.sampled_from([*sorted(FORGE.claims()), *MORE])
leaves: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(NOW - 400, NOW + 400),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([*FORGE.claims().values(), PLANNER, TOOLS, digest(b"x"), nested(PLANNER)]),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.text(), inner, max_size=3)
    ),
    max_leaves=10,
)


def answer(text: str) -> Verified | Rejected:
    receiver = Receiver(Opener(FORGE.verifier), UsedTokens())
    return receiver.receive(text, EXPECTED, ARRIVAL, NOON)


@given(st.text() | st.text("abc.-_=", max_size=60))
@example("\ud800.\ud800.\ud800")
@example("." * 8193)
def test_any_text_is_answered(text: str) -> None:
    found = answer(text)
    assert isinstance(found, Rejected)
    assert found.message


@given(st.integers(0, len(TOKEN) - 1), st.integers(0, 6))
def test_a_token_with_any_bit_flipped_is_refused(place: int, bit: int) -> None:
    flipped = chr(ord(TOKEN[place]) ^ 1 << bit)
    found = answer(TOKEN[:place] + flipped + TOKEN[place + 1 :])
    assert isinstance(found, Rejected)


@given(st.binary(max_size=300))
@example(b'{"a":' * 2000)
@example(b'{"iat":' + b"9" * 5000 + b"}")
def test_any_payload_that_is_signed_is_answered(payload: bytes) -> None:
    found = answer(FORGE.sealed(payload))
    assert isinstance(found, Rejected)
    assert found.reason in {Reason.CLAIMS, Reason.FORM}


@given(st.dictionaries(st.sampled_from(["alg", "typ", "x5c", "kid", "crit"]), values))
def test_any_header_is_answered(header: dict[str, Any]) -> None:
    text = json.dumps({**FORGE.header(), **header})
    found = answer(FORGE.signed(f"{encode(text.encode())}.{encode(b'{}')}"))
    assert isinstance(found, Rejected)


@given(st.dictionaries(names, values, max_size=4))
def test_claims_of_any_value_are_one_value_or_an_error_that_names_the_claim(
    changes: dict[str, Any],
) -> None:
    claims = {**FORGE.claims(), **changes}
    try:
        token = read_claims(json.dumps(claims).encode())
    except RequestError as error:
        assert error.field.partition(".")[0].partition("[")[0] in {*claims, "claims", "htm", "htu"}
        return
    assert read_claims(write_claims(token)) == token


@given(st.dictionaries(names, values, max_size=2))
def test_a_token_with_claims_of_any_value_counts_only_if_it_is_ours(
    changes: dict[str, Any],
) -> None:
    found = answer(FORGE.sealed(json.dumps({**FORGE.claims(), **changes}).encode()))
    if isinstance(found, Verified):
        assert (str(found.token.audience), str(found.token.actor)) == (TOOLS, PLANNER)
        assert found.token.expires_at - found.token.issued_at <= 300


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_details_of_any_text_are_details_or_an_error(text: bytes) -> None:
    try:
        found = parse_details(text, field="details")
    except RequestError as error:
        assert error.field.startswith("details")
        return
    assert all(isinstance(one, ToolDetail) for one in found)


@given(
    st.lists(st.tuples(st.sampled_from(["Acting-As-Token", "acting_as_token", "a"]), st.text())),
    st.dictionaries(st.sampled_from([carriage.MCP_META, "a"]), values),
    st.dictionaries(st.sampled_from([carriage.A2A_EXTENSION, "a"]), values),
)
def test_whatever_carries_it_there_is_one_token_or_none(
    headers: list[tuple[str, str]], meta: dict[str, Any], metadata: dict[str, Any]
) -> None:
    try:
        found = carriage.the_one(
            carriage.from_headers(headers), carriage.from_mcp(meta), carriage.from_a2a(metadata)
        )
    except RejectionError as error:
        assert error.rejected.reason is Reason.CARRIAGE
        return
    assert found is None or found.isascii()


subsets = st.lists(st.sampled_from("abc"), unique=True).map(lambda found: tuple(sorted(found)))
details = st.lists(
    st.builds(
        ToolDetail,
        actions=st.just(("call",)),
        locations=st.just(("https://a.example/mcp",)),
        tools=subsets.filter(bool),
    ),
    max_size=2,
).map(tuple)
hops = st.tuples(
    st.none() | st.none() | st.sampled_from(WORKLOADS),  # who extends; None: who may
    st.sampled_from(WORKLOADS),  # for whom
    subsets,
    details,
    st.builds(
        Order,
        lifetime_seconds=st.integers(1, 300),
        max_depth=st.none() | st.integers(1, 8),
        transaction=st.none() | st.sampled_from(["one", "two"]),
        kya=st.none()
        | st.builds(Attested, st.integers(0, 3), st.just(encode(bytes(16))), st.just(digest(b""))),
    ),
    st.integers(0, 40),  # seconds later
)


def narrower(child: ActingAs, parent: ActingAs) -> bool:
    return (
        set(child.scopes) <= set(parent.scopes)
        and all(any(whole.covers(one) for whole in parent.details) for one in child.details)
        and (child.user, child.transaction) == (parent.user, parent.transaction)
        and child.actors == (parent.audience, *parent.actors)
        and child.expires_at <= parent.expires_at
        and child.depth <= child.max_depth <= parent.max_depth
        and child.kya_level <= parent.kya_level
        and len(set(child.actors)) == child.depth
        and child.evidence == parent.evidence
    )


@given(st.lists(hops, min_size=1, max_size=8))
def test_no_sequence_of_extensions_says_more_than_any_token_before(hops: list[Any]) -> None:
    stamp = Stamp(workload(SIGNER), NOON + timedelta(minutes=15), bytes(16), NOON)
    whole = ToolDetail(DETAIL.actions, DETAIL.locations, ("a", "b", "c"))
    allowed = permit(WORKLOADS[0], WORKLOADS[1], scopes=("a", "b", "c"), details=(whole,))
    kya = Attested(3, encode(bytes(16)), digest(b""))
    chain = [mint(allowed, Order(transaction="one", kya=kya), stamp)]
    for other, audience, scopes, narrowed, order, later in hops:
        stamp = stamp._replace(now=min(stamp.now + timedelta(seconds=later), LAST))
        who = other or str(chain[-1].audience)
        terms = permit(who, audience, scopes=scopes, details=narrowed)
        try:
            child = extend(seen(chain[-1], FORGE, stamp.now), terms, order, stamp)
        except AttenuationError:
            continue
        assert narrower(child, chain[-1])
        chain.append(child)
