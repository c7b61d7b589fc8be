"""Claims are read in one form; whatever else they hold is refused by the claim's name."""

import json
from typing import Any

import pytest

from governd.delegation import acting_as
from governd.delegation.acting_as import Attested, Evidence
from governd.delegation.claims import read_claims, write_claims
from governd.errors import RequestError
from tests.fakes.forge import BODY, DETAIL, NOW, PLANNER, ROUTER, TOOLS, Forge, digest, nested
from tests.fakes.token_issuer import encode

FORGE = Forge()
ID = encode(b"i" * 16)
WHOLE: dict[str, Any] = {
    "act": nested(PLANNER, ROUTER),
    "dep": 2,
    "pth": digest(b"parent"),
    "cnf": {"x5t#S256": digest(b"certificate")},
    "htq": digest(b"a=1"),
    "cdg": "sha-256=:Zb3dQvEglBfr5P/TeI87mPDRE97YPCAIHmIMj7nlbgI=:",
    "evd": [
        {
            "typ": "urn:ietf:params:oauth:token-type:id_token",
            "dig": digest(b"id token"),
            "iss": "https://idp.example",
            "exp": NOW + 300,
        }
    ],
    "kya": {"lvl": 2, "jti": ID, "dig": digest(b"attestation")},
}


def payload(**changes: object) -> bytes:
    return json.dumps(FORGE.claims(**changes)).encode()


def refused(text: bytes) -> str:
    """The field that is refused."""
    with pytest.raises(RequestError) as raised:
        read_claims(text)
    assert raised.value.__cause__ is None
    return raised.value.field


def test_what_is_written_is_read() -> None:
    token = read_claims(payload(**WHOLE))
    assert read_claims(write_claims(token)) == token
    assert json.loads(write_claims(token)) == FORGE.claims(**WHOLE)


def test_what_is_left_out_is_left_out() -> None:
    changes = dict.fromkeys(("scope", "authorization_details", "htm", "htu"))
    token = read_claims(payload(**changes))
    assert json.loads(write_claims(token)) == FORGE.claims(**changes)
    assert (token.scopes, token.details, token.request, token.kya_level) == ((), (), None, 0)


def test_a_token_says_who_acts_the_current_actor_first() -> None:
    token = read_claims(payload(**WHOLE))
    assert [str(actor) for actor in token.actors] == [PLANNER, ROUTER]
    assert (str(token.actor), token.depth) == (PLANNER, 2)
    assert (token.user.issuer, token.user.subject) == (
        "https://idp.example",
        "user:alice@example.com",
    )
    assert str(token.audience) == TOOLS
    assert token.kya == Attested(2, ID, digest(b"attestation"))
    assert token.kya_level == 2
    assert [type(one) for one in token.evidence] == [Evidence]
    assert token.request is not None
    assert BODY not in write_claims(token)


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b"\xff", b'{"a":1,"a":2}', b"1"])
def test_what_is_no_object_with_each_member_once_is_refused(text: bytes) -> None:
    assert refused(text) == "claims"


@pytest.mark.parametrize("name", ["nbf", "may_act", "ath", "client_id", "Scope", ""])
def test_a_claim_that_is_not_of_the_format_is_refused(name: str) -> None:
    assert refused(payload(**{name: "x"})) == "claims"


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    "name",
    ["iss", "sub", "sub_iss", "act", "aud", "iat", "exp", "jti", "txn", "dep", "mdp", "pol"],
)
def test_a_claim_that_is_missing_is_refused(name: str) -> None:
    assert refused(payload(**{name: None})) == name


