"""Every vector of agent cards and attestations gets the result that it states.

The vectors are data for verifiers in any language (``vectors/kya/schema.json``); this is the
domain's own run of them.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from governd.errors import CardError
from governd.identity import SpiffeId
from governd.identity.verification import Verifier
from governd.kya.attestation_check import (
    AttestationCheck,
    AttestationFault,
    AttesterRule,
    Expected,
    RejectedAttestation,
)
from governd.kya.binding import BindingRule
from governd.kya.card import AgentCard, CardLimits
from governd.kya.card_keys import CardKeys, PinnedKey
from governd.kya.card_reader import read_card
from governd.kya.card_signature import SignatureStatus, Trust
from governd.kya.drift import DriftReason
from governd.kya.level import Level
from governd.kya.registered_agent import RegisteredAgent
from tests.agent_cards import register

FOLDER = Path(__file__).parent / "vectors" / "kya"
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
FILES = sorted(path for path in FOLDER.glob("*.json") if path.name != "schema.json")
DOCUMENTS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
VECTORS = [vector for document in DOCUMENTS.values() for vector in document["vectors"]]
JSON = Mapping[str, Any]

A2A_ATTACKS = {
    "lossy-json",
    "default-dropped",
    "default-explicit",
    "jku-internal-host",
    "unprotected-header",
    "card-swap",
    "swapped-after-attestation",
    "swapped-after-both",
}
FORGERIES = {"attestation-expired", "attestation-unsigned", "attestation-other-agent"}


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class World:
    """What a vector says of whoever verifies."""

    def __init__(self, vector: JSON) -> None:
        self._vector, trust = vector, vector["trust"]
        self.now = moment(vector["now"])
        self.caller = SpiffeId.parse(vector["caller"])
        bundles = trust["bundles"].items()
        self.verifier = Verifier(
            {name: [base64.b64decode(one) for one in ders] for name, ders in bundles}
        )
        self.keys = CardKeys([key_of(one) for one in trust["keys"]])
        self.bindings = [
            BindingRule(**{**one, "urls": frozenset(one.get("urls", ()))})
            for one in trust["bindings"]
        ]
        self.check = AttestationCheck(
            self.verifier,
            [
                AttesterRule(one["attesters"], Level(one["max_level"]), one.get("agents", ""))
                for one in trust["attesters"]
            ],
        )

    def read(self, member: str) -> AgentCard:
        return read_card(base64.b64decode(self._vector[member]), limits=CardLimits())

    def registered(self) -> RegisteredAgent:
        trust = Trust(self.keys, self.verifier, self.caller, self.now)
        previous, attestation, card = None, None, self.read("card")
        if "pinned_card" in self._vector:
            previous = register(None, self.read("pinned_card"), trust, self.bindings)
        if "attestation" in self._vector:
            expected = Expected(self.caller, card_digest=card.digest)
            attestation = self.check.check(self._vector["attestation"], expected, self.now)
        return register(previous, card, trust, self.bindings, attestation)


def key_of(stated: JSON) -> PinnedKey:
    not_after = stated.get("not_after")
    return PinnedKey.parse(
        stated["provider"],
        json.dumps(stated["jwk"]).encode(),
        not_after=None if not_after is None else moment(not_after),
    )


def result_of_card(vector: JSON, wanted: JSON) -> JSON:
    try:
        agent = World(vector).registered()
    except CardError as error:
        stated = wanted.get("rejected", {}).get("field", "?")
        field = stated if error.field.startswith(stated) else error.field
        return {"rejected": {"reason": error.reason, "field": field}}
    rejected = agent.attestation
    found = {
        "digest": agent.card.digest,
        "payload": base64.b64encode(agent.card.payload).decode(),
        "signature": agent.vouched.status.name.lower(),
        "level": int(agent.level(World(vector).now)),
        "drift": [reason.name for reason, _ in agent.drift],
    }
    if isinstance(rejected, RejectedAttestation):
        found["attestation"] = rejected.fault.name
    stated = wanted.get("accepted", {}).keys() | ({"attestation"} & found.keys())
    return {"accepted": {name: found[name] for name in found if name in stated}}


def result_of_attestation(vector: JSON) -> JSON:
    world, expected = World(vector), vector["expected"]
    found = world.check.check(
        vector["attestation"],
        Expected(world.caller, frozenset(expected["certificates"]), expected["card_digest"]),
        world.now,
    )
    if isinstance(found, RejectedAttestation):
        return {"rejected": {"reason": found.fault.name}}
    return {"accepted": {"level": int(found.level)}}


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_vector_gets_the_result_that_it_states(vector: JSON) -> None:
    wanted = vector["result"]
    found = result_of_card(vector, wanted) if "card" in vector else result_of_attestation(vector)
    assert found == wanted


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_file_is_what_its_schema_says(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    errors = Draft202012Validator(SCHEMA).iter_errors(DOCUMENTS[name])
    assert not [f"{list(one.absolute_path)}: {one.message}" for one in errors]


def test_no_two_vectors_have_one_id_and_none_of_the_attacks_is_missing() -> None:
    ids = [vector["id"] for vector in VECTORS]
    assert len(set(ids)) == len(ids)
    assert set(ids) >= A2A_ATTACKS | FORGERIES


def test_cards_that_mean_the_same_have_one_digest() -> None:
    digests = {
        vector["id"]: vector["result"]["accepted"]["digest"]
        for vector in DOCUMENTS["canonical.json"]["vectors"]
        if "accepted" in vector["result"]
    }
    same = {"card-plain", "card-written-otherwise", "card-defaults-written-out"}
    assert len({digests[name] for name in same}) == 1
    assert len(set(digests.values())) == len(digests) - len(same) + 1


def test_every_outcome_has_a_vector() -> None:
    results = [vector["result"] for vector in VECTORS]
    accepted = [result["accepted"] for result in results if "accepted" in result]
    faults = {result["rejected"]["reason"] for result in results if "rejected" in result}
    assert {one.get("level") for one in accepted} >= set(map(int, Level))
    assert {one.get("signature") for one in accepted} >= {
        status.name.lower() for status in SignatureStatus
    }
    assert {name for one in accepted for name in one.get("drift", ())} == {
        reason.name for reason in DriftReason
    }
    assert faults == {fault.name for fault in AttestationFault} | {"CARD_INVALID"}
