"""What is held is bounded, ends when it has to, and is found by all of its key."""

from dataclasses import replace

import pytest

from governd.application.token_cache import TokenCache
from governd.identity import SpiffeId
from governd.identity.secret import Secret
from governd.tokens.check import AccessToken
from governd.tokens.held import Held, TokenKey, hold
from tests.fakes.time import FakeTime

pytestmark = pytest.mark.req("c-3", part=True)

AGENT, OTHER = (SpiffeId.parse(f"spiffe://example.org/agent/{name}") for name in ("one", "two"))
KEY = TokenKey(AGENT, "evidence", "crm", ("read",), "definition")
TIME = FakeTime()


def held(lifetime: float = 300) -> Held:
    token = AccessToken(Secret(b"token"), "digest", TIME.wall + lifetime, ("read",), "jti", "sub")
    return hold(token, None, rests_on=(), now=TIME.wall, jitter=0)


def cache(entries: int = 3) -> TokenCache:
    return TokenCache(entries)


def test_a_token_is_found_by_its_key() -> None:
    one, token = cache(), held()
    one.keep(KEY, token)
    assert one.take(KEY, TIME.wall) is token


@pytest.mark.parametrize(
    "other",
    [
        {"caller": OTHER},
        {"evidence": "another"},
        {"upstream": "files"},
        {"scopes": ("read", "write")},
        {"definition": "another"},
    ],
)
def test_attack_a_key_that_differs_in_anything_finds_nothing(other: dict[str, object]) -> None:
    one = cache()
    one.keep(KEY, held())
    assert one.take(KEY._replace(**other), TIME.wall) is None  # type: ignore[arg-type]


async def test_what_has_ended_is_not_found() -> None:
    one = cache()
    one.keep(KEY, held(10))
    await TIME.advance(9)
    assert one.take(KEY, TIME.wall)
    await TIME.advance(1)
    assert one.take(KEY, TIME.wall) is None
    assert len(one) == 0


def test_the_one_that_was_used_longest_ago_makes_room() -> None:
    one = cache(entries=2)
    keys = [KEY._replace(upstream=name) for name in ("a", "b", "c")]
    for key in keys[:2]:
        one.keep(key, held())
    one.take(keys[0], TIME.wall)
    one.keep(keys[2], held())
    assert [one.take(key, TIME.wall) is not None for key in keys] == [True, False, True]


def test_attack_a_caller_that_drives_out_what_others_hold() -> None:
    one = cache(entries=4)
    one.keep(KEY._replace(caller=OTHER), held())
    for number in range(10):
        one.keep(KEY._replace(upstream=str(number)), held())
    assert len(one) == 4
    assert one.take(KEY._replace(caller=OTHER), TIME.wall)
    assert [entry.key.upstream for entry in one] == ["7", "8", "9", "crm"]


def test_uses_are_counted_anew_with_a_new_token() -> None:
    one = cache()
    one.keep(KEY, held())
    for _ in range(2):
        one.take(KEY, TIME.wall)
    assert [entry.uses for entry in one] == [2]
    one.keep(KEY, replace(held(), issued_at=1))
    assert [entry.uses for entry in one] == [0]


def test_what_is_dropped_is_gone_and_may_be_dropped_again() -> None:
    one = cache()
    one.keep(KEY, held())
    for _ in range(2):
        one.drop(KEY)
    assert one.take(KEY, TIME.wall) is None
    one.keep(KEY, held())
    one.clear()
    assert list(one) == []


def test_a_sweep_leaves_what_is_kept_and_how_long_ago_each_was_used() -> None:
    one = cache(entries=2)
    keys = [KEY._replace(upstream=name) for name in ("a", "b")]
    for key in keys:
        one.keep(key, held())
    one.take(keys[0], TIME.wall)
    assert list(one.sweep(lambda _key, _held: True)) == []
    one.keep(KEY._replace(upstream="files"), held())
    assert [entry.key.upstream for entry in one] == ["a", "files"]
    for _ in one.sweep(lambda key, _: key.upstream == "files"):
        pass
    assert [entry.key.upstream for entry in one] == ["files"]


def test_a_sweep_holds_nobody_up_and_leaves_what_came_meanwhile() -> None:
    one = cache(entries=5000)
    keys = [KEY._replace(upstream=str(number)) for number in range(3000)]
    for key in keys:
        one.keep(key, held())
    token = held()
    steps = 0
    for _ in one.sweep(lambda _key, _held: False):
        steps += 1
        one.drop(keys[-1])
        one.keep(keys[-1], token)
    assert steps == 2
    assert [entry.held for entry in one] == [token]