IDS = [None, 1, "", "spiffe://example.org", "spiffe://Example.org/a", "https://example.org/a"]
TEXTS = [1, "", [], {}, "a\n", "\x7f", "\ud800", "x" * 1025]
UNPRINTABLE = ["a\u00adb", "\x85", "\u2028", "\u200b", "a\u00a0b", "\ue000"]
MANY = ["actions", "locations", "tools"]
BAD: dict[str, list[Any]] = {
    "iss": IDS[1:],
    "aud": [*IDS[1:], [TOOLS], [TOOLS, TOOLS], {"a": TOOLS}, f"{TOOLS}/", f"{TOOLS} "],
    "sub": [*TEXTS, *UNPRINTABLE],
    "sub_iss": [*TEXTS, *UNPRINTABLE, "https://idp.example#x"],
    "txn": [*TEXTS, "x" * 129],
    "iat": ["1", 1.5, True, -1, 253_402_300_800, [], 10**400],
    "exp": ["1", 1.5, False, -1],
    "jti": ["", 1, "a", ID[:-1], f"{ID}a", "a" * 21 + "!", "A" * 21 + "B"],
    "mdp": [0, 9, "4", True, 4.0],
    "dep": [0, 1, 3, 9, "1", True],
    "act": [
        *("", [], PLANNER, {}, {"sub": ""}, {"sub": 1}, {"act": {"sub": PLANNER}}),
        {"sub": PLANNER, "act": None},
        {"sub": PLANNER, "act": PLANNER},
        {"sub": PLANNER, "iss": "https://idp.example"},
        {"sub": PLANNER, "exp": 1},
    ],
    "scope": ["", " ", "b a", "a a", "a  b", " a", "a ", 'a"', "a\\", "é", 1, ["a"], "x" * 257],
    "authorization_details": [[], {}, "", [DETAIL] * 17, 1],
    "cnf": [{}, {"jkt": "x"}, {"x5t#S256": "x"}, {"x5t#S256": 1}, 1, "x"],
    "htm": ["post", "", 1, "POST ", [], "A" * 33],
    "htu": ["", 1, "/mcp", "https://a.example", "HTTPS://a.example/", "https://a.example/?a=1"],
    "htq": ["", 1, "x" * 43 + "=", "x" * 43 + "y", "!" * 43, "A" * 42 + "B"],
    "cdg": ["", 1, "sha-512=:AA==:", "sha-256=:AA==:", f"sha-256=:{'A' * 42}B=:"],
    "pth": ["", 1, "x"],
    "evd": [[], {}, [1], [{}], WHOLE["evd"] * 5, [{**WHOLE["evd"][0], "sub": "alice"}]],
    "kya": [{}, 1, [], {**WHOLE["kya"], "x": 1}],
    "kya.lvl": [{**WHOLE["kya"], "lvl": bad} for bad in (-1, 4, "2", True)],
    "kya.jti": [{**WHOLE["kya"], "jti": bad} for bad in ("", 1, "a")],
    "kya.dig": [{**WHOLE["kya"], "dig": bad} for bad in ("", 1)],
    "evd.typ": [[{**WHOLE["evd"][0], "typ": bad}] for bad in ("", 1, "x" * 257)],
    "evd.dig": [[{**WHOLE["evd"][0], "dig": bad}] for bad in ("", 1)],
    "evd.iss": [[{**WHOLE["evd"][0], "iss": bad}] for bad in ("", 1)],
    "evd.exp": [[{**WHOLE["evd"][0], "exp": bad}] for bad in ("", -1, 1.5)],
    "pol": [{}, 1, {"dig": "a"}, {"dig": "a", "dec": "b", "id": "c"}],
    "pol.dig": [{"dig": bad, "dec": "b"} for bad in ("", 1, "x" * 257)],
    "pol.dec": [{"dig": "a", "dec": bad} for bad in ("", 1)],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_a_value_that_is_not_of_the_format_is_refused(field: str, value: object) -> None:
    name = field.partition(".")[0]
    assert refused(payload(**{**WHOLE, name: value})) == field


@pytest.mark.parametrize("name", ["htm", "htu"])
def test_method_and_uri_come_together(name: str) -> None:
    assert refused(payload(**{name: None})) == name


@pytest.mark.parametrize("name", ["htm", "htu", "htq", "cdg"])
def test_null_is_no_way_to_leave_a_tie_out(name: str) -> None:
    claims = {**FORGE.claims(**WHOLE), name: None}
    assert refused(json.dumps(claims).encode()) == name


@pytest.mark.parametrize("name", ["scope", "cnf", "pth", "evd", "kya", "authorization_details"])
def test_null_is_no_value(name: str) -> None:
    claims = {**FORGE.claims(**WHOLE), name: None}
    assert refused(json.dumps(claims).encode()) == name


def test_there_are_as_many_actors_as_the_format_has_room_for() -> None:
    ids = [f"spiffe://example.org/{number}" for number in range(acting_as.MAX_DEPTH + 1)]
    assert read_claims(payload(act=nested(*ids[:-1]), dep=8, mdp=8)).depth == 8
    assert refused(payload(act=nested(*ids), dep=9, mdp=8)) == "act"


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize("levels", [10, 900, 5_000, 100_000])
def test_attack_actors_nested_to_exhaust_the_stack(levels: int) -> None:
    inner = f'{{"sub":"{PLANNER}","act":' * levels
    text = payload(act="ACT").replace(b'"ACT"', inner.encode() + b"{}" + b"}" * levels)
    assert refused(text) in {"act", "claims"}


@pytest.mark.parametrize("field", MANY)
@pytest.mark.parametrize("value", [None, [], "x", [1], [""], ["a", "a"], ["a"] * 65, ["x" * 513]])
def test_a_member_of_a_detail_has_to_be_a_list_of_texts(field: str, value: object) -> None:
    detail = {**DETAIL, field: value}
    assert refused(payload(authorization_details=[detail])) == (f"authorization_details[0].{field}")


@pytest.mark.parametrize(
    "detail",
    [1, {}, {"type": "other"}, {**DETAIL, "type": "MCP_TOOL"}, {**DETAIL, "privileges": []}],
)
def test_a_detail_of_another_type_or_with_more_members_is_refused(detail: object) -> None:
    assert refused(payload(authorization_details=[DETAIL, detail])) == "authorization_details[1]"
