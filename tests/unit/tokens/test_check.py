"""A token is handed on only if it is that server's, for that upstream, for that user, now."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from governd.errors import TokenRefusedError
from governd.identity.secret import Secret
from governd.tokens import words
from governd.tokens.acting import Acting
from governd.tokens.check import AccessToken, accept
from governd.tokens.clients import Client
from governd.tokens.digests import digest_of
from governd.tokens.reply import Reply
from tests.fakes.issued_tokens import (
    AGENT,
    AUDIENCE,
    CLIENT,
    IDP,
    ISSUER,
    NOW,
    OTHER,
    RESOURCE,
    SCOPES,
    USER,
    TokenServer,
    expected,
)
from tests.fakes.token_issuer import encode

SERVER = TokenServer()
SHORT = len("opaque")
NOBODY = Acting(None, frozenset({AGENT, CLIENT}))
OPAQUE = expected(opaque=True, acting=Acting(None))


def taken(reply: Reply, now: float = NOW, **changes: Any) -> AccessToken:
    return accept(reply, expected(**changes), now)


def rule(reply: Reply, now: float = NOW, **changes: Any) -> str:
    """Which rule an answer breaks. Nothing of its token is in the message."""
    with pytest.raises(TokenRefusedError) as raised:
        taken(reply, now, **changes)
    assert raised.value.__cause__ is None
    token = reply.token.reveal().decode()
    assert not any(part in str(raised.value) for part in token.split(".") if len(part) > SHORT)
    return raised.value.metadata["rule"]


def broken(header: Mapping[str, object] | None = None, /, **claims: Any) -> str:
    """Which rule an access token breaks that differs in its header or its claims."""
    return rule(SERVER.reply(SERVER.access_token(header, **claims)))


def test_a_token_as_it_was_asked_for_is_taken() -> None:
    reply = SERVER.reply()
    assert taken(reply) == AccessToken(
        token=reply.token,
        digest=digest_of(reply.token),
        expires_at=NOW + 300,
        scopes=("read",),
        token_id="token-1",
        subject=USER,
    )


def test_a_taken_token_shows_nowhere() -> None:
    reply = SERVER.reply()
    shown = repr(taken(reply)) + repr(expected(sent=(reply.token,)))
    assert not any(part in shown for part in reply.token.reveal().decode().split("."))


# Issuer and audience.


@pytest.mark.parametrize(
    "issuer",
    [None, "", 5, [ISSUER], "https://evil.example", ISSUER + "/", ISSUER[:-1], ISSUER.upper()],
)
def test_attack_a_token_of_another_issuer(issuer: object) -> None:
    assert broken(iss=issuer) == "issuer"


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        [],
        5,
        [5],
        {"crm": 1},
        "bank",
        "cr",
        "crm ",
        "CRM",
        "crm/",
        [AUDIENCE, "bank"],
        [AUDIENCE, ISSUER],
        RESOURCE + "/",
        "https://crm.example",
    ],
)
def test_attack_a_token_for_another_audience_too_or_only(audience: object) -> None:
    assert broken(aud=audience) == "audience"


@pytest.mark.parametrize(
    "audience", [AUDIENCE, [AUDIENCE], [RESOURCE], [AUDIENCE, RESOURCE], [AUDIENCE, AUDIENCE]]
)
def test_a_token_is_for_what_the_policy_source_states(audience: object) -> None:
    assert taken(SERVER.reply(SERVER.access_token(aud=audience))).subject == USER


def test_a_token_that_goes_back_to_its_issuer_needs_no_audience_and_any_scope() -> None:
    own: dict[str, Any] = {"audiences": None, "scopes": None, "subject": None, "acting": NOBODY}
    token = SERVER.access_token(aud="account", scope="profile email", act=None)
    found = taken(SERVER.reply(token), **own)
    assert found.scopes == ("email", "profile")
    assert taken(SERVER.reply(SERVER.access_token(scope=None, aud=None)), **own).scopes == ()


# Whose it is.


@pytest.mark.parametrize("subject", [None, "", 5, ["7f3c"], "7F3C", "7f3c ", "root", AGENT])
def test_attack_a_token_of_another_user(subject: object) -> None:
    assert broken(sub=subject) == "subject"


@pytest.mark.parametrize("subject", [None, "", 5, ["x"], "a\nb", "\ud800", "a" * 1025])
def test_a_token_has_a_subject_even_where_its_name_is_not_known(subject: object) -> None:
    token = SERVER.access_token(sub=subject)
    assert rule(SERVER.reply(token), subject=None) == "subject"


@pytest.mark.parametrize("subject", ["0a2b", "0", "a" * 1024, "alice ü"])
def test_a_server_may_have_names_of_its_own(subject: str) -> None:
    token = SERVER.access_token(sub=subject)
    assert taken(SERVER.reply(token), subject=None).subject == subject


def test_attack_a_token_that_does_not_say_who_acts_for_the_user() -> None:
    """Keycloak ignores an actor token without a word."""
    assert broken(act=None) == "act_missing"
    silent = SERVER.reply(SERVER.access_token(act=None))
    assert taken(silent, acting=NOBODY).subject == USER


@pytest.mark.parametrize("act", [{"sub": OTHER}, {"sub": OTHER, "act": {"sub": AGENT}}, AGENT, []])
def test_attack_a_token_that_says_somebody_else_acts_for_the_user(act: object) -> None:
    assert broken(act=act) == "act"
    assert rule(SERVER.reply(SERVER.access_token(act=act)), acting=NOBODY) == "act"


@pytest.mark.parametrize("name", ["azp", "client_id"])
def test_attack_a_token_that_was_issued_to_another_client(name: str) -> None:
    assert broken(**{"client_id": None, name: "chat"}) == "client"


def test_attack_a_token_that_governd_got_in_place_of_the_agent() -> None:
    agents = Client(CLIENT, AGENT, required=True)
    assert rule(SERVER.reply(), client=agents) == "client"
    unsaid = SERVER.reply(SERVER.access_token(client_id=None))
    assert rule(unsaid, client=agents) == "act_missing"
    other = SERVER.reply(SERVER.access_token(client_id="agent-17"))
    assert rule(other, client=agents) == "client"
    assert taken(other, client=agents._replace(named="agent-17")).subject == USER


# Whether it is an access token at all.


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt", None])
def test_an_access_token_has_one_of_the_types_of_access_tokens(typ: str | None) -> None:
    header = {name: one for name, one in SERVER.header(typ=typ).items() if one is not None}
    assert taken(SERVER.reply(SERVER.access_token(header))).subject == USER


@pytest.mark.parametrize(
    "typ",
    [
        *("oauth-id-jag+jwt", "application/oauth-id-jag+jwt", "txntoken+jwt", "wit+jwt"),
        *("acting-as+jwt", "kya-attestation+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt"),
        *("client-authentication+jwt", "token-introspection+jwt", "JOSE", "", 5, ["at+jwt"]),
    ],
)
def test_attack_another_kind_of_token_in_place_of_an_access_token(typ: object) -> None:
    assert broken(SERVER.header(typ=typ)) == "type"


@pytest.mark.parametrize("typ", ["Bearer", "bearer", "at+jwt", "JWT", "access_token"])
def test_a_server_may_say_among_the_claims_that_it_is_an_access_token(typ: str) -> None:
    assert taken(SERVER.reply(SERVER.access_token(typ=typ))).subject == USER


@pytest.mark.parametrize("typ", ["ID", "Refresh", "Offline", "Logout", "DPoP", "", 5, ["Bearer"]])
def test_attack_another_kind_of_token_by_what_its_claims_say(typ: object) -> None:
    assert broken(SERVER.header(), typ=typ) == "type"


@pytest.mark.parametrize("name", ["nonce", "at_hash", "c_hash", "s_hash", "events"])
def test_attack_an_id_token_in_place_of_an_access_token(name: str) -> None:
    assert broken(SERVER.header(), **{name: "x"}) == "type"


def test_attack_a_jwt_svid_in_place_of_an_access_token() -> None:
    assert rule(SERVER.reply(SERVER.token(sub=AGENT, aud=[AUDIENCE]))) == "issuer"


def test_attack_an_id_jag_in_place_of_an_access_token() -> None:
    assert rule(SERVER.reply(SERVER.id_jag())) == "type"
    disguised = SERVER.id_jag(SERVER.header(typ="at+jwt"), iss=ISSUER)
    assert rule(SERVER.reply(disguised)) == "audience"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 5, ["ES256"]])
def test_attack_a_token_that_nobody_signed(algorithm: object) -> None:
    assert broken(SERVER.header(alg=algorithm, typ="at+jwt")) == "type"


def test_attack_a_token_without_a_signature() -> None:
    header, claims, _ = SERVER.access_token().split(".")
    assert rule(SERVER.reply(f"{header}.{claims}.")) == "malformed"


def test_attack_nothing_is_passed_through() -> None:
    shown = Secret(SERVER.access_token().encode())
    again = SERVER.reply(shown.reveal().decode())
    assert rule(again, sent=(Secret(b"svid"), shown)) == "type"
    assert rule(again, sent=(shown,), opaque=True, acting=NOBODY) == "type"
    assert taken(SERVER.reply(), sent=(shown,)).subject == USER


# Its form.


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        "a.b",
        "a.b.c.d.e",
        f"{encode({})}.{encode([])}.AA",
        f"{encode({})}.{encode(b'null')}.AA",
        f"{encode({'alg': 'ES256', 'cty': 'JWT'})}.{encode(SERVER.access_token().encode())}.AA",
        f"{encode({'alg': 'ES256'})}.{encode({})}+.AA",
        f"{encode({'alg': 'ES256'})}.{encode({})}.AA==",
    ],
)
def test_attack_a_text_that_is_no_token(token: str) -> None:
    assert rule(SERVER.reply(token)) == "malformed"


@pytest.mark.parametrize(
    ("name", "value"), [("aud", "bank"), ("sub", "root"), ("act", {"sub": AGENT}), ("exp", 0)]
)
def test_attack_a_claim_that_comes_twice(name: str, value: object) -> None:
    claims = json.dumps(SERVER.claims(**SERVER.access_claims()))
    claims = f"{claims[:-1]}, {json.dumps(name)}: {json.dumps(value)}}}"
    head = encode(SERVER.header(typ="at+jwt"))
    assert rule(SERVER.reply(SERVER.signed(f"{head}.{encode(claims.encode())}"))) == "malformed"


@pytest.mark.parametrize("deep", ["[" * 5000 + "]" * 5000, '{"a":' * 1500 + "1" + "}" * 1500])
def test_attack_claims_deeper_than_the_stack(deep: str) -> None:
    claims = f'{{"deep": {deep}}}'.encode()
    head = encode(SERVER.header(typ="at+jwt"))
    token = SERVER.signed(f"{head}.{encode(claims)}")
    assert rule(SERVER.reply(token)) == "malformed"


@pytest.mark.parametrize("token_id", [5, ["x"], "", "a\r\nb", "a" * 1025, "\ud800"])
def test_attack_a_token_id_that_would_not_fit_a_record(token_id: object) -> None:
    assert broken(jti=token_id) == "malformed"


def test_a_token_may_have_no_id() -> None:
    assert taken(SERVER.reply(SERVER.access_token(jti=None))).token_id == ""


# What the answer says of it.


@pytest.mark.parametrize("kind", ["DPoP", "dpop", "PoP"])
def test_attack_a_token_that_is_bound_by_its_type(kind: str) -> None:
    assert rule(SERVER.reply(token_type=kind)) == "bound"


@pytest.mark.parametrize("kind", ["N_A", "mac", "Basic", "Bearer2"])
def test_a_token_that_is_no_bearer_token_is_refused(kind: str) -> None:
    assert rule(SERVER.reply(token_type=kind)) == "token_type"


@pytest.mark.parametrize("confirmed", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, "x", 5])
def test_attack_a_token_that_is_bound_to_a_key(confirmed: object) -> None:
    assert broken(cnf=confirmed) == "bound"


@pytest.mark.parametrize("kind", [words.ACCESS_TOKEN, words.JWT])
def test_an_exchange_issues_an_access_token(kind: str) -> None:
    assert taken(SERVER.reply(issued_token_type=kind)).subject == USER


@pytest.mark.parametrize(
    "kind", [None, words.ID_TOKEN, words.ID_JAG, "urn:ietf:params:oauth:token-type:refresh_token"]
)
def test_attack_an_exchange_that_issues_another_kind_of_token(kind: str | None) -> None:
    assert rule(SERVER.reply(issued_token_type=kind)) == "token_type"


def test_what_is_no_exchange_need_not_say_what_it_issues_but_says_nothing_else() -> None:
    assert taken(SERVER.reply(issued_token_type=None), exchanged=False).subject == USER
    other = SERVER.reply(issued_token_type=words.ID_TOKEN)
    assert rule(other, exchanged=False) == "token_type"


# Scopes.


@pytest.mark.parametrize(
    "scope",
    ["read admin", "admin", "READ", "read,write", ["read", "admin"], "reads"],
)
@pytest.mark.parametrize("name", ["scope", "scp"])
def test_attack_a_token_with_a_wider_scope(name: str, scope: object) -> None:
    assert broken(**{"scope": None, name: scope}) == "scope_widened"


def test_attack_an_answer_with_a_wider_scope_than_its_token() -> None:
    assert rule(SERVER.reply(scope="read admin")) == "scope_widened"
    hidden = SERVER.access_token(scope="read", scp="admin")
    assert rule(SERVER.reply(hidden, scope="read")) == "scope_widened"


def test_attack_scopes_where_none_were_asked_for() -> None:
    assert rule(SERVER.reply(), scopes=()) == "scope_widened"


@pytest.mark.parametrize("details", [[{"type": "payment"}], {"type": "payment"}, "x"])
def test_attack_authorization_details_that_nobody_asked_for(details: object) -> None:
    assert broken(authorization_details=details) == "scope_widened"
    assert rule(SERVER.reply(authorization_details=details)) == "scope_widened"


@pytest.mark.parametrize(
    ("claim", "said", "found"),
    [
        ("read write", None, ("read", "write")),
        (["write", "read"], "read", ("read", "write")),
        ("read", "read write", ("read",)),
        ("", None, ()),
        (None, "write", ("write",)),
        (None, "", ()),
        (None, None, ("read", "write")),
    ],
)
def test_a_token_permits_what_it_says_then_what_the_answer_says_then_what_was_asked_for(
    claim: object, said: str | None, found: tuple[str, ...]
) -> None:
    reply = SERVER.reply(SERVER.access_token(scope=claim), scope=said)
    assert taken(reply).scopes == found


@pytest.mark.parametrize(
    "scope", [5, {"read": 1}, ["read", 5], ["read write"], 'a"b', ["a\nb"], True]
)
def test_a_scope_that_is_none_is_refused(scope: object) -> None:
    assert broken(scope=scope) == "malformed"


# Its end.


@pytest.mark.parametrize(
    "end", [None, "1767268800", True, [], float(10**20), -1, NOW, NOW - 1, NOW - 300]
)
def test_attack_a_token_without_an_end_or_past_it(end: object) -> None:
    assert broken(exp=end) == "expiry"


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("moment", [NOW + 61, "now", -1, True, 10**20])
def test_attack_a_token_of_the_future(name: str, moment: object) -> None:
    assert broken(**{name: moment}) == "expiry"


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("moment", [NOW + 60, NOW, NOW - 3600, None])
def test_a_servers_clock_may_be_a_minute_ahead(name: str, moment: float | None) -> None:
    assert taken(SERVER.reply(SERVER.access_token(**{name: moment}))).subject == USER


@pytest.mark.parametrize(("ours", "found"), [(-300, "expiry"), (300, "expiry")])
def test_attack_a_clock_that_is_five_minutes_off(ours: float, found: str) -> None:
    """Behind, the token is of the future; ahead, it has ended. It is never taken for longer."""
    assert rule(SERVER.reply(), now=NOW + ours) == found


def test_a_clock_that_is_five_minutes_behind_lengthens_no_tokens_life() -> None:
    token = SERVER.access_token(iat=None, exp=NOW + 300)
    found = taken(SERVER.reply(token, expires_in=None), now=NOW - 300, max_lifetime=450)
    assert found.expires_at == NOW + 150
    assert taken(SERVER.reply(token), now=NOW - 300).expires_at == NOW


@pytest.mark.parametrize(
    ("end", "seconds", "most", "found"),
    [
        (300, 300, 3600, 300),
        (300, 60, 3600, 60),
        (300, 86_400, 3600, 300),
        (300, None, 3600, 300),
        (300, 2**53 - 1, 3600, 300),
        (86_400, 86_400, 3600, 3600),
        (10**10, None, 60, 60),
    ],
)
def test_a_token_ends_with_the_first_of_token_answer_and_policy(
    end: int, seconds: int | None, most: float, found: float
) -> None:
    reply = SERVER.reply(SERVER.access_token(exp=int(NOW) + end), expires_in=seconds)
    assert taken(reply, max_lifetime=most).expires_at == NOW + found


def test_a_token_that_the_answer_says_has_ended_is_refused() -> None:
    assert rule(SERVER.reply(expires_in=0)) == "expiry"


@pytest.mark.parametrize(("end", "seconds"), [(29, 300), (300, 29), (300, 1)])
def test_a_token_of_which_too_little_is_left_is_refused(end: int, seconds: int) -> None:
    reply = SERVER.reply(SERVER.access_token(exp=int(NOW) + end), expires_in=seconds)
    assert rule(reply) == "lifetime"
    assert taken(reply, min_lifetime=1).expires_at == NOW + min(end, seconds)


def test_the_least_of_a_life_is_enough() -> None:
    assert taken(SERVER.reply(expires_in=30)).expires_at == NOW + 30


# Opaque tokens.


def test_an_opaque_token_is_held_to_its_answer() -> None:
    reply = SERVER.reply("opaque", scope="read")
    assert accept(reply, OPAQUE, NOW) == AccessToken(
        reply.token, digest_of(reply.token), NOW + 300, ("read",), "", ""
    )
    assert accept(SERVER.reply("opaque"), OPAQUE, NOW).scopes == SCOPES


def test_an_opaque_token_is_not_read_even_if_it_could_be() -> None:
    found = accept(SERVER.reply(SERVER.access_token(aud="x", exp=0)), OPAQUE, NOW)
    assert (found.subject, found.expires_at) == ("", NOW + 300)


def test_attack_an_opaque_token_without_an_end() -> None:
    with pytest.raises(TokenRefusedError) as raised:
        accept(SERVER.reply("opaque", expires_in=None), OPAQUE, NOW)
    assert raised.value.metadata == {"rule": "expiry"}


def test_an_opaque_token_cannot_name_who_acts() -> None:
    reply = SERVER.reply("opaque")
    assert rule(reply, opaque=True) == "act_missing"
    agents = Client(CLIENT, AGENT, required=True)
    assert rule(reply, opaque=True, acting=NOBODY, client=agents) == "act_missing"


def test_an_opaque_token_is_no_jwt_and_permits_no_more_than_asked_for() -> None:
    jwt = SERVER.reply("opaque", issued_token_type=words.JWT)
    assert rule(jwt, opaque=True, acting=NOBODY) == "token_type"
    wide = SERVER.reply("opaque", scope="admin")
    assert rule(wide, opaque=True, acting=NOBODY) == "scope_widened"


def test_what_the_identity_provider_signs_is_no_token_of_the_server() -> None:
    assert broken(iss=IDP) == "issuer"
