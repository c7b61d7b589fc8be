"""An ID-JAG is for one server, one client and one user, and says who acts."""

from collections.abc import Mapping
from typing import Any

import pytest

from governd.errors import TokenRefusedError
from governd.identity.secret import Secret
from governd.tokens import words
from governd.tokens.acting import Acting
from governd.tokens.digests import digest_of
from governd.tokens.id_jag import IdJag, accept
from governd.tokens.reply import Reply
from tests.fakes.issued_tokens import (
    CLIENT,
    IDP,
    ISSUER,
    NOW,
    OTHER,
    RESOURCE,
    USER,
    TokenServer,
    expected_id_jag,
)

PROVIDER = TokenServer()


def taken(reply: Reply, now: float = NOW, **changes: Any) -> IdJag:
    return accept(reply, expected_id_jag(**changes), now)


def rule(reply: Reply, now: float = NOW, **changes: Any) -> str:
    """Which rule an answer breaks. Nothing of its token is in the message."""
    with pytest.raises(TokenRefusedError) as raised:
        taken(reply, now, **changes)
    assert raised.value.__cause__ is None
    token = reply.token.reveal().decode()
    assert not any(part in str(raised.value) for part in token.split("."))
    return raised.value.metadata["rule"]


def broken(header: Mapping[str, object] | None = None, /, **claims: Any) -> str:
    return rule(PROVIDER.id_jag_reply(PROVIDER.id_jag(header, **claims)))


def test_an_id_jag_as_it_was_asked_for_is_taken() -> None:
    reply = PROVIDER.id_jag_reply()
    assert taken(reply) == IdJag(
        assertion=reply.token,
        digest=digest_of(reply.token),
        expires_at=NOW + 300,
        scopes=("read",),
        token_id="jag-1",
        subject=USER,
    )


def test_an_id_jag_shows_nowhere() -> None:
    reply = PROVIDER.id_jag_reply()
    shown = repr(taken(reply)) + repr(expected_id_jag(sent=(reply.token,)))
    assert not any(part in shown for part in reply.token.reveal().decode().split("."))


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "oauth-id-jag", "txntoken+jwt", "", 5, None])
def test_attack_another_kind_of_token_in_place_of_an_id_jag(typ: object) -> None:
    header = {name: one for name, one in PROVIDER.header(typ=typ).items() if one is not None}
    assert broken(header) in {"id_jag", "type"}


def test_its_type_has_any_case() -> None:
    token = PROVIDER.id_jag(PROVIDER.header(typ="OAuth-ID-JAG+jwt"))
    assert taken(PROVIDER.id_jag_reply(token)).subject == USER


def test_attack_an_access_token_or_an_id_token_in_place_of_an_id_jag() -> None:
    assert rule(PROVIDER.id_jag_reply(PROVIDER.access_token())) == "id_jag"
    assert rule(PROVIDER.id_jag_reply(PROVIDER.id_jag(PROVIDER.header(), nonce="n"))) == "id_jag"


@pytest.mark.parametrize("issuer", [None, 5, ISSUER, "https://evil.example", IDP + "/", [IDP]])
def test_attack_an_id_jag_of_another_issuer(issuer: object) -> None:
    assert broken(iss=issuer) == "id_jag"


@pytest.mark.parametrize(
    "audience",
    [
        None,
        5,
        [],
        RESOURCE,
        ISSUER + "/",
        [ISSUER, "https://evil.example"],
        [ISSUER, ISSUER],
        {ISSUER: 1},
        [[ISSUER]],
    ],
)
def test_attack_an_id_jag_for_another_server_too_or_only(audience: object) -> None:
    assert broken(aud=audience) == "id_jag"


def test_an_audience_may_be_a_list_of_one() -> None:
    assert taken(PROVIDER.id_jag_reply(PROVIDER.id_jag(aud=[ISSUER]))).subject == USER


@pytest.mark.parametrize("client", [None, 5, "", "chat", "Governd", [CLIENT]])
def test_attack_an_id_jag_for_another_client(client: object) -> None:
    assert broken(client_id=client) == "id_jag"


def test_where_governds_name_is_not_known_the_id_jag_names_a_client_all_the_same() -> None:
    reply = PROVIDER.id_jag_reply(PROVIDER.id_jag(client_id="whoever"))
    assert taken(reply, client_id=None).subject == USER
    nobody = PROVIDER.id_jag_reply(PROVIDER.id_jag(client_id=None))
    assert rule(nobody, client_id=None) == "id_jag"


@pytest.mark.parametrize("resource", ["https://bank.example", [RESOURCE, "x"], [], 5, {}])
def test_attack_an_id_jag_for_another_upstream(resource: object) -> None:
    assert broken(resource=resource) == "id_jag"


