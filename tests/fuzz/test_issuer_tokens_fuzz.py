"""Tokens of issuers, their keys and the list of revocations, whatever they hold.

Raw: bytes that may be anything. Structured: headers and claims in their places with any value,
signed with the right key.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from governd.delegation.evidence_faults import EvidenceError
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.issuer_tokens import open_token, verify
from governd.delegation.revocation_list import Kind, Revocation, RevocationList, Target
from governd.delegation.revocation_text import read_revocations, write_revocations
from governd.delegation.revocations import NOTHING
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.policy.delegated import Delegation, EvidenceKind
from tests.fakes.token_issuer import encode
from tests.fakes.user_issuer import AUDIENCE, ISSUER, NOW, USER, UserIssuer

IDP = UserIssuer()
KEYS = IssuerKeySet.read(IDP.key_set())
STATED = [IDP.stated()]
AGENT = SpiffeId.parse("spiffe://example.org/agent")
CLAIMS = {"iss": ISSUER, "sub": USER, "aud": AUDIENCE, "iat": int(NOW), "exp": int(NOW) + 60}
MORE = ("azp", "nbf", "client_id", "jti", "scope", "act", "may_act", "cnf", "typ", "events")

leaves: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(int(NOW) - 200, int(NOW) + 200),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([ISSUER, USER, AUDIENCE, str(AGENT), "JWT", "at+jwt", "ES256", "none"]),
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
kinds = st.sampled_from([EvidenceKind.ID_TOKEN, EvidenceKind.ACCESS_TOKEN])


def proven(token: bytes, kind: EvidenceKind) -> Delegation | None:
    try:
        return verify(open_token(Secret(token), kind, STATED), KEYS, AGENT, NOTHING, NOW)
    except EvidenceError as error:
        assert error.metadata["rule"]
        return None


@given(st.binary(max_size=400), kinds)
def test_raw_bytes_prove_nothing(token: bytes, kind: EvidenceKind) -> None:
    assert proven(token, kind) is None


@given(st.binary(max_size=200), st.binary(max_size=200), kinds)
def test_raw_parts_prove_nothing(header: bytes, claims: bytes, kind: EvidenceKind) -> None:
    assert proven(IDP.signed(f"{encode(header)}.{encode(claims)}").encode(), kind) is None


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "x5t", "crit", "jku"]), values),
    st.dictionaries(st.sampled_from([*CLAIMS, *MORE]), values),
    kinds,
)
def test_whatever_is_signed_proves_its_user_to_who_shows_it_or_nothing(
    header: dict[str, Any], claims: dict[str, Any], kind: EvidenceKind
) -> None:
    typ = "JWT" if kind is EvidenceKind.ID_TOKEN else "at+jwt"
    said = {**CLAIMS, **claims}
    signed = f"{encode({**IDP.header(typ=typ), **header})}.{encode(said)}"
    found = proven(IDP.signed(signed).encode(), kind)
    if found is not None:
        assert found.user.issuer == said["iss"] == ISSUER
        assert found.user.subject == said["sub"]
        assert found.actors == (AGENT,)
        assert NOW < found.expires <= said["exp"] + 60
        assert AUDIENCE in said["aud"]
        assert "cnf" not in said


@given(st.data(), kinds)
def test_a_token_with_one_byte_changed_proves_nothing(
    data: st.DataObject, kind: EvidenceKind
) -> None:
    made = IDP.id_token() if kind is EvidenceKind.ID_TOKEN else IDP.access_token()
    token = bytearray(made.encode())
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda one: one != token[place]))
    token[place] = other
    assert proven(bytes(token), kind) is None


@given(st.binary(max_size=300))
def test_raw_bytes_are_keys_or_a_value_error(document: bytes) -> None:
    try:
        assert len(IssuerKeySet.read(document)) == 0
    except ValueError:
        return


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e", "key_ops"]),
            values | st.sampled_from(["EC", "RSA", "P-256", "AQAB", "sig"]),
        ),
        max_size=3,
    )
)
def test_whatever_a_key_says_it_verifies_only_what_it_is_for(jwks: list[dict[str, Any]]) -> None:
    document = json.dumps({"keys": [{**IDP.jwk(), **one} for one in jwks]}).encode()
    try:
        found = IssuerKeySet.read(document)
    except ValueError:
        return
    for algorithm in ("RS256", "PS256", "ES384"):
        for one in jwks:
            kid = one.get("kid", "key-1")
            if isinstance(kid, str) and one.get("kty", "EC") == "EC":
                key = found.find(kid, algorithm)
                assert key is None or any(other.get("kty") == "RSA" for other in jwks)


@given(st.binary(max_size=300))
def test_raw_bytes_are_no_list_of_revocations(content: bytes) -> None:
    try:
        read_revocations(content)
    except ValueError:
        return
    raise AssertionError(content)


@given(st.sampled_from(Kind), st.text(max_size=40), st.text(max_size=20), st.floats(0, 1e10))
def test_whatever_is_revoked_reads_back_as_it_was(
    kind: Kind, name: str, reason: str, since: float
) -> None:
    try:
        one = Revocation(Target(kind, name), since, since + 60, reason)
    except RequestError:
        return
    listed = RevocationList((one,))
    assert read_revocations(write_revocations(listed)) == listed
    assert listed.value() != NOTHING
