"""What is revoked is what was meant, until its time, and reads back as it was."""

import hashlib
import json
from typing import Any

import pytest

from governd.delegation.revocation_list import (
    MAX_REASON_BYTES,
    MAX_REVOCATIONS,
    MAX_SECONDS,
    Kind,
    Revocation,
    RevocationList,
    Target,
    revocation,
)
from governd.delegation.revocation_text import MAX_BYTES, read_revocations, write_revocations
from governd.delegation.revocations import Revocations
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.identity.user import User

pytestmark = pytest.mark.req("gi-3", part=True)

AGENT = "spiffe://example.org/ns/web/sa/agent"
USER = "https://idp.example#alice"
TARGETS = [
    Target(Kind.USER, USER),
    Target(Kind.WORKLOAD, AGENT),
    Target(Kind.TRANSACTION, "txn-1"),
    Target(Kind.TOKEN, "jti-1"),
]
NOW = 1000.0


def revoked(*targets: Target, seconds: float = 60.0) -> RevocationList:
    entries = (revocation(one, now=NOW, seconds=seconds, reason="stölen") for one in targets)
    return RevocationList(tuple(entries))


def test_receivers_of_tokens_are_told_of_all() -> None:
    assert revoked(*TARGETS).value() == Revocations(
        transactions=frozenset({"txn-1"}),
        tokens=frozenset({"jti-1"}),
        users=frozenset({User("https://idp.example", "alice")}),
        workloads=frozenset({SpiffeId.parse(AGENT)}),
    )


def test_a_revocation_ends_at_its_time() -> None:
    one = revoked(*TARGETS)
    assert one.at(NOW + 59.9) is one
    assert one.at(NOW + 60).entries == ()


def test_revoking_again_says_anew_until_when() -> None:
    later = revocation(TARGETS[1], now=NOW + 5, seconds=1)
    found = revoked(*TARGETS).adding(later)
    assert len(found.entries) == len(TARGETS)
    assert found.entries[-1] is later


def test_nothing_is_forgotten_to_make_room() -> None:
    names = (Target(Kind.TOKEN, str(number)) for number in range(MAX_REVOCATIONS))
    full = revoked(*names)
    again = full.adding(revocation(Target(Kind.TOKEN, "0"), now=NOW, seconds=9))
    assert len(again.entries) == MAX_REVOCATIONS
    with pytest.raises(RequestError, match="already"):
        full.adding(revocation(Target(Kind.TOKEN, "more"), now=NOW, seconds=9))


@pytest.mark.parametrize(
    "target",
    [
        Target(Kind.USER, "alice"),
        Target(Kind.USER, "#alice"),
        Target(Kind.USER, "https://idp.example#a\nb"),
        Target(Kind.WORKLOAD, "spiffe://example.org"),
        Target(Kind.WORKLOAD, "spiffe://EXAMPLE.org/agent"),
        Target(Kind.WORKLOAD, AGENT + "/"),
        Target(Kind.TRANSACTION, "x" * 129),
        Target(Kind.TOKEN, ""),
        Target(Kind.TOKEN, "x" * 257),
    ],
)
def test_attack_a_name_that_means_nobody(target: Target) -> None:
    with pytest.raises(RequestError) as raised:
        revocation(target, now=NOW, seconds=60)
    assert raised.value.field.startswith("revoked.")


@pytest.mark.parametrize("seconds", [0, 0.5, -1, MAX_SECONDS + 1, float("nan"), float("inf")])
def test_a_lifetime_has_bounds(seconds: float) -> None:
    with pytest.raises(RequestError, match="lifetime"):
        revocation(TARGETS[0], now=NOW, seconds=seconds)


@pytest.mark.parametrize("reason", ["x" * (MAX_REASON_BYTES + 1), "a\nb", "\ud800"])
def test_a_reason_has_bounds(reason: str) -> None:
    with pytest.raises(RequestError, match="reason"):
        revocation(TARGETS[0], now=NOW, seconds=60, reason=reason)


def test_a_list_reads_back_as_it_was() -> None:
    for one in (RevocationList(), revoked(*TARGETS)):
        assert read_revocations(write_revocations(one)) == one


def test_the_longest_list_fits_its_file() -> None:
    name = "https://" + "é" * 508 + "#" + "é" * 505
    users = (Target(Kind.USER, f"{name}{number:04}") for number in range(MAX_REVOCATIONS))
    entries = (revocation(one, now=NOW, seconds=9, reason="é" * 128) for one in users)
    assert len(write_revocations(RevocationList(tuple(entries)))) < MAX_BYTES


GOOD: dict[str, Any] = {"kind": "token", "name": "x", "since": 1, "until": 2, "reason": ""}


def file(text: bytes) -> bytes:
    return text + b"\n" + hashlib.sha256(text).hexdigest().encode() + b"\n"


def listing(*entries: object, **members: object) -> bytes:
    return file(json.dumps({"format": 1, "revoked": entries, **members}).encode())


def test_a_file_by_hand_reads() -> None:
    assert read_revocations(listing(GOOD)).entries == (Revocation(Target(Kind.TOKEN, "x"), 1, 2),)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", file(b""), file(b"[]"), file(b"{}"), listing(GOOD)[:-1], listing() + b"\n"),
        *(listing(GOOD).replace(b'"x"', b'"y"'), listing(GOOD, GOOD), listing(1), listing([])),
        *(listing(format=2), listing(more=1), listing(revoked={})),
        *(listing({**GOOD, **change}) for change in ({"kind": "x"}, {"kind": 1}, {"more": 1})),
        *(listing({**GOOD, **change}) for change in ({"name": ""}, {"name": 1}, {"reason": None})),
        *(listing({**GOOD, **change}) for change in ({"since": 3}, {"until": "2"}, {"since": -1})),
        listing(*({**GOOD, "name": str(number)} for number in range(MAX_REVOCATIONS + 1))),
    ],
)
def test_attack_a_file_that_was_changed(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_revocations(content)
