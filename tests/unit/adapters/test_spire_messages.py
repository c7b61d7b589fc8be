"""What a SPIRE agent says is taken only if it holds, and is ours to take."""

import json
from collections.abc import Callable

import pytest

from governd._proto.spire.api.agent.delegatedidentity.v1 import delegatedidentity_pb2 as delegated
from governd._proto.spire.api.types import types_pb2
from governd.adapters import spire_messages
from governd.adapters.embedded_ca import EmbeddedAuthority
from governd.adapters.embedded_jwt import JwtAuthority
from governd.errors import InvalidIdentityError, NoIdentityError
from governd.identity import SpiffeId
from governd.identity.svid import Selector, TrustBundles, Workload, WorkloadSvids
from tests.fakes.time import NOON

DOMAIN = "example.org"
AUTHORITY, TOKENS = EmbeddedAuthority(DOMAIN, NOON), JwtAuthority()
OTHERS = EmbeddedAuthority("example.com", NOON)
POD = Workload("pod", (Selector("k8s", "ns:shop"), Selector("k8s", "sa:web")))
KEYS = TOKENS.key_set()


def id_of(path: str, domain: str = DOMAIN) -> types_pb2.SPIFFEID:
    return types_pb2.SPIFFEID(trust_domain=domain, path=path)


def svid_of(
    path: str,
    *,
    authority: EmbeddedAuthority = AUTHORITY,
    said: types_pb2.SPIFFEID | None = None,
    hint: str = "",
) -> delegated.X509SVIDWithKey:
    svid = authority.issue(path, NOON).svid()
    return delegated.X509SVIDWithKey(
        x509_svid=types_pb2.X509SVID(
            id=said or id_of(path, authority.trust_domain), cert_chain=svid.chain, hint=hint
        ),
        x509_svid_key=svid.key.reveal(),
    )


def read(
    *svids: delegated.X509SVIDWithKey, federates_with: tuple[str, ...] = (), pod: Workload = POD
) -> WorkloadSvids:
    response = delegated.SubscribeToX509SVIDsResponse(
        x509_svids=svids, federates_with=federates_with
    )
    return spire_messages.read_x509_svids(response, pod, DOMAIN)


def test_selectors_are_sent_as_they_are() -> None:
    sent = spire_messages.selectors(POD)
    assert [(one.type, one.value) for one in sent] == [("k8s", "ns:shop"), ("k8s", "sa:web")]


def test_every_identity_is_read_in_its_order() -> None:
    said = read(
        svid_of("/b", hint="internal"), svid_of("/a"), federates_with=("spiffe://example.com",)
    )
    assert [(svid.spiffe_id.path, svid.hint) for svid in said.svids] == [
        ("/b", "internal"),
        ("/a", ""),
    ]
    assert said.federates_with == {"example.com"}


def test_nothing_is_nothing() -> None:
    assert read() == WorkloadSvids()


def test_a_fixed_id_leaves_out_every_other() -> None:
    pod = Workload("pod", POD.selectors, SpiffeId.parse("spiffe://example.org/b"))
    said = read(svid_of("/a"), svid_of("/b"), pod=pod, federates_with=("example.com",))
    assert [svid.spiffe_id.path for svid in said.svids] == ["/b"]
    assert said.federates_with == {"example.com"}
    assert read(svid_of("/a"), pod=pod, federates_with=("example.com",)) == WorkloadSvids()


BAD: dict[str, Callable[[], WorkloadSvids]] = {
    "an identity of another trust domain": lambda: read(svid_of("/a", authority=OTHERS)),
    "a trust domain with a path": lambda: read(svid_of("/a", said=id_of("", DOMAIN + "/a"))),
    "another trust domain in upper case": lambda: read(
        svid_of("/a", said=id_of("/a", "EXAMPLE.org"))
    ),
    "a path without a slash": lambda: read(svid_of("/a", said=id_of("a"))),
    "a path that goes up": lambda: read(svid_of("/a", said=id_of("/b/../a"))),
    "a path with NUL": lambda: read(svid_of("/a", said=id_of("/a\0"))),
    "a path with a percent sign": lambda: read(svid_of("/a", said=id_of("/%61"))),
    "a query": lambda: read(svid_of("/a", said=id_of("/a?b"))),
    "the ID of somebody else": lambda: read(svid_of("/a", said=id_of("/b"))),
    "no ID": lambda: read(svid_of("/a", said=types_pb2.SPIFFEID(path="/a"))),
    "one that does not hold among two": lambda: read(svid_of("/a"), delegated.X509SVIDWithKey()),
    "a hint too long": lambda: read(svid_of("/a", hint="é" * 513)),
    "no trust domain to federate with": lambda: read(svid_of("/a"), federates_with=("spiffe://",)),
}


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("read_bad", BAD.values(), ids=BAD.keys())
def test_svids_that_do_not_hold_are_refused_all_together(
    read_bad: Callable[[], WorkloadSvids],
) -> None:
    with pytest.raises(InvalidIdentityError):
        read_bad()


