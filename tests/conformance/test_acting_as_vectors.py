"""The vectors of acting-as tokens: well-formed, complete, and answered as they say."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from governd.delegation.refusals import AttenuationError
from governd.delegation.rejection import Reason
from tests.acting_as_vectors import FOLDER, agrees, answer, suites

SUITES = dict(suites())
VECTORS = [(name, vector) for name, suite in SUITES.items() for vector in suite["vectors"]]
ELSEWHERE = {Reason.REPLAY_UNKNOWN}
"""Reasons that depend on how much a receiver remembers."""
NOT_BY_EXTENDING = {"OTHER_ACTION", "NO_USER", "SIGNER_ENDING", "OTHER_SIGNER", "TOO_LARGE"}


def schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads((FOLDER / "schema.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", SUITES)
def test_a_file_keeps_to_the_schema(name: str) -> None:
    assert not list(schema().iter_errors(SUITES[name]))


def test_the_schema_finds_what_it_forbids() -> None:
    suite = json.loads(json.dumps(SUITES["tokens"]))
    suite["vectors"][0]["result"] = {"accepted": {}, "rejected": {"reason": "FORM"}}
    assert list(schema().iter_errors(suite))


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("suite", "vector"), [pytest.param(*one, id=f"{one[0]}/{one[1]['id']}") for one in VECTORS]
)
def test_a_vector_has_the_result_that_it_states(suite: str, vector: dict[str, Any]) -> None:
    result = answer(SUITES[suite]["bundles"], vector)
    assert agrees(result, vector["result"]), result


def test_ids_are_unique_in_a_file() -> None:
    for suite in SUITES.values():
        ids = [vector["id"] for vector in suite["vectors"]]
        assert len(ids) == len(set(ids))


def test_every_reason_and_every_rule_has_a_vector() -> None:
    text = json.dumps([vector["result"] for _, vector in VECTORS])
    reasons = set(re.findall(r'"reason": "(\w+)"', text))
    assert reasons == {reason.name for reason in set(Reason) - ELSEWHERE}
    rules = set(re.findall(r'"rule": "(\w+)"', text))
    assert rules == {kind.rule for kind in AttenuationError.__subclasses__()} - NOT_BY_EXTENDING


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize("number", range(8))
def test_attack_any_bit_of_an_accepted_token_flipped(number: int) -> None:
    bundles, vector = SUITES["tokens"]["bundles"], SUITES["tokens"]["vectors"][0]
    token: str = vector["presented"]["token"]
    assert "accepted" in answer(bundles, vector)
    for place in range(number, len(token), 29):
        flipped = chr(ord(token[place]) ^ 1 << number % 7)
        text = token[:place] + flipped + token[place + 1 :]
        assert "rejected" in answer(bundles, {**vector, "presented": {"token": text}}), place
