"""Who may call on an mTLS listener, and what is kept of callers."""

from datetime import timedelta

import pytest

from governd.endpoints.limits import Admissions
from governd.endpoints.peer import Peers, presented_on
from governd.errors import PeerError
from governd.identity import Attestation, Caller
from governd.identity.verification import Presented, Verifier
from tests.fakes.authority import HOUR, NOON, Authority
from tests.unit.endpoints.doubles import Clock, Context, Limits

WRITER = "spiffe://example.org/agent/writer"
OURS = Authority("example.org")
PARTNER = Authority("partner.org")
BUNDLES = {"example.org": OURS.bundle, "partner.org": PARTNER.bundle}


class House:
    """Peers with all that they need, at noon."""

    def __init__(
        self, trust_domains: tuple[str, ...] = ("example.org",), allowed_ids: tuple[str, ...] = ()
    ) -> None:
        self.now = NOON
        self.verifier = Verifier(BUNDLES)
        self.admissions = Admissions(Limits())
        self.peers = Peers(
            self.verifier,
            self.admissions,
            listener="front",
            trust_domains=trust_domains,
            allowed_ids=allowed_ids,
            wall_clock=lambda: self.now,
            clock=Clock(),
        )

    def refusal(self, presented: Presented) -> str:
        with pytest.raises(PeerError) as error:
            self.peers.identify(presented)
        return str(error.value)


def test_a_caller_is_the_certificates_and_attested_so() -> None:
    account, claim = House().peers.identify(OURS.issue(WRITER).presented)
    assert isinstance(account.caller, Caller)
    assert str(account.caller.spiffe_id) == WRITER
    assert account.caller.attestation is Attestation.MTLS
    assert account.caller.facts == {"listener": "front"}
    assert claim.peer.not_after == NOON + HOUR


def test_two_certificates_of_one_caller_have_one_account() -> None:
    house = House()
    first, _ = house.peers.identify(OURS.issue(WRITER).presented)
    second, _ = house.peers.identify(OURS.issue(WRITER).presented)
    assert first is second
    assert list(house.peers.accounts()) == [first]


def test_a_callers_limits_are_those_it_has_on_other_listeners() -> None:
    house = House()
    elsewhere = house.admissions.of(WRITER, 0.0)
    account, _ = house.peers.identify(OURS.issue(WRITER).presented)
    assert account.admission is elsewhere


def test_callers_of_other_trust_domains_are_not_taken() -> None:
    theirs = PARTNER.issue("spiffe://partner.org/agent/buyer").presented
    assert House().refusal(theirs) == "callers of the trust domain partner.org are not taken here"
    assert House(("partner.org",)).peers.identify(theirs)
    assert House(("partner.org",)).refusal(OURS.issue(WRITER).presented).startswith("callers of")


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [
        ("spiffe://example.org", True),
        ("spiffe://example.org/agent", True),
        (WRITER, True),
        ("spiffe://example.org/age", False),
        (f"{WRITER}/x", False),
    ],
)
def test_an_allowed_id_covers_what_lies_below_it(allowed: str, taken: bool) -> None:
    house = House(allowed_ids=("spiffe://example.org/mcp", allowed))
    presented = OURS.issue(WRITER).presented
    if taken:
        assert house.peers.identify(presented)
    else:
        assert house.refusal(presented) == f"{WRITER} is not among the callers that are taken here"


def test_somebody_who_may_not_call_has_no_account() -> None:
    house = House(allowed_ids=("spiffe://example.org/mcp",))
    house.refusal(OURS.issue(WRITER).presented)
    house.refusal(OURS.issue("spiffe://example.org").presented)
    assert not list(house.peers.accounts())


def test_a_claim_holds_until_the_certificate_ends() -> None:
    house = House()
    _, claim = house.peers.identify(OURS.issue(WRITER).presented)
    assert house.peers.seconds_left(claim) == 3600
    house.now = NOON + HOUR
    assert house.peers.seconds_left(claim) == 0
    house.now += timedelta(milliseconds=1)
    with pytest.raises(PeerError, match="has expired"):
        house.peers.seconds_left(claim)


def test_a_claim_holds_while_the_bundles_say_so() -> None:
    house = House()
    _, claim = house.peers.identify(OURS.issue(WRITER).presented)
    house.verifier.replace({**BUNDLES, "example.org": (*OURS.bundle, *PARTNER.bundle)})
    assert house.peers.seconds_left(claim) == 3600
    house.verifier.replace({"partner.org": OURS.bundle})
    with pytest.raises(PeerError, match="not trusted here"):
        house.peers.seconds_left(claim)


def test_accounts_are_bounded_and_those_in_use_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("governd.endpoints.peer._ACCOUNTS", 2)
    house = House()
    first, second = (
        house.peers.identify(OURS.issue(f"{WRITER}{number}").presented)[0] for number in range(2)
    )
    first.in_flight = 1
    third, _ = house.peers.identify(OURS.issue(WRITER).presented)
    assert list(house.peers.accounts()) == [first, third]
    third.in_flight = 1
    fourth, _ = house.peers.identify(OURS.issue(f"{WRITER}4").presented)
    assert list(house.peers.accounts()) == [first, third, fourth]
    assert second not in house.peers.accounts()


@pytest.mark.parametrize("others", [b"", b"more"])
def test_the_certificates_of_a_call_are_those_of_its_connection(others: bytes) -> None:
    presented = Presented(b"leaf", others)
    assert presented_on(Context(presented=presented)) == presented  # type: ignore[arg-type]  # a double


def test_a_connection_without_a_certificate_presents_none() -> None:
    with pytest.raises(PeerError, match="no client certificate"):
        presented_on(Context())  # type: ignore[arg-type]  # a double
