"""What a question may be made of."""

import pytest

from governd.errors import RequestError
from governd.policy.question import MAX_ID_BYTES, MAX_NAME_BYTES, parse_name, parse_resource

CONTROL = [chr(code) for code in (*range(0x20), 0x7F)]


@pytest.mark.parametrize("text", ["", "a\0b", "x" * (MAX_NAME_BYTES + 1), "é" * 129])
def test_a_name_is_required_bounded_and_printable(text: str) -> None:
    with pytest.raises(RequestError, match=r"^action: ") as refusal:
        parse_name(text, field="action")
    assert refusal.value.field == "action"


@pytest.mark.parametrize("char", CONTROL, ids=ascii)
def test_control_characters_are_refused(char: str) -> None:
    with pytest.raises(RequestError, match="control characters"):
        parse_name(f"tools/call{char}", field="action")


@pytest.mark.parametrize("text", ["tools/call", "x" * MAX_NAME_BYTES, "~ é", "а"])
def test_a_name_is_kept_as_it_is(text: str) -> None:
    assert parse_name(text, field="action") == text


def test_an_id_may_be_longer_than_a_name() -> None:
    assert parse_resource("resource", "x" * MAX_ID_BYTES).id == "x" * MAX_ID_BYTES
    with pytest.raises(RequestError, match=r"^resource\.id: has more than 2048 bytes"):
        parse_resource("resource", "x" * (MAX_ID_BYTES + 1))


def test_both_parts_of_a_resource_are_required() -> None:
    with pytest.raises(RequestError, match=r"^resource\.type: required"):
        parse_resource("", "x")
    with pytest.raises(RequestError, match=r"^resource\.id: required"):
        parse_resource("tool", "")


def test_an_agent_is_named_by_its_spiffe_id() -> None:
    assert parse_resource("agent", "spiffe://example.org/a").id == "spiffe://example.org/a"
    with pytest.raises(RequestError, match=r"^resource\.id: a SPIFFE ID"):
        parse_resource("agent", "writer")
