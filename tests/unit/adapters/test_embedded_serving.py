"""The embedded CA's serving identity, as TLS takes it."""

from datetime import timedelta

from governd.adapters.embedded_ca import LEAF_LIFETIME, EmbeddedAuthority, EmbeddedIdentity
from governd.adapters.embedded_serving import EmbeddedServing
from governd.identity.verification import verify_svid
from tests.fakes.signer import NOON


class Served:
    """A serving identity at a time that a test sets."""

    def __init__(self) -> None:
        self.now = NOON
        identity = EmbeddedIdentity.serving(EmbeddedAuthority("example.org", NOON), "node")
        self.serving = EmbeddedServing(identity, lambda: self.now)


def test_it_is_an_svid_of_governds_own() -> None:
    serving = Served().serving
    bundles = {"example.org": serving.trust_bundle}
    peer = verify_svid(serving.current().chain, bundles, NOON)
    assert peer.spiffe_id == serving.current().spiffe_id
    assert str(peer.spiffe_id) == "spiffe://example.org/governd/server/node"


def test_it_is_the_same_until_half_of_its_lifetime() -> None:
    served = Served()
    first = served.serving.current()
    served.now = NOON + LEAF_LIFETIME / 2
    assert served.serving.current() is first
    served.now += timedelta(seconds=1)
    second = served.serving.current()
    assert second is not first
    assert second.not_after > first.not_after
