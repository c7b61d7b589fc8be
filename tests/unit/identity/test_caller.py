"""Who can be at the other end of a channel, as logs and limits name them."""

from governd.identity import KUBELET, OPERATOR, Attestation, Caller, Newcomer, SpiffeId


def test_nobody_is_named_like_somebody_else() -> None:
    spiffe_id = SpiffeId.parse("spiffe://example.org/kubelet")
    everybody = [KUBELET, OPERATOR, Newcomer("kubelet"), Caller(spiffe_id, Attestation.MTLS)]
    assert list(map(str, everybody)) == [
        "kubelet",
        "operator",
        "listener:kubelet",
        "spiffe://example.org/kubelet",
    ]
