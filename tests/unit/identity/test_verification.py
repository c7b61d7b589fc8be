"""X.509-SVIDs as they are presented: whose they are, and every way to be nobody."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from governd.errors import PeerError
from governd.identity import SpiffeId
from governd.identity.verification import (
    MAX_BYTES,
    MAX_CERTIFICATES,
    Presented,
    VerifiedPeer,
    Verifier,
    verify_svid,
)
from governd.identity.x509_rules import thumbprint
from tests.fakes.authority import (
    CLIENT,
    HOUR,
    NOON,
    SERVER,
    UNKNOWN,
    Authority,
    Issued,
    usage,
)

WRITER = "spiffe://example.org/agent/writer"
SECOND = timedelta(seconds=1)
OURS = Authority("example.org")
FEDERATED = Authority("partner.org")
BUNDLES = {"example.org": OURS.bundle, "partner.org": FEDERATED.bundle}


def is_writer(peer: VerifiedPeer) -> bool:
    return str(peer.spiffe_id) == WRITER


def refusal(issued: Issued, now: datetime = NOON) -> str:
    with pytest.raises(PeerError) as error:
        verify_svid(issued.chain, BUNDLES, now)
    return str(error.value)


# Whose it is


def test_an_svid_of_our_domain_is_that_workloads() -> None:
    chain = OURS.issue(WRITER).chain
    peer = verify_svid(chain, BUNDLES, NOON)
    leaf = thumbprint(chain[0])
    assert peer == VerifiedPeer(SpiffeId.parse(WRITER), NOON, NOON + HOUR, leaf)


def test_an_svid_of_a_federated_domain_is_that_workloads() -> None:
    theirs = "spiffe://partner.org/agent/buyer"
    assert str(verify_svid(FEDERATED.issue(theirs).chain, BUNDLES, NOON).spiffe_id) == theirs


def test_intermediates_may_come_in_any_order() -> None:
    leaf, first, second = OURS.intermediate("a").intermediate("b").issue(WRITER).chain
    for chain in ((leaf, first, second), (leaf, second, first)):
        assert str(verify_svid(chain, BUNDLES, NOON).spiffe_id) == WRITER


def test_an_intermediate_may_be_what_the_bundle_holds() -> None:
    below = OURS.intermediate()
    chain = below.issue(WRITER).chain
    assert is_writer(verify_svid(chain, {"example.org": below.bundle}, NOON))


def test_it_ends_with_the_first_certificate_of_its_path() -> None:
    below = OURS.intermediate(lifetime=HOUR + 60 * SECOND)
    peer = verify_svid(below.issue(WRITER).chain, BUNDLES, NOON)
    assert peer.not_after == NOON + 60 * SECOND
    assert peer.not_before == NOON


def test_a_dns_name_beside_the_id_is_no_harm() -> None:
    assert is_writer(verify_svid(OURS.issue(WRITER, dns=["governd"]).chain, BUNDLES, NOON))


def test_an_svid_without_extended_key_usage_is_fine() -> None:
    assert is_writer(verify_svid(OURS.issue(WRITER, extended=None).chain, BUNDLES, NOON))


def test_an_rsa_key_is_fine_if_it_is_long_enough() -> None:
    key = rsa.generate_private_key(65537, 2048)
    assert is_writer(verify_svid(OURS.issue(WRITER, key=key).chain, BUNDLES, NOON))


# Trust domains


@pytest.mark.req("sa-3", part=True)
def test_a_trust_domain_that_is_not_trusted_is_refused() -> None:
    stranger = Authority("evil.org")
    said = refusal(stranger.issue("spiffe://evil.org/agent/writer"))
    assert said == "the trust domain evil.org is not trusted here"


def test_a_federated_authority_that_signs_an_id_of_our_domain_is_refused() -> None:
    assert refusal(FEDERATED.issue(WRITER)) == "no valid path leads to an authority of example.org"


def test_our_authority_that_signs_an_id_of_a_federated_domain_is_refused() -> None:
    assert "no valid path" in refusal(OURS.issue("spiffe://partner.org/agent/buyer"))


def test_a_federated_authority_below_the_name_of_ours_is_refused() -> None:
    """The names of issuers say nothing: only keys do."""
    impostor = Authority("example.org", common="root")
    assert "no valid path" in refusal(impostor.issue(WRITER))


def test_an_authority_that_came_with_the_certificate_is_no_root() -> None:
    impostor = Authority("example.org", common="impostor")
    leaf = impostor.issue(WRITER)
    chain = (*leaf.chain, *impostor.bundle)
    with pytest.raises(PeerError, match="no valid path"):
        verify_svid(chain, BUNDLES, NOON)


def test_a_domain_whose_bundle_became_empty_is_not_trusted() -> None:
    with pytest.raises(PeerError, match="not trusted here"):
        verify_svid(OURS.issue(WRITER).chain, {"example.org": ()}, NOON)


def test_an_intermediate_that_says_another_trust_domain_is_refused() -> None:
    below = OURS.intermediate(uris=["spiffe://partner.org"])
    assert "no valid path" in refusal(below.issue(WRITER))


def test_an_intermediate_with_the_id_of_a_workload_is_refused() -> None:
    below = OURS.intermediate(uris=["spiffe://example.org/agent/writer"])
    assert "no valid path" in refusal(below.issue(WRITER))


@pytest.mark.parametrize("uris", [[], ["https://ca.example.org"]])
def test_an_intermediate_need_not_have_a_spiffe_id(uris: list[str]) -> None:
    below = OURS.intermediate(uris=uris)
    assert is_writer(verify_svid(below.issue(WRITER).chain, BUNDLES, NOON))


def test_a_bundle_that_does_not_parse_verifies_nobody() -> None:
    with pytest.raises(PeerError, match="cannot be read"):
        verify_svid(OURS.issue(WRITER).chain, {"example.org": (b"junk",)}, NOON)


# The name


BAD_IDS = {
    "NUL at the end": "spiffe://example.org/agent/writer\0",
    "NUL before a suffix": "spiffe://example.org/agent/writer\0.evil.org",
    "NUL in the trust domain": "spiffe://example.org\0.evil.org/agent/writer",
    "percent": "spiffe://example.org/agent/%77riter",
    "percent in the trust domain": "spiffe://ex%61mple.org/agent/writer",
    "parent segment": "spiffe://example.org/agent/../admin",
    "current segment": "spiffe://example.org/./agent/writer",
    "query": "spiffe://example.org/agent/writer?admin=true",
    "fragment": "spiffe://example.org/agent/writer#admin",
    "upper case in the trust domain": "spiffe://Example.org/agent/writer",
    "upper case in the scheme": "SPIFFE://example.org/agent/writer",
    "port": "spiffe://example.org:443/agent/writer",
    "user": "spiffe://root@example.org/agent/writer",
    "empty segment": "spiffe://example.org/agent//writer",
    "trailing slash": "spiffe://example.org/agent/writer/",
    "another scheme": "https://example.org/agent/writer",
    "newline": "spiffe://example.org/agent/writer\n",
    "the trust domain itself": "spiffe://example.org",
    "the trust domain with a slash": "spiffe://example.org/",
    "very long": "spiffe://example.org/" + "x" * 2048,
}


@pytest.mark.parametrize("uri", BAD_IDS.values(), ids=BAD_IDS.keys())
def test_a_name_that_is_no_spiffe_id_in_canonical_form_is_refused(uri: str) -> None:
    said = refusal(OURS.issue(uri))
    assert said.startswith("URI SAN: ")
    assert "\0" not in said


@pytest.mark.parametrize(
    "uris",
    [
        (WRITER, "spiffe://example.org/agent/admin"),
        (WRITER, WRITER),
        (WRITER, "https://example.org/"),
        ("https://example.org/", WRITER),
    ],
)
def test_two_uri_sans_are_refused(uris: tuple[str, ...]) -> None:
    assert refusal(OURS.issue(*uris)) == "expected exactly one URI SAN, got 2"


@pytest.mark.parametrize("dns", [[], ["governd"], ["spiffe://example.org/agent/writer"]])
def test_a_certificate_without_uri_san_is_nobodys(dns: list[str]) -> None:
    assert refusal(OURS.issue(dns=dns)) == "expected exactly one URI SAN, got 0"


# The leaf


@pytest.mark.parametrize(
    "changes",
    [
        {"ca": True},
        {"ca": True, "usage": usage("digital_signature", "key_cert_sign")},
        {"usage": usage("digital_signature", "key_cert_sign")},
        {"usage": usage("digital_signature", "crl_sign")},
        {"more": [(x509.NameConstraints([x509.DNSName("example.org")], None), True)]},
    ],
    ids=["cA", "cA and keyCertSign", "keyCertSign", "cRLSign", "name constraints"],
)
def test_an_authority_as_leaf_is_refused(changes: dict[str, Any]) -> None:
    said = refusal(OURS.issue(WRITER, **changes))
    assert said == "the certificate is that of an authority, not of a workload"


@pytest.mark.parametrize("wrong", [None, usage("key_agreement"), usage()])
def test_a_leaf_without_digital_signature_is_refused(wrong: x509.KeyUsage | None) -> None:
    said = refusal(OURS.issue(WRITER, usage=wrong))
    assert said == "the certificate has no key usage digitalSignature"


def test_a_leaf_for_servers_only_is_refused() -> None:
    assert is_writer(verify_svid(OURS.issue(WRITER, extended=[CLIENT]).chain, BUNDLES, NOON))
    said = refusal(OURS.issue(WRITER, extended=[SERVER]))
    assert said == "the certificate has an extended key usage without clientAuth"


def test_a_leaf_that_does_not_say_that_it_is_no_authority_is_none() -> None:
    """RFC 5280, section 4.2.1.9: absent, ``cA`` is false."""
    assert is_writer(verify_svid(OURS.issue(WRITER, ca=None).chain, BUNDLES, NOON))


def test_a_weak_key_is_refused() -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 — that is the point
    assert refusal(OURS.issue(WRITER, key=key)) == "the key has 1024 bits, fewer than 2048"


def test_a_critical_extension_that_nobody_knows_is_refused() -> None:
    assert "no valid path" in refusal(OURS.issue(WRITER, more=[(UNKNOWN, True)]))
    assert is_writer(verify_svid(OURS.issue(WRITER, more=[(UNKNOWN, False)]).chain, BUNDLES, NOON))


# The time


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NOON - SECOND, "the certificate is not valid yet"),
        (NOON + HOUR + SECOND / 1000, "the certificate has expired"),
    ],
)
def test_a_certificate_counts_only_in_its_time(now: datetime, said: str) -> None:
    assert refusal(OURS.issue(WRITER), now) == said


@pytest.mark.parametrize("now", [NOON, NOON + HOUR])
def test_a_certificate_counts_at_both_ends_of_its_time(now: datetime) -> None:
    assert is_writer(verify_svid(OURS.issue(WRITER).chain, BUNDLES, now))


def test_the_time_zone_of_now_does_not_matter() -> None:
    there = (NOON + HOUR).astimezone(timezone(timedelta(hours=14)))
    assert is_writer(verify_svid(OURS.issue(WRITER).chain, BUNDLES, there))


@pytest.mark.parametrize("lifetime", [HOUR / 2, -HOUR])
def test_an_authority_past_its_time_verifies_nobody(lifetime: timedelta) -> None:
    below = OURS.intermediate(lifetime=lifetime)
    assert "no valid path" in refusal(below.issue(WRITER))


# Authorities


@pytest.mark.parametrize(
    "changes",
    [
        {"ca": False},
        {"ca": None},
        {"usage": usage("digital_signature")},
        {"usage": None},
        {"more": [(UNKNOWN, True)]},
        {"more": [(x509.NameConstraints([x509.UniformResourceIdentifier("a.b")], None), True)]},
    ],
    ids=["no cA", "no constraints", "no keyCertSign", "no usage", "unknown", "URI constraints"],
)
def test_an_authority_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    assert "no valid path" in refusal(OURS.intermediate(**changes).issue(WRITER))


def test_a_workload_that_signs_others_is_refused() -> None:
    workload = OURS.issue(WRITER)
    forged = Authority("example.org", common="leaf")
    forged.key, forged.certificate = workload.key, workload.certificate  # type: ignore[assignment]  # it is
    leaf = forged.issue("spiffe://example.org/admin")
    assert "no valid path" in refusal(Issued(leaf.certificate, leaf.key, (workload.certificate,)))


def test_a_path_longer_than_its_authority_allows_is_refused() -> None:
    below = OURS.intermediate("a", path_length=0)
    assert is_writer(verify_svid(below.issue(WRITER).chain, BUNDLES, NOON))
    assert "no valid path" in refusal(below.intermediate("b").issue(WRITER))


# Bounds


def test_a_chain_is_neither_empty_nor_long() -> None:
    chain = OURS.issue(WRITER).chain
    assert is_writer(verify_svid(chain * MAX_CERTIFICATES, BUNDLES, NOON))
    for wrong in ((), chain * (MAX_CERTIFICATES + 1)):
        with pytest.raises(PeerError, match="expected 1 to 8 certificates"):
            verify_svid(wrong, BUNDLES, NOON)


def test_a_chain_of_many_bytes_is_refused_unread() -> None:
    with pytest.raises(PeerError, match="of at most 65536 bytes"):
        verify_svid([b"\x30" * (MAX_BYTES + 1)], BUNDLES, NOON)
    with pytest.raises(PeerError, match="of at most 65536 bytes"):
        Verifier(BUNDLES).verify(Presented(b"-----BEGIN" + b"x" * MAX_BYTES), NOON)


# Whatever the bytes

_GOOD = OURS.intermediate().issue(WRITER).chain
CHANGES = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 3)), min_size=1
)


def changed(data: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    """Bytes replaced, put in, taken away or cut off."""
    for place, byte, how in changes:
        at = place % (len(data) + 1)
        match how:
            case 0:
                data = data[:at] + bytes([byte]) + data[at + 1 :]
            case 1:
                data = data[:at] + bytes([byte]) + data[at:]
            case 2:
                data = data[:at] + data[at + 1 :]
            case _:
                data = data[: max(at, len(data) - byte)]
    return data


def only_peer_errors(verify: Callable[[], VerifiedPeer]) -> None:
    try:
        peer = verify()
    except PeerError:
        return
    assert str(peer.spiffe_id) == WRITER, "a change made somebody else of it"


@given(CHANGES, st.booleans())
def test_a_certificate_that_was_tampered_with_is_refused_and_nothing_worse(
    changes: list[tuple[int, int, int]], above: bool
) -> None:
    leaf, below = _GOOD
    bad = (leaf, changed(below, changes)) if above else (changed(leaf, changes), below)
    only_peer_errors(lambda: verify_svid(bad, BUNDLES, NOON))


@given(CHANGES)
def test_a_bundle_that_was_tampered_with_verifies_nobody_else(
    changes: list[tuple[int, int, int]],
) -> None:
    bundles = {"example.org": (changed(OURS.bundle[0], changes),)}
    only_peer_errors(lambda: verify_svid(_GOOD, bundles, NOON))


@given(st.lists(st.binary(max_size=64), max_size=3))
def test_bytes_that_are_no_certificate_are_refused(chain: list[bytes]) -> None:
    with pytest.raises(PeerError):
        verify_svid(chain, BUNDLES, NOON)


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_name_is_read_as_another(path: str, domain: str) -> None:
    try:
        issued = OURS.issue(f"spiffe://example.org{domain}/{path}")
    except ValueError:
        return  # cannot be written into a certificate
    try:
        peer = verify_svid(issued.chain, BUNDLES, NOON)
    except PeerError:
        return
    assert str(peer.spiffe_id) == f"spiffe://example.org{domain}/{path}"


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_text_that_is_no_pem_is_refused(leaf: bytes, others: bytes) -> None:
    verifier = Verifier(BUNDLES)
    for presented in (Presented(leaf, others), Presented(b"-----BEGIN" + leaf, others)):
        with pytest.raises(PeerError):
            verifier.verify(presented, NOON)


# What is remembered


def test_who_was_seen_before_is_the_same_object() -> None:
    verifier, issued = Verifier(BUNDLES), OURS.intermediate().issue(WRITER)
    first = verifier.verify(issued.presented, NOON)
    assert verifier.verify(issued.presented, NOON + HOUR) is first


def test_nobody_is_remembered_beyond_the_end_of_the_certificate() -> None:
    verifier, issued = Verifier(BUNDLES), OURS.issue(WRITER)
    verifier.verify(issued.presented, NOON)
    with pytest.raises(PeerError, match="has expired"):
        verifier.verify(issued.presented, NOON + HOUR + SECOND)


def test_nobody_is_remembered_beyond_the_end_of_an_authority() -> None:
    verifier = Verifier(BUNDLES)
    issued = OURS.intermediate(lifetime=HOUR + 60 * SECOND).issue(WRITER)
    verifier.verify(issued.presented, NOON)
    with pytest.raises(PeerError, match="no valid path"):
        verifier.verify(issued.presented, NOON + 61 * SECOND)


def test_nobody_is_remembered_before_the_beginning_either() -> None:
    """The clock may be set back."""
    verifier, issued = Verifier(BUNDLES), OURS.issue(WRITER)
    verifier.verify(issued.presented, NOON)
    with pytest.raises(PeerError, match="not valid yet"):
        verifier.verify(issued.presented, NOON - SECOND)


def test_a_changed_bundle_forgets_everybody() -> None:
    verifier, issued = Verifier(BUNDLES), OURS.issue(WRITER)
    first = verifier.verify(issued.presented, NOON)
    verifier.replace({**BUNDLES, "example.org": (*OURS.bundle, *Authority().bundle)})
    assert verifier.generation == 1
    assert verifier.verify(issued.presented, NOON) == first
    verifier.replace({"example.org": Authority().bundle})
    with pytest.raises(PeerError, match="no valid path"):
        verifier.verify(issued.presented, NOON)
    assert list(verifier.bundles) == ["example.org"]


def test_a_bundle_that_the_caller_changes_afterwards_changes_nothing() -> None:
    bundles = dict(BUNDLES)
    verifier = Verifier(bundles)
    bundles.clear()
    assert is_writer(verifier.verify(OURS.issue(WRITER).presented, NOON))


def test_the_same_leaf_with_other_certificates_beside_it_is_verified_anew() -> None:
    verifier, issued = Verifier(BUNDLES), OURS.intermediate().issue(WRITER)
    verifier.verify(issued.presented, NOON)
    with pytest.raises(PeerError, match="no valid path"):
        verifier.verify(Presented(issued.presented.leaf), NOON)


def test_a_refusal_is_remembered_for_a_second() -> None:
    verifier, issued = Verifier(BUNDLES), OURS.issue(WRITER)
    for now in (NOON - SECOND / 2, NOON + SECOND / 4):
        with pytest.raises(PeerError, match="not valid yet"):
            verifier.verify(issued.presented, now)
    assert is_writer(verifier.verify(issued.presented, NOON + SECOND / 2))


def test_a_refusal_is_not_remembered_when_the_clock_is_set_back() -> None:
    verifier, issued = Verifier(BUNDLES), OURS.issue(WRITER)
    with pytest.raises(PeerError, match="has expired"):
        verifier.verify(issued.presented, NOON + 2 * HOUR)
    assert is_writer(verifier.verify(issued.presented, NOON))


def test_a_refusal_ends_with_the_bundle() -> None:
    verifier, issued = Verifier({}), OURS.issue(WRITER)
    with pytest.raises(PeerError, match="not trusted here"):
        verifier.verify(issued.presented, NOON)
    verifier.replace(BUNDLES)
    assert is_writer(verifier.verify(issued.presented, NOON))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("governd.identity.verification._REMEMBERED", 2)
    verifier = Verifier(BUNDLES)
    many = [OURS.issue(WRITER) for _ in range(3)]
    seen = [verifier.verify(issued.presented, NOON) for issued in many]
    again = [verifier.verify(issued.presented, NOON) for issued in reversed(many)]
    assert [one is two for one, two in zip(reversed(seen), again, strict=True)] == [
        True,
        True,
        False,
    ]


def test_the_time_of_now_may_have_any_zone() -> None:
    verifier, issued = Verifier(BUNDLES), OURS.issue(WRITER)
    assert is_writer(verifier.verify(issued.presented, NOON.astimezone(UTC)))
