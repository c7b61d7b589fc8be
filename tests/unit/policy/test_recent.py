"""The latest values are kept, within the room there is."""

from hypothesis import given
from hypothesis import strategies as st

from governd.policy.recent import Recent


def test_what_is_kept_is_found() -> None:
    recent: Recent[str, int] = Recent(100)
    recent.keep("a", 1, 10)
    assert recent.get("a") == 1
    assert recent.get("b") is None
    recent.clear()
    assert recent.get("a") is None
    assert len(recent) == 0


def test_what_takes_too_much_room_is_not_kept() -> None:
    recent: Recent[str, int] = Recent(100)
    recent.keep("a", 1, 51)
    assert recent.get("a") is None


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), max_size=200))
def test_it_keeps_the_latest_and_no_more_than_there_is_room_for(
    kept: list[tuple[int, int]],
) -> None:
    recent: Recent[int, tuple[int, int]] = Recent(100)
    sizes: dict[int, int] = {}
    for number, (key, chars) in enumerate(kept):
        recent.keep(key, (number, chars), chars)
        if chars <= 50:
            sizes[key] = number
            assert recent.get(key) == (number, chars)
    found = [value for key in sizes if (value := recent.get(key))]
    assert sum(chars for _, chars in found) <= 100
    assert all(sizes[kept[number][0]] >= number for number, _ in found)
