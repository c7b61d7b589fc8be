"""Somebody else's code, with nothing but the trust bundle, takes and refuses the same tokens."""

import base64
from typing import Any

import pytest

from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.delegation.acting_as import ActingAs
from governd.delegation.attenuation import Order, Stamp, extend, mint
from governd.delegation.binding import body_digest, request_binding
from governd.delegation.expectations import Expectations, IssuerRule
from governd.delegation.opening import Opener
from governd.delegation.replay import UsedTokens
from governd.delegation.signing import sign
from governd.delegation.verification import Receiver, Verified
from governd.identity.ports import Signer
from governd.identity.verification import Verifier
from tests.acting_as_vectors import agrees, suites
from tests.conformance.vectors.acting_as.make.scene import ARRIVAL, EXPECTATIONS
from tests.delegations import EVIDENCE, permit
from tests.fakes.authority import NOON
from tests.fakes.forge import BODY, NOW, PLANNER, ROUTER, SIGNERS, TOOLS, URI, workload
from tests.offline_receiver import receive

SUITES = {
    name: suite
    for name, suite in suites()
    if any("presented" in vector for vector in suite["vectors"])
}


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize("name", SUITES)
def test_every_vector_has_the_same_result(name: str) -> None:
    results = receive(SUITES[name])
    wanted = {one["id"]: one["result"] for one in SUITES[name]["vectors"]}
    differ = {key: results[key] for key in wanted if not agrees(results[key], wanted[key])}
    assert not differ
    assert results.keys() == wanted.keys()


def vector(name: str, text: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "now": NOW,
        "expectations": {**EXPECTATIONS, "least_binding": "BODY"},
        "arrival": ARRIVAL,
        "presented": {"token": text},
        **changes,
    }


@pytest.mark.req("gi-3", part=True)
def test_what_governd_mints_and_extends_is_taken_with_nothing_but_the_trust_bundle() -> None:
    signer = EmbeddedIdentity.signing(EmbeddedAuthority("example.org", NOON), "node-7").current(
        NOON
    )
    order = Order(request=request_binding("POST", URI, body_digest(BODY)))
    stamp = Stamp(signer.spiffe_id, signer.not_after, bytes(range(16)), NOON)
    parent = held(mint(permit(ROUTER, PLANNER), Order(), stamp, (EVIDENCE,)), signer)
    child = extend(parent, permit(PLANNER, TOOLS), order, stamp._replace(token_id=bytes(16)))
    text = sign(child, signer).text.reveal().decode()
    bundles = {"example.org": [base64.b64encode(der).decode() for der in signer.trust_bundle]}
    came = {**ARRIVAL, "peer": ROUTER}
    results = receive(
        {
            "bundles": bundles,
            "vectors": [
                vector("good", text),
                vector("late", text, now=NOW + 180),
                vector("stolen", text, arrival=came),
                vector("elsewhere", text, expectations={**EXPECTATIONS, "audiences": [ROUTER]}),
                vector("forged", text[:-8] + "AAAAAAAA"),
            ],
        }
    )
    assert results["good"]["accepted"]["actors"] == [PLANNER, ROUTER]
    assert results["good"]["accepted"]["binding"] == "BODY"
    reasons = {key: one["rejected"]["reason"] for key, one in results.items() if key != "good"}
    assert reasons == {
        "late": "EXPIRED",
        "stolen": "CALLER",
        "elsewhere": "AUDIENCE",
        "forged": "SIGNATURE",
    }


def held(token: ActingAs, signer: Signer) -> Verified:
    text = sign(token, signer).text.reveal().decode()
    receiver = Receiver(Opener(Verifier({"example.org": signer.trust_bundle})), UsedTokens())
    issuers = (IssuerRule(workload(SIGNERS)),)
    found = receiver.inspect(text, Expectations(frozenset({token.audience}), issuers), NOON)
    assert isinstance(found, Verified)
    return found
