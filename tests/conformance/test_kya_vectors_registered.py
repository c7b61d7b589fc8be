"""Every vector of agent cards, registered at the use cases under a policy that trusts the same.

The trust of a vector is written as ``[kya]`` of a manifest and compiled; the card is presented
by its caller. A vector whose trust no manifest can state has the domain's run alone.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from governd.errors import CardError
from governd.identity import SpiffeId
from governd.kya.attestation_check import RejectedAttestation
from tests.known_agents import Node, kya_table

FOLDER = Path(__file__).parent / "vectors" / "kya"
FILES = sorted(path for path in FOLDER.glob("*.json") if path.name != "schema.json")
JSON = Mapping[str, Any]
VECTORS = [
    vector
    for path in FILES
    for vector in json.loads(path.read_text(encoding="utf-8"))["vectors"]
    if "card" in vector and all(key["provider"] for key in vector["trust"]["keys"])
]


def table(trust: JSON) -> str:
    """The trust of a vector as ``[kya]``."""
    return kya_table(
        [
            {**key, "not_after": datetime.fromtimestamp(key["not_after"], UTC)}
            if key.get("not_after") is not None
            else {"provider": key["provider"], "jwk": key["jwk"]}
            for key in trust["keys"]
        ],
        trust["bindings"],
        [
            {
                **{name: one[name] for name in ("max_level", "agents") if one.get(name)},
                "spiffe_id": one["attesters"],
            }
            for one in trust["attesters"]
        ],
    )


async def result(vector: JSON) -> JSON:
    node = await Node.started(table(vector["trust"]))
    node.now = float(vector["now"])
    bundles = vector["trust"]["bundles"].items()
    await node.agents.trust(
        {name: tuple(base64.b64decode(one) for one in ders) for name, ders in bundles}
    )
    caller = SpiffeId.parse(vector["caller"])
    if "pinned_card" in vector:
        await node.register(base64.b64decode(vector["pinned_card"]), caller)
    card, attestation = base64.b64decode(vector["card"]), vector.get("attestation", "")
    try:
        agent = await node.register(card, caller, attestation=attestation)
    except CardError as error:
        return {"rejected": {"reason": error.reason}}
    found = {
        "digest": agent.card.digest,
        "signature": agent.vouched.status.name.lower(),
        "level": node.level(caller),
        "drift": [reason.name for reason, _ in agent.drift],
    }
    if isinstance(agent.attestation, RejectedAttestation):
        found["attestation"] = agent.attestation.fault.name
    return {"accepted": found}


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
async def test_a_registered_card_gets_the_result_that_its_vector_states(vector: JSON) -> None:
    wanted, found = vector["result"], await result(vector)
    assert found.keys() == wanted.keys()
    for verdict, stated in wanted.items():
        common = stated.keys() & found[verdict].keys()
        assert common
        assert {name: found[verdict][name] for name in common} == {
            name: stated[name] for name in common
        }
    assert ("attestation" in found.get("accepted", {})) == (
        "attestation" in wanted.get("accepted", {})
    )
