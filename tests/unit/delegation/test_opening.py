"""What is remembered of a token never makes it count where it would not otherwise."""

from datetime import timedelta

import pytest

from governd.delegation import opening
from governd.delegation.opening import Opener
from governd.delegation.rejection import RejectionError
from governd.delegation.replay import UsedTokens
from governd.delegation.verification import Receiver, Verified
from tests.fakes.authority import NOON
from tests.fakes.forge import ARRIVAL, EXPECTED, NOW, Forge, rejected

FORGE = Forge(lifetime=timedelta(seconds=200))
TEXT = FORGE.token()


def test_a_token_that_was_seen_is_not_opened_again() -> None:
    opener = Opener(FORGE.verifier)
    assert opener.open(TEXT, NOON) is opener.open(TEXT, NOON)


@pytest.mark.req("r-3", part=True)
def test_a_token_that_was_seen_is_forgotten_when_trust_bundles_change() -> None:
    verifier = FORGE.verifier
    opener = Opener(verifier)
    opener.open(TEXT, NOON)
    verifier.replace({})
    with pytest.raises(RejectionError):
        opener.open(TEXT, NOON)


def test_a_token_that_was_seen_counts_within_its_signers_time_only() -> None:
    opener = Opener(FORGE.verifier)
    opener.open(TEXT, NOON)
    for moment in (NOON + timedelta(seconds=201), NOON - timedelta(seconds=1)):
        with pytest.raises(RejectionError):
            opener.open(TEXT, moment)


def test_everything_but_the_signature_is_asked_again() -> None:
    receiver = Receiver(Opener(FORGE.verifier), UsedTokens())
    assert isinstance(receiver.receive(TEXT, EXPECTED, ARRIVAL, NOON), Verified)
    late = NOON + timedelta(seconds=180)
    assert not isinstance(receiver.inspect(TEXT, EXPECTED, late), Verified)
    assert not isinstance(receiver.receive(TEXT, EXPECTED, ARRIVAL, NOON), Verified)


def test_what_was_refused_is_not_remembered_as_anything() -> None:
    opener = Opener(FORGE.verifier)
    for _ in range(2):
        with pytest.raises(RejectionError):
            opener.open(TEXT[:-4], NOON)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_REMEMBERED", 2)
    opener = Opener(FORGE.verifier)
    texts = [FORGE.token(exp=NOW + second) for second in (100, 110, 120)]
    first, second, _third = (opener.open(text, NOON) for text in texts)
    assert opener.open(texts[1], NOON) is second
    assert opener.open(texts[0], NOON) is not first


def test_another_spelling_of_the_same_token_is_another_token() -> None:
    opener = Opener(FORGE.verifier)
    opener.open(TEXT, NOON)
    for changed in (TEXT + "=", TEXT + " ", f" {TEXT}", TEXT + "\ud800"):
        assert rejected(FORGE, changed) == "FORM"
