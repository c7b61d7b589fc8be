"""A token proves who a user is only if its issuer says so, to us, now, and for who shows it."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import OctKey

from governd.delegation.evidence_faults import EvidenceError, EvidenceFault
from governd.delegation.issuer_claims import Terms, delegation
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.issuer_tokens import open_token, verify
from governd.delegation.revocations import NOTHING, Revocations
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.identity.user import User
from governd.policy.delegated import Delegation, EvidenceKind
from governd.policy.trusted import Issuer
from tests.fakes.token_issuer import TokenIssuer, encode
from tests.fakes.user_issuer import AUDIENCE, CLIENT, ISSUER, NOW, USER, UserIssuer

pytestmark = pytest.mark.req("gi-3", part=True)

IDP, EVIL = UserIssuer(key_id="key-1"), UserIssuer(key_id="key-1")
STATED = IDP.stated()
AGENT = SpiffeId.parse("spiffe://example.org/ns/web/sa/agent")
OTHER = SpiffeId.parse("spiffe://example.org/ns/web/sa/other")
ID, ACCESS = EvidenceKind.ID_TOKEN, EvidenceKind.ACCESS_TOKEN
TOKENS: dict[EvidenceKind, Callable[..., str]] = {ID: IDP.id_token, ACCESS: IDP.access_token}
both = pytest.mark.parametrize("kind", [ID, ACCESS])


def proven(
    token: str,
    kind: EvidenceKind = ID,
    *,
    by: SpiffeId = AGENT,
    issuer: Issuer = STATED,
    keys: bytes = b"",
    revoked: Revocations = NOTHING,
    now: float = NOW,
) -> Delegation:
    opened = open_token(Secret(token.encode()), kind, [issuer])
    return verify(opened, IssuerKeySet.read(keys or IDP.key_set()), by, revoked, now)


def holds(token: str, kind: EvidenceKind = ID, **terms: Any) -> bool:
    return proven(token, kind, **terms).user == User(ISSUER, USER)


def fault(token: str, kind: EvidenceKind = ID, **terms: Any) -> EvidenceFault:
    """Why a token proves nothing."""
    with pytest.raises(EvidenceError) as raised:
        proven(token, kind, **terms)
    error = raised.value
    assert error.metadata == {"rule": error.fault.value}
    assert error.field == "evidence"
    assert error.__cause__ is None
    assert not any(part in str(error) for part in token.split(".") if part), "quotes the token"
    return error.fault


def test_an_id_token_proves_its_user_to_who_shows_it() -> None:
    assert proven(IDP.id_token(email="a@example.com", azp=AUDIENCE)) == Delegation(
        User(ISSUER, USER), (AGENT,), frozenset({ID}), NOW + 360
    )


def test_an_access_token_proves_its_user_and_its_scopes() -> None:
    found = proven(IDP.access_token(), ACCESS)
    assert (found.user, found.actors) == (User(ISSUER, USER), (AGENT,))
    assert found.scopes == {"mail:read", "mail:send"}
    assert found.evidence == {ACCESS}
    assert (found.binding, found.kya_level) == (0, 0)


@pytest.mark.parametrize("scope", ["", None])
def test_an_access_token_may_have_no_scope(scope: str | None) -> None:
    assert proven(IDP.access_token(scope=scope), ACCESS).scopes == frozenset()


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "PS256", "RS256", "RS512"])
def test_an_issuer_signs_with_the_algorithms_that_policy_states(algorithm: str) -> None:
    idp = UserIssuer(algorithm)
    stated = idp.stated(algorithms=[algorithm])
    assert proven(idp.id_token(), issuer=stated, keys=idp.key_set()).user.subject == USER


@both
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256", "EdDSA", "ES384"])
def test_attack_algorithm_none_or_another(kind: EvidenceKind, algorithm: str) -> None:
    typ = "JWT" if kind is ID else "at+jwt"
    token = TOKENS[kind](IDP.header(alg=algorithm, typ=typ))
    assert fault(token, kind) is EvidenceFault.ALGORITHM


@pytest.mark.parametrize("algorithm", [None, 256, ["ES256"], {}])
def test_attack_an_algorithm_that_is_no_text(algorithm: object) -> None:
    assert fault(IDP.id_token(IDP.header(alg=algorithm))) is EvidenceFault.ALGORITHM


def test_attack_no_signature() -> None:
    head, claims, _ = IDP.id_token().split(".")
    assert fault(f"{head}.{claims}.") is EvidenceFault.FORM
    assert fault(f"{head}.{claims}.AA") is EvidenceFault.SIGNATURE


def test_attack_a_mac_keyed_with_the_public_key() -> None:
    signed = ".".join(IDP.id_token(IDP.header(alg="HS256")).split(".")[:2])
    mac = hmac.new(IDP.key.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
    assert fault(f"{signed}.{encode(mac)}") is EvidenceFault.ALGORITHM


def test_attack_rsa_key_confusion_pss_and_pkcs1() -> None:
    idp = UserIssuer("RS256")
    stated = idp.stated(algorithms=["RS256", "PS256"])
    token = idp.id_token(idp.header(alg="PS256"))
    keys = idp.key_set(alg="RS256")
    assert fault(token, issuer=stated, keys=keys) is EvidenceFault.KEY
    assert fault(token, issuer=stated, keys=idp.key_set()) is EvidenceFault.SIGNATURE


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1 --", "key-2", "", "KEY-1", "key-1 "])
def test_attack_a_kid_that_is_a_path_or_anothers(kid: str) -> None:
    assert fault(IDP.id_token(IDP.header(kid=kid))) is EvidenceFault.KEY


@pytest.mark.parametrize("kid", [None, 1, ["key-1"], "k" * 257])
def test_attack_a_kid_that_is_none(kid: object) -> None:
    assert fault(IDP.id_token(IDP.header(kid=kid))) is EvidenceFault.KEY


@pytest.mark.parametrize(
    "name", ["jku", "jwk", "x5u", "x5c", "crit", "cty", "b64", "zip", "enc", "nonce"]
)
def test_attack_a_header_that_brings_a_key_or_more(name: str) -> None:
    token = IDP.id_token(IDP.header(**{name: "https://evil.example/keys"}))
    assert fault(token) is EvidenceFault.HEADER


def test_a_thumbprint_is_a_hint() -> None:
    assert proven(IDP.id_token(IDP.header(x5t="AA"))).user.subject == USER


def test_attack_a_nested_jwt_and_an_encrypted_one() -> None:
    inner = encode(IDP.id_token().encode())
    assert fault(IDP.signed(f"{encode(IDP.header())}.{inner}")) is EvidenceFault.FORM
    five = ".".join([encode(b"{}" * 9)] * 5)
    assert fault(five) is EvidenceFault.FORM


@pytest.mark.parametrize(
    "token",
    ["", "x", "..", "é.b.c", "a.b.c", f"{'a' * 20_000}.b.c", json.dumps({"payload": "x"})],
)
def test_attack_a_text_that_is_no_token(token: str) -> None:
    with pytest.raises(EvidenceError) as raised:
        proven(token)
    assert raised.value.fault is EvidenceFault.FORM


def test_attack_a_member_that_comes_twice() -> None:
    claims = json.dumps(IDP.claims(iss=ISSUER))[:-1] + f', "sub": "{USER}", "aud": "{AUDIENCE}"}}'
    token = IDP.signed(f"{encode(IDP.header())}.{encode(claims.encode())}")
    assert fault(token) is EvidenceFault.FORM


def test_attack_signed_by_another() -> None:
    assert fault(EVIL.id_token()) is EvidenceFault.SIGNATURE


def test_attack_claims_that_were_changed() -> None:
    head, _, signature = IDP.id_token().split(".")
    claims = encode(IDP.claims(iss=ISSUER, sub="root", aud=AUDIENCE))
    assert fault(f"{head}.{claims}.{signature}") is EvidenceFault.SIGNATURE


@pytest.mark.parametrize(
    "iss",
    [
        *(None, 1, [ISSUER], "https://evil.example", ISSUER + "/", ISSUER.upper()),
        ISSUER.replace("https", "http"),
    ],
)
def test_attack_an_issuer_that_policy_does_not_name(iss: object) -> None:
    assert fault(IDP.id_token(iss=iss)) is EvidenceFault.ISSUER


def test_what_was_signed_names_the_issuer_whatever_was_read_before() -> None:
    terms = Terms(STATED, ID, AGENT, NOTHING, NOW)
    with pytest.raises(EvidenceError) as raised:
        delegation({"iss": "https://two.example"}, terms)
    assert raised.value.fault is EvidenceFault.ISSUER


def test_attack_one_trusted_issuer_speaks_for_another() -> None:
    other = UserIssuer(key_id="other")
    stated = [STATED, other.stated(name="two", issuer="https://two.example")]
    opened = open_token(Secret(other.id_token().encode()), ID, stated)
    with pytest.raises(EvidenceError) as raised:
        verify(opened, IssuerKeySet.read(IDP.key_set()), AGENT, NOTHING, NOW)
    assert raised.value.fault is EvidenceFault.KEY


@both
def test_attack_a_kind_that_policy_does_not_take(kind: EvidenceKind) -> None:
    kinds = ["access_token"] if kind is ID else ["id_token"]
    assert fault(TOKENS[kind](), kind, issuer=IDP.stated(kinds=kinds)) is EvidenceFault.ISSUER


@pytest.mark.parametrize(
    "typ", ["at+jwt", "logout+jwt", "acting-as+jwt", "kya-attestation+jwt", "", None, 1, ["JWT"]]
)
def test_attack_a_token_of_another_type_as_an_id_token(typ: object) -> None:
    assert fault(IDP.id_token(IDP.header(typ=typ))) is EvidenceFault.TYPE


@pytest.mark.parametrize("typ", ["JWT", "jwt", "id+jwt", "", None, 1, "application/jwt"])
def test_attack_a_token_of_another_type_as_an_access_token(typ: object) -> None:
    assert fault(IDP.access_token(IDP.header(typ=typ)), ACCESS) is EvidenceFault.TYPE


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_type_of_an_access_token_is_a_media_type(typ: str) -> None:
    assert proven(IDP.access_token(IDP.header(typ=typ)), ACCESS).user.subject == USER


def test_an_id_token_needs_no_type() -> None:
    header = {"alg": "ES256", "kid": "key-1"}
    assert proven(IDP.id_token(header)).user.subject == USER
    assert fault(IDP.access_token(header), ACCESS) is EvidenceFault.TYPE


def test_attack_an_id_token_in_place_of_an_access_token_and_the_reverse() -> None:
    assert fault(IDP.id_token(), ACCESS) is EvidenceFault.TYPE
    assert fault(IDP.access_token(), ID) is EvidenceFault.TYPE


@pytest.mark.parametrize(
    "more", [{"scope": "x"}, {"scp": ["x"]}, {"client_id": "c"}, {"events": {}}, {"typ": "Bearer"}]
)
def test_attack_an_access_or_logout_token_whose_type_does_not_tell(more: dict[str, object]) -> None:
    assert fault(IDP.id_token(**more)) is EvidenceFault.TYPE


@both
@pytest.mark.parametrize("aud", ["shop", ["shop"], "GOVERND", f"{AUDIENCE} "])
def test_attack_a_token_for_another_audience(kind: EvidenceKind, aud: object) -> None:
    assert fault(TOKENS[kind](aud=aud), kind) is EvidenceFault.AUDIENCE


@both
@pytest.mark.parametrize("aud", [None, [], [1], {}, 7])
def test_attack_no_audience(kind: EvidenceKind, aud: object) -> None:
    assert fault(TOKENS[kind](aud=aud), kind) is EvidenceFault.CLAIMS


def test_attack_an_id_token_that_is_for_somebody_else_too() -> None:
    assert fault(IDP.id_token(aud=[AUDIENCE, "evil"], azp=AUDIENCE)) is EvidenceFault.AUDIENCE
    assert proven(IDP.access_token(aud=[AUDIENCE, "mail"]), ACCESS).user.subject == USER


def test_several_audiences_of_an_id_token_need_an_authorized_party() -> None:
    issuer = IDP.stated(audiences=[AUDIENCE, "chat"])
    token = IDP.id_token(aud=[AUDIENCE, "chat"])
    assert fault(token, issuer=issuer) is EvidenceFault.AUDIENCE
    token = IDP.id_token(aud=[AUDIENCE, "chat"], azp="chat")
    assert proven(token, issuer=issuer).user.subject == USER


@pytest.mark.parametrize("azp", ["evil", None, 1, [AUDIENCE], {}])
def test_attack_an_authorized_party_that_is_another(azp: object) -> None:
    claims = {**json.loads(json.dumps(IDP.claims(iss=ISSUER, sub=USER, aud=AUDIENCE))), "azp": azp}
    token = IDP.signed(f"{encode(IDP.header())}.{encode(claims)}")
    assert fault(token) is EvidenceFault.AUDIENCE


@both
def test_attack_a_token_for_one_workload_shown_by_another(kind: EvidenceKind) -> None:
    issuer = IDP.stated(audiences=[str(AGENT), str(OTHER)])
    token = TOKENS[kind](aud=str(AGENT))
    assert proven(token, kind, issuer=issuer).actors == (AGENT,)
    assert fault(token, kind, issuer=issuer, by=OTHER) is EvidenceFault.AUDIENCE


@both
def test_a_token_ends_with_its_skew(kind: EvidenceKind) -> None:
    token = TOKENS[kind](exp=NOW + 10)
    assert proven(token, kind, now=NOW + 69).expires == NOW + 70
    assert fault(token, kind, now=NOW + 70) is EvidenceFault.EXPIRED


@both
def test_attack_a_token_that_is_old_but_has_not_expired(kind: EvidenceKind) -> None:
    issuer = IDP.stated(max_age_seconds=600)
    token = TOKENS[kind](exp=NOW + 86_400)
    assert proven(token, kind, issuer=issuer).expires == NOW + 660
    assert fault(token, kind, issuer=issuer, now=NOW + 660) is EvidenceFault.EXPIRED


@both
@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_attack_a_token_from_the_future(kind: EvidenceKind, name: str) -> None:
    later = {"exp": NOW + 900}
    assert holds(TOKENS[kind](**later, **{name: NOW + 60}), kind)
    token = TOKENS[kind](**later, **{name: NOW + 61})
    assert fault(token, kind) is EvidenceFault.NOT_YET_VALID


@both
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["1767268800", True, -1, 1e400, 10**12, [], {}])
def test_attack_a_moment_that_is_none(kind: EvidenceKind, name: str, value: object) -> None:
    if value == 1e400:
        assert fault(TOKENS[kind](**{name: value}), kind) is EvidenceFault.FORM
    else:
        assert fault(TOKENS[kind](**{name: value}), kind) is EvidenceFault.CLAIMS


@pytest.mark.parametrize("name", ["exp", "iat", "sub"])
def test_a_claim_that_every_token_has(name: str) -> None:
    for kind, token in TOKENS.items():
        assert fault(token(**{name: None}), kind) is EvidenceFault.CLAIMS


@pytest.mark.parametrize("name", ["client_id", "jti"])
@pytest.mark.parametrize("value", [None, "", 1, "x" * 2000])
def test_a_claim_that_every_access_token_has(name: str, value: object) -> None:
    assert fault(IDP.access_token(**{name: value}), ACCESS) is EvidenceFault.CLAIMS


@pytest.mark.parametrize("sub", ["", 1, "x" * 1025, "a\nb", "a\u202eb", "\ud800", ["x"]])
def test_attack_a_subject_that_is_none(sub: object) -> None:
    assert fault(IDP.id_token(sub=sub)) is EvidenceFault.CLAIMS


@pytest.mark.parametrize("scope", [1, ["x"], "a  b", 'a"b', "a a", " ".join(map(str, range(65)))])
def test_attack_scopes_that_are_none(scope: object) -> None:
    assert fault(IDP.access_token(scope=scope), ACCESS) is EvidenceFault.CLAIMS


def test_attack_a_clients_own_token_as_a_users() -> None:
    assert fault(IDP.access_token(sub=CLIENT), ACCESS) is EvidenceFault.NO_USER


@both
@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, None])
def test_attack_a_token_that_is_bound_to_a_key_stolen(kind: EvidenceKind, cnf: object) -> None:
    if cnf is None:
        assert holds(TOKENS[kind](cnf=cnf), kind)
    else:
        assert fault(TOKENS[kind](cnf=cnf), kind) is EvidenceFault.SENDER


@both
@pytest.mark.parametrize("name", ["act", "may_act"])
def test_attack_a_token_that_names_another_actor(kind: EvidenceKind, name: str) -> None:
    mine: dict[str, object] = {"sub": str(AGENT)}
    assert holds(TOKENS[kind](**{name: mine}), kind)
    for other in ({"sub": str(OTHER)}, {**mine, "act": mine}, {**mine, "iss": ISSUER}, {}, "x"):
        assert fault(TOKENS[kind](**{name: other}), kind) is EvidenceFault.ACTOR


@both
def test_details_that_nobody_keeps_to_are_refused(kind: EvidenceKind) -> None:
    token = TOKENS[kind](authorization_details=[{"type": "payment"}])
    assert fault(token, kind) is EvidenceFault.CLAIMS


@both
def test_attack_a_token_that_was_revoked(kind: EvidenceKind) -> None:
    revoked = Revocations(tokens=frozenset({"token-1"}))
    token = TOKENS[kind](jti="token-1")
    assert fault(token, kind, revoked=revoked) is EvidenceFault.REVOKED
    assert holds(TOKENS[kind](jti="token-2"), kind, revoked=revoked)


def test_attack_a_published_secret_as_the_key() -> None:
    secret = OctKey.import_key("secret" * 8)
    keys = json.dumps({"keys": [{**secret.as_dict(), "kid": "key-1"}]}).encode()
    assert fault(IDP.id_token(), keys=keys) is EvidenceFault.KEY


def test_a_token_is_never_shown() -> None:
    token = IDP.id_token()
    opened = open_token(Secret(token.encode()), ID, [STATED])
    assert token not in repr(opened)


def test_another_kind_of_issuer_is_none() -> None:
    assert TokenIssuer().token() != ""
    assert fault(TokenIssuer().token()) is EvidenceFault.ISSUER
