"""What is kept of an agent is read back as it was, or not at all."""

import hashlib
import json
from typing import Any

import pytest

from governd.kya.agent_text import MAX_CERTIFICATES, read_agent, write_agent
from governd.kya.kept_agent import KeptAgent
from tests.agent_cards import CALLER, card, read, signed, skill

SIGNED = read(signed(card()))
OTHER = read(card(skills=[skill("pay")], description="Pl\u00e4nt \u20ac"))
FIRST = KeptAgent.presented(CALLER, SIGNED)
SWAPPED = KeptAgent.presented(
    CALLER,
    OTHER,
    FIRST.vouched_for(by_provider=True),
    attestation="a.b.c",
    certificates=frozenset({"A" * 43, "B" * 43}),
)


def sealed(members: dict[str, Any]) -> bytes:
    line = json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return line + json.dumps({"sha-256": hashlib.sha256(line).hexdigest()}).encode() + b"\n"


def changed(**changes: Any) -> bytes:
    return sealed({**json.loads(write_agent(SWAPPED).splitlines()[0]), **changes})


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("agent", [FIRST, SWAPPED, SWAPPED.vouched_for(by_provider=True)])
def test_what_was_written_is_read_back(agent: KeptAgent) -> None:
    found = read_agent(write_agent(agent))
    assert found == agent
    assert (found.card.raw, found.pin.card.raw) == (agent.card.raw, agent.pin.card.raw)


@pytest.mark.req("gi-6", part=True)
def test_a_signature_that_the_pinned_card_gains_is_held_to() -> None:
    assert FIRST.vouched_for(by_provider=True).pin.by_provider
    assert not FIRST.vouched_for(by_provider=False).pin.by_provider
    assert SWAPPED.pin.by_provider, "it was gained before"
    assert not SWAPPED.by_provider, "another card has to be signed itself"


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"spiffe_id": "planner"},
        {"card": "{}"},
        {"card": "{"},
        {"pinned": "[]"},
        {"by_provider": 1},
        {"certificates": ["A" * 42]},
        {"certificates": ["A" * 43] * (MAX_CERTIFICATES + 1)},
        {"certificates": ["B" * 43, "A" * 43]},
        {"attestation": "x" * 8193},
        {"more": 1},
    ],
    ids=str,
)
def test_what_no_agent_says_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an agent "):
        read_agent(changed(**changes))


@pytest.mark.req("gi-6", part=True)
def test_any_byte_that_is_another_is_noticed() -> None:
    content = write_agent(SWAPPED)
    for place in range(0, len(content), 7):
        broken = bytearray(content)
        broken[place] ^= 1
        with pytest.raises(ValueError, match="an agent "):
            read_agent(bytes(broken))
    for cut in (0, 1, len(content) // 2, len(content) - 1):
        with pytest.raises(ValueError, match="damaged"):
            read_agent(content[:cut])
