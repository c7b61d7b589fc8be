"""A card that two readers could take differently is no card."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from governd.errors import CardError
from governd.kya.card import AgentCard, CardLimits, CardSignature, Dialect, Interface
from governd.kya.card_reader import read_card
from tests.agent_cards import card, old_card, read, signed, skill, write

URL = "https://planner.example/a2a"


def refused(text: bytes | dict[str, Any], limits: CardLimits | None = None) -> str:
    """Why a card is refused."""
    content = text if isinstance(text, bytes) else write(text)
    with pytest.raises(CardError) as raised:
        read_card(content, limits=limits or CardLimits())
    assert raised.value.reason == "CARD_INVALID"
    assert str(raised.value).startswith(raised.value.field)
    return str(raised.value).removeprefix("card_json")


@pytest.mark.req("gi-6", part=True)
def test_a_card_is_what_it_says() -> None:
    text = write(signed(card(skills=[skill("plan"), skill("book")])))
    found = read(text)
    assert found == AgentCard(
        dialect=Dialect.V1_0,
        name="planner",
        version="1.2.0",
        provider="Acme",
        interfaces=(Interface(URL, "JSONRPC"),),
        skills=("book", "plan"),
        signatures=(CardSignature(**json.loads(text)["signatures"][0]),),
        payload=found.payload,
        digest=found.digest,
        raw=text,
    )
    assert found.raw == text


def test_signatures_are_no_part_of_what_is_signed() -> None:
    assert read(signed(card())).digest == read(card()).digest
    assert b"signatures" not in read(signed(card())).payload


def test_a_card_of_no_provider_is_a_card() -> None:
    assert read(card(provider=None)).provider == ""


def test_a_card_of_the_older_version_is_read() -> None:
    others = [{"url": "grpc.example:443", "transport": "GRPC"}]
    found = read(old_card(additionalInterfaces=others, preferredTransport="HTTP+JSON"))
    assert found.dialect is Dialect.V0_3
    assert found.interfaces == (Interface(URL, "HTTP+JSON"), Interface("grpc.example:443", "GRPC"))


def test_the_transport_of_an_older_card_is_json_rpc_unless_it_says_otherwise() -> None:
    assert read(old_card()).interfaces == (Interface(URL, "JSONRPC"),)


def test_a_tenant_is_part_of_where_an_agent_is_reached() -> None:
    interface = {**card()["supportedInterfaces"][0], "tenant": "blue"}
    assert read(card(supportedInterfaces=[interface])).interfaces[0].tenant == "blue"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"name":"a","name":"b"}', ": is not JSON that has one meaning: an object has a"),
        (b'{"name":"\\ud800"}', ".name: has half a surrogate pair"),
        (b'{"x":NaN}', ": is not JSON that has one meaning"),
        (b'{"x":9007199254740993}', ".x: has an integer beyond 2^53 - 1"),
        (b"[]", ": must be a JSON object"),
        (b"\xff", ": is not valid UTF-8"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, ".a.a.a"),
        (b"[" * 60_000, ""),
    ],
)
def test_json_of_two_meanings_is_refused(text: bytes, why: str) -> None:
    assert refused(text).startswith(why)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": None}, ".name: required"),
        ({"name": ""}, ".name: required"),
        ({"name": "a\nb"}, ".name: must not have control characters"),
        ({"name": "é" * 129}, ".name: has more than 256 bytes"),
        ({"version": 1}, ".version: must be text"),
        ({"description": None}, ".description: required"),
        ({"capabilities": []}, ".capabilities: must be an object"),
        ({"capabilities": {"streaming": "no"}}, ".capabilities.streaming: must be true or false"),
        ({"capabilities": {"streaming": 0}}, ".capabilities.streaming: must be true or false"),
        ({"defaultInputModes": "text"}, ".defaultInputModes: must be a list"),
        ({"defaultInputModes": [1]}, ".defaultInputModes[0]: must be text"),
        ({"skills": [skill("a"), skill("a")]}, ".skills: has two skills of one id"),
        ({"skills": [{"id": "a"}]}, ".skills[0].name: required"),
        ({"securitySchemes": {"x": {"apiKeySecurityScheme": None}}}, ".securitySchemes.x.apiKey"),
        ({"provider": {"organization": "Acme"}}, ".provider.url: required"),
        ({"signatures": {}}, ".signatures: must be a list"),
        ({"signatures": [{"protected": "a"}]}, ".signatures[0].signature: must be text"),
        ({"supportedInterfaces": [{"url": "x" * 2049}]}, ".supportedInterfaces[0].protocolBi"),
    ],
)
def test_a_member_of_another_type_is_refused(changes: dict[str, Any], why: str) -> None:
    members = {name: one for name, one in card().items() if name not in changes}
    members |= {name: one for name, one in changes.items() if one is not None}
    assert refused(members).startswith(why)


def test_null_stands_for_nothing() -> None:
    assert refused({**card(), "provider": None}) == ".provider: must be an object"


def test_a_long_url_is_refused() -> None:
    interface = {**card()["supportedInterfaces"][0], "url": "x" * 2049}
    why = refused(card(supportedInterfaces=[interface]))
    assert why == ".supportedInterfaces[0].url: has more than 2048 bytes"


@pytest.mark.parametrize("version", [None, "0.2.6", "1.0", "0.30", "0.3.\u0663", 3])
def test_a_card_without_interfaces_is_of_the_older_version_or_refused(version: Any) -> None:
    why = refused(old_card(protocolVersion=version))
    assert why == ".supportedInterfaces: required, but in a card of A2A 0.3"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"url": None}, ".url: required"),
        ({"preferredTransport": 1}, ".preferredTransport: must be text"),
        ({"additionalInterfaces": {}}, ".additionalInterfaces: must be a list"),
        ({"additionalInterfaces": [1]}, ".additionalInterfaces[0]: must be an object"),
        ({"additionalInterfaces": [{"url": "x"}]}, ".additionalInterfaces[0].transport: required"),
        ({"skills": None}, ".skills: must be a list"),
        ({"skills": [1]}, ".skills[0]: must be an object"),
        ({"provider": "Acme"}, ".provider: must be an object"),
    ],
)
def test_an_older_card_is_read_as_strictly(changes: dict[str, Any], why: str) -> None:
    assert refused(old_card(**changes)) == why


SPELLINGS = (
    "supported_interfaces",
    "additional_interfaces",
    "preferred_transport",
    "protocol_version",
    "security_schemes",
)


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("made", [card, old_card])
@pytest.mark.parametrize("name", SPELLINGS)
def test_attack_a_second_spelling_of_a_member_of_either_version_is_refused(
    made: Callable[..., dict[str, Any]], name: str
) -> None:
    why = refused(made(**{name: [{"url": "https://evil.example"}]}))
    assert why == f".{name}: is a second spelling of a member"


def test_a_card_of_both_versions_is_reached_where_either_says() -> None:
    grpc, same = (
        {"url": "grpc.example:443", "transport": "GRPC"},
        {"url": URL, "transport": "JSONRPC"},
    )
    found = read(card(url="https://old.example", additionalInterfaces=[grpc, same]))
    assert found.dialect is Dialect.V1_0
    assert found.interfaces == (
        Interface(URL, "JSONRPC"),
        Interface("https://old.example", "JSONRPC"),
        Interface("grpc.example:443", "GRPC"),
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"url": 1}, ".url: must be text"),
        ({"url": URL, "preferredTransport": []}, ".preferredTransport: must be text"),
        ({"additionalInterfaces": [{"url": "x"}]}, ".additionalInterfaces[0].transport: required"),
    ],
)
def test_what_a_card_says_to_readers_of_the_older_version_is_read_as_strictly(
    changes: dict[str, Any], why: str
) -> None:
    assert refused(card(**changes)) == why


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (CardLimits(max_bytes=10), ": has "),
        (CardLimits(max_depth=2), ".signatures[0]: is nested deeper than 2 levels"),
        (CardLimits(max_skills=0), ".skills: has 1 entries, the limit is 0"),
        (CardLimits(max_interfaces=0), ".supportedInterfaces: has 1 entries, the limit is 0"),
        (CardLimits(max_signatures=0), ".signatures: has 1 entries, the limit is 0"),
    ],
)
def test_every_count_has_a_limit(limits: CardLimits, why: str) -> None:
    assert why in refused(signed(card()), limits)