def tokens(
    *paths: str, audiences: tuple[str, ...] = ("bank",), domain: str = DOMAIN
) -> delegated.FetchJWTSVIDsResponse:
    svids = []
    for path in paths:
        issued = TOKENS.issue(SpiffeId.parse(f"spiffe://{domain}{path}"), audiences, NOON)
        text = issued.token.reveal().decode()
        svids.append(types_pb2.JWTSVID(token=text, id=id_of(path, domain), hint="internal"))
    return delegated.FetchJWTSVIDsResponse(svids=svids)


def test_every_token_is_read() -> None:
    response = tokens("/a", "/b")
    svids = spire_messages.read_jwt_svids(response, POD, ["bank"], DOMAIN)
    assert [(svid.spiffe_id.path, svid.hint) for svid in svids] == [
        ("/a", "internal"),
        ("/b", "internal"),
    ]
    pod = Workload("pod", POD.selectors, SpiffeId.parse("spiffe://example.org/b"))
    (only,) = spire_messages.read_jwt_svids(response, pod, ["bank"], DOMAIN)
    assert only.spiffe_id == pod.spiffe_id


def test_no_token_is_no_identity() -> None:
    pod = Workload("pod", POD.selectors, SpiffeId.parse("spiffe://example.org/c"))
    for response in (tokens(), tokens("/a")):
        with pytest.raises(NoIdentityError):
            spire_messages.read_jwt_svids(response, pod, ["bank"], DOMAIN)


@pytest.mark.parametrize(
    "response", [tokens("/a", audiences=("bank", "shop")), tokens("/a", domain="example.com")]
)
def test_tokens_that_do_not_hold_are_refused(response: delegated.FetchJWTSVIDsResponse) -> None:
    with pytest.raises(InvalidIdentityError):
        spire_messages.read_jwt_svids(response, POD, ["bank"], DOMAIN)


ROOT, FOREIGN_ROOT = AUTHORITY.trust_bundle[0], OTHERS.trust_bundle[0]


def read_bundles(x509: dict[str, bytes], jwt: dict[str, bytes]) -> TrustBundles:
    return spire_messages.read_bundles(
        delegated.SubscribeToX509BundlesResponse(ca_certificates=x509),
        delegated.SubscribeToJWTBundlesResponse(bundles=jwt),
        DOMAIN,
    )


def test_trust_bundles_are_kept_apart() -> None:
    ours, theirs = "spiffe://example.org", "spiffe://example.com"
    bundles = read_bundles({ours: ROOT + ROOT, theirs: FOREIGN_ROOT}, {ours: KEYS, theirs: KEYS})
    assert bundles.x509 == {"example.org": (ROOT, ROOT), "example.com": (FOREIGN_ROOT,)}
    assert bundles.jwt == {"example.org": KEYS, "example.com": KEYS}
    assert bundles.refused == frozenset()


@pytest.mark.req("sa-2", part=True)
@pytest.mark.parametrize(
    ("x509", "jwt"),
    [
        ({"example.com": b"no certificate"}, {"example.com": KEYS}),
        ({"example.com": FOREIGN_ROOT}, {"example.com": b"no JWKS"}),
        ({"example.com": FOREIGN_ROOT}, {}),
        ({}, {"example.com": KEYS}),
    ],
)
def test_a_federated_trust_domain_spoils_its_own_trust_bundle_alone(
    x509: dict[str, bytes], jwt: dict[str, bytes]
) -> None:
    bundles = read_bundles({DOMAIN: ROOT, **x509}, {DOMAIN: KEYS, **jwt})
    assert bundles.x509 == {DOMAIN: (ROOT,)}
    assert bundles.jwt == {DOMAIN: KEYS}
    assert bundles.refused == {"example.com"}


BAD_BUNDLES = {
    "one trust domain in two spellings": (
        {DOMAIN: ROOT, "spiffe://example.org": FOREIGN_ROOT},
        {DOMAIN: KEYS},
    ),
    "one federated trust domain in two spellings": (
        {DOMAIN: ROOT},
        {DOMAIN: KEYS, "example.com": KEYS, "spiffe://example.com": KEYS},
    ),
    "upper case": ({DOMAIN: ROOT, "Example.com": ROOT}, {DOMAIN: KEYS}),
    "the ID of a workload": ({DOMAIN: ROOT, "spiffe://example.org/a": ROOT}, {DOMAIN: KEYS}),
    "ours missing": ({"example.com": ROOT}, {"example.com": KEYS}),
    "nothing": ({}, {}),
    "our certificates missing": ({}, {DOMAIN: KEYS}),
    "our keys missing": ({DOMAIN: ROOT}, {}),
    "our certificates broken": ({DOMAIN: ROOT[:-1]}, {DOMAIN: KEYS}),
    "our keys broken": ({DOMAIN: ROOT}, {DOMAIN: json.dumps({"keys": 1}).encode()}),
}


@pytest.mark.parametrize(("x509", "jwt"), BAD_BUNDLES.values(), ids=BAD_BUNDLES.keys())
def test_trust_bundles_that_do_not_hold_are_refused(
    x509: dict[str, bytes], jwt: dict[str, bytes]
) -> None:
    with pytest.raises(InvalidIdentityError):
        read_bundles(x509, jwt)