@pytest.mark.parametrize("resource", [RESOURCE, [RESOURCE], None])
def test_an_id_jag_names_the_upstream_or_none(resource: object) -> None:
    assert taken(PROVIDER.id_jag_reply(PROVIDER.id_jag(resource=resource))).subject == USER


def test_an_id_jag_names_no_upstream_where_none_was_asked_for() -> None:
    none = PROVIDER.id_jag_reply(PROVIDER.id_jag(resource=None))
    assert taken(none, resource=None).subject == USER
    assert rule(PROVIDER.id_jag_reply(), resource=None) == "id_jag"


@pytest.mark.parametrize("subject", ["root", "7F3C", "7f3c "])
def test_attack_an_id_jag_of_another_user(subject: str) -> None:
    assert broken(sub=subject) == "subject"


def test_a_provider_may_have_other_names_for_users_at_that_server() -> None:
    reply = PROVIDER.id_jag_reply(PROVIDER.id_jag(sub="0a2b"))
    assert taken(reply, subject=None).subject == "0a2b"


@pytest.mark.parametrize("name", ["jti", "sub", "iat"])
def test_an_id_jag_has_all_that_is_required(name: str) -> None:
    assert broken(**{name: None}) == "id_jag"


@pytest.mark.parametrize("name", ["jti", "sub"])
@pytest.mark.parametrize("value", ["", 5, ["x"], "a\nb", "a" * 1025])
def test_its_names_are_texts_in_one_line(name: str, value: object) -> None:
    assert broken(**{name: value}) == "id_jag"


def test_attack_an_id_jag_that_is_bound_to_a_key() -> None:
    assert broken(cnf={"jkt": "x"}) == "bound"


def test_attack_an_id_jag_that_does_not_say_who_acts_or_says_somebody_else() -> None:
    assert broken(act=None) == "act_missing"
    assert broken(act={"sub": OTHER}) == "act"
    nobody = PROVIDER.id_jag_reply(PROVIDER.id_jag(act=None))
    assert taken(nobody, acting=Acting(None)).subject == USER


@pytest.mark.parametrize("scope", ["read admin", ["admin"]])
def test_attack_an_id_jag_with_a_wider_scope(scope: object) -> None:
    assert broken(scope=scope) == "scope_widened"
    assert rule(PROVIDER.id_jag_reply(scope="read admin")) == "scope_widened"


def test_attack_authorization_details_that_nobody_asked_for() -> None:
    details = [{"type": "payment"}]
    assert broken(authorization_details=details) == "scope_widened"
    assert rule(PROVIDER.id_jag_reply(authorization_details=details)) == "scope_widened"


@pytest.mark.parametrize("end", [None, NOW, NOW - 1, "x", True])
def test_attack_an_id_jag_without_an_end_or_past_it(end: object) -> None:
    assert broken(exp=end) == "expiry"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_attack_an_id_jag_of_the_future(name: str) -> None:
    assert broken(**{name: NOW + 61}) == "expiry"


@pytest.mark.parametrize(("seconds", "found"), [(None, 300), (60, 60), (900, 300)])
def test_an_id_jag_ends_with_the_first_of_token_and_answer(
    seconds: int | None, found: float
) -> None:
    assert taken(PROVIDER.id_jag_reply(expires_in=seconds)).expires_at == NOW + found


def test_an_id_jag_that_the_answer_says_has_ended_is_refused() -> None:
    assert rule(PROVIDER.id_jag_reply(expires_in=0)) == "expiry"


@pytest.mark.parametrize("kind", [None, words.ACCESS_TOKEN, words.JWT, words.ID_TOKEN])
def test_attack_an_answer_that_issues_another_kind_of_token(kind: str | None) -> None:
    assert rule(PROVIDER.id_jag_reply(issued_token_type=kind)) == "token_type"


@pytest.mark.parametrize("kind", ["Bearer", "DPoP"])
def test_attack_an_id_jag_as_an_access_token(kind: str) -> None:
    assert rule(PROVIDER.id_jag_reply(token_type=kind)) == "token_type"


def test_its_token_type_has_any_case() -> None:
    assert taken(PROVIDER.id_jag_reply(token_type="n_a")).subject == USER


def test_attack_nothing_is_passed_through() -> None:
    reply = PROVIDER.id_jag_reply()
    assert rule(reply, sent=(Secret(b"x"), reply.token)) == "id_jag"
    assert taken(reply, sent=(Secret(b"x"),)).subject == USER


@pytest.mark.parametrize("algorithm", ["none", ""])
def test_attack_an_id_jag_that_nobody_signed(algorithm: str) -> None:
    assert broken(PROVIDER.header(alg=algorithm, typ=words.ID_JAG_TYP)) == "type"
