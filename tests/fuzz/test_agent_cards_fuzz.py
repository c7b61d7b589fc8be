"""Whatever an agent or an attester sends: a card or a refusal; and no change goes unseen."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import CardError, RequestError
from governd.identity import SpiffeId, jose
from governd.kya.attestation import sign
from governd.kya.attestation_check import Expected, RejectedAttestation, VerifiedAttestation
from governd.kya.attestation_claims import read_claims
from governd.kya.card import AgentCard, CardLimits
from governd.kya.card_defaults import without_defaults
from governd.kya.card_reader import read_card
from governd.kya.card_schema import CARD, FLAG, MESSAGES, STRUCT, TEXT, Field, Form, Presence
from governd.kya.card_signature import SignatureStatus, check_signatures
from governd.kya.level import Level
from governd.kya.registered_agent import attest
from tests.agent_cards import CALLER, World, card, old_card, signed, signer, skill, write
from tests.fakes.authority import NOON

WORDS = st.sampled_from(
    [
        *("name", "version", "provider", "organization", "url", "skills", "id", "tags"),
        *("supportedInterfaces", "protocolVersion", "signatures", "protected", "signature"),
        *("capabilities", "extensions", "params", "securitySchemes", "security_schemes"),
        *("0.3", "1.0", "", "\0", "é", "\U0001f525", "\ue000", "\ud800", "a\n"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text("aé", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


def message(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """A message of a card, as its schema has it."""
    fields = MESSAGES[name]
    known = {member: member_of(field) for member, field in fields.items()}
    required = {
        member: known[member]
        for member, field in fields.items()
        if field.presence is Presence.REQUIRED
    }
    if name in {"SecurityScheme", "OAuthFlows"}:
        return st.one_of(st.just({}), *(st.fixed_dictionaries({one: known[one]}) for one in known))
    optional = {member: one for member, one in known.items() if member not in required}
    return st.fixed_dictionaries(required, optional={**optional, "unknown": JSON})


def member_of(field: Field) -> st.SearchStrategy[Any]:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        TEXT: st.text("aé", max_size=2),
        FLAG: st.booleans(),
        STRUCT: st.dictionaries(st.text("ab"), JSON, max_size=2),
    }
    one = kinds[field.kind] if field.kind in kinds else st.deferred(lambda: message(field.kind))
    if field.form is Form.LIST:
        return st.lists(one, max_size=2)
    return st.dictionaries(st.text("ab"), one, max_size=2) if field.form is Form.MAP else one


CARDS = message(CARD)


def read(text: bytes) -> AgentCard | None:
    """A card; ``None`` where it is refused, as it has to be."""
    try:
        return read_card(text, limits=CardLimits())
    except CardError as error:
        assert error.field.startswith("card_json")
        assert str(error).startswith(error.field)
        return None


@given(st.binary(max_size=80))
@example(b"[" * 60_000)
@example(b'{"name":' * 8_000)
def test_any_bytes(content: bytes) -> None:
    read(content)


@given(st.dictionaries(WORDS, VALUES, max_size=8))
def test_any_object(members: dict[str, Any]) -> None:
    read(json.dumps(members).encode())
    for changed in ({**card(), **members}, {**old_card(), **members}):
        found = read(json.dumps(changed).encode())
        if found is not None:
            check_signatures(found, World().trust())


@given(st.dictionaries(WORDS, VALUES, max_size=4))
def test_any_signature(members: dict[str, Any]) -> None:
    """Whatever its protected header and its certificates say."""
    for header in (members, {"alg": "ES256", "kid": "acme-1", **members}):
        text = jose.encode(json.dumps(header).encode())
        found = read(write({**card(), "signatures": [{"protected": text, "signature": "MA"}]}))
        assert found is not None
        status = check_signatures(found, World().trust())[0].status
        assert status in {SignatureStatus.FAILED, SignatureStatus.UNTRUSTED_KEY}


@given(CARDS, st.randoms(use_true_random=False))
def test_a_digest_is_the_same_however_a_card_is_written(members: Any, random: Any) -> None:
    found = without_defaults(members, "card_json")
    assert without_defaults(found, "card_json") == found
    whole = {
        **card(),
        **{one: members[one] for one in ("capabilities", "securitySchemes") if one in members},
    }
    first = read(write(whole))
    shuffled = list(whole.items())
    random.shuffle(shuffled)
    other = json.dumps(dict(shuffled), indent=2, ensure_ascii=False).encode()
    assert first is not None
    assert read(other) == first
    again = read(first.payload)
    assert again is not None
    assert again.payload == first.payload


DEFAULTS: dict[str, Any] = {TEXT: "", FLAG: False}


@given(CARDS)
def test_a_default_changes_nothing_where_it_says_nothing(members: dict[str, Any]) -> None:
    found = without_defaults(members, "card_json")
    assert without_defaults(filled(members, CARD), "card_json") == found


def filled(members: dict[str, Any], name: str) -> dict[str, Any]:
    """A message with every default written out that may be."""
    found = dict(members)
    for member, field in MESSAGES[name].items():
        if member not in found and field.presence is Presence.IMPLICIT and name not in UNIONS:
            found[member] = {Form.LIST: [], Form.MAP: {}}.get(field.form, DEFAULTS.get(field.kind))
        elif member in found and field.kind in MESSAGES:
            found[member] = deeper(found[member], field)
    return found


UNIONS = {"SecurityScheme", "OAuthFlows"}


def deeper(value: Any, field: Field) -> Any:
    if field.form is Form.LIST:
        return [filled(one, field.kind) for one in value]
    if field.form is Form.MAP:
        return {key: filled(one, field.kind) for key, one in value.items()}
    return filled(value, field.kind)


SIGNED = write(signed(card(skills=[skill("plan"), skill("book")])))


@given(st.integers(0, len(SIGNED) * 8 - 1))
def test_a_signed_card_with_a_bit_flipped_is_no_signed_card(bit: int) -> None:
    """Unless the bit means nothing to any reader: the card is the same one then."""
    text = bytearray(SIGNED)
    text[bit // 8] ^= 1 << bit % 8
    found, original = read(bytes(text)), read(SIGNED)
    assert original is not None
    if found is not None and found.digest != original.digest:
        vouched = check_signatures(found, World().trust())[0]
        assert vouched.status is not SignatureStatus.VERIFIED
    elif found is not None and found.signatures != original.signatures:
        assert check_signatures(found, World().trust())[0].status is not SignatureStatus.VERIFIED


AGENT = World().register(SIGNED)
TOKEN = sign(attest(AGENT, signer(), NOON, token_id="1"), signer())
EXPECTED = Expected(CALLER, frozenset(), AGENT.card.digest)


def test_the_attestation_counts() -> None:
    found = World().check(TOKEN, EXPECTED)
    assert isinstance(found, VerifiedAttestation)
    assert found.level is Level.SIGNED


@given(st.integers(0, len(TOKEN) * 8 - 1))
def test_an_attestation_with_a_bit_flipped_is_refused(bit: int) -> None:
    text = bytearray(TOKEN.encode())
    text[bit // 8] ^= 1 << bit % 8
    changed = text.decode("latin-1")
    assert isinstance(World().check(changed, EXPECTED), RejectedAttestation)


@given(st.text(max_size=60) | st.text("ey.A-_=", max_size=60))
def test_any_token(token: str) -> None:
    assert isinstance(World().check(token, EXPECTED), RejectedAttestation)


@given(st.binary(max_size=60) | st.dictionaries(WORDS, VALUES, max_size=3).map(json.dumps))
def test_any_claims(payload: bytes | str) -> None:
    content = payload if isinstance(payload, bytes) else payload.encode()
    try:
        read_claims(content)
    except RequestError as error:
        assert str(error).startswith(error.field)


CLAIMS = st.sampled_from(["iss", "sub", "iat", "exp", "jti", "cnf", "card", "agent", "kya"])


@given(st.dictionaries(CLAIMS, VALUES, min_size=1, max_size=3))
def test_any_claim(changes: dict[str, Any]) -> None:
    claims = json.loads(jose.decode(TOKEN.split(".")[1].encode()))
    try:
        found = read_claims(json.dumps({**claims, **changes}).encode())
    except RequestError:
        return
    assert isinstance(found.issuer, SpiffeId)
