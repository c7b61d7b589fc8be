"""Nobody but policy says what may be minted, and it says so of exactly what was permitted."""

import ast
import copy
import dataclasses
import pickle
from pathlib import Path

import pytest

from governd.errors import MintError
from governd.identity import SpiffeId
from governd.identity.user import User
from governd.policy import allowed
from governd.policy.allowed import Allowed, Ruling, Terms, allow
from governd.policy.decision import Decision, DecisionCode, Obligation
from tests.policies import READER, WRITER, question

GOVERND = Path(allowed.__file__).parents[1]
AUDIENCE = SpiffeId.parse("spiffe://example.org/tools")
TERMS = Terms(AUDIENCE, ("a", "b"), (), User("https://idp.example", "alice"))
RULING = Ruling("0" * 32, "sha-256:00")
PERMIT = Decision(DecisionCode.PERMITTED, ("p",))
ASKED = question(action="delegation/mint", resource=f"agent:{AUDIENCE}")


def test_a_permit_is_for_exactly_what_was_asked() -> None:
    found = allow(ASKED, PERMIT, TERMS, RULING)
    assert (str(found.principal), found.action) == (WRITER, "delegation/mint")
    assert (found.resource, found.terms, found.ruling) == (ASKED.resource, TERMS, RULING)


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize("code", [code for code in DecisionCode if code.name != "PERMITTED"])
def test_no_permit_no_mint(code: DecisionCode) -> None:
    with pytest.raises(MintError) as raised:
        allow(ASKED, Decision(code), TERMS, RULING)
    assert raised.value.metadata == {"rule": code.name, "decision_id": RULING.decision_id}


def test_a_permit_with_obligations_that_nobody_performs_is_none() -> None:
    with pytest.raises(MintError) as raised:
        allow(
            ASKED,
            dataclasses.replace(PERMIT, obligations=(Obligation("p", "step-up"),)),
            TERMS,
            RULING,
        )
    assert raised.value.metadata["rule"] == "OBLIGATIONS"


def test_attack_minting_for_another_subject() -> None:
    asked = question(subject=READER, action="delegation/mint", asserted_by=WRITER)
    with pytest.raises(MintError) as raised:
        allow(asked, PERMIT, TERMS, RULING)
    assert raised.value.metadata["rule"] == "OTHER_SUBJECT"


def test_nobody_else_makes_one() -> None:
    found = allow(ASKED, PERMIT, TERMS, RULING)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    for seal in (None, object(), found):
        with pytest.raises(TypeError, match="only policy"):
            Allowed(seal, **values)


def test_no_copy_says_another_thing() -> None:
    found = allow(ASKED, PERMIT, TERMS, RULING)
    with pytest.raises(ValueError, match="seal"):
        dataclasses.replace(found, terms=TERMS._replace(scopes=("admin",)))  # type: ignore[call-arg]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.action = "other"  # type: ignore[misc]
    assert copy.copy(found) == found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  what we pickled ourselves


def test_no_module_of_governd_breaks_the_seal() -> None:
    for path in GOVERND.rglob("*.py"):
        if path == Path(allowed.__file__) or "_proto" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else node
            names = {getattr(called, "id", ""), getattr(called, "attr", "")}
            assert "_SEAL" not in names, path
            assert not (isinstance(node, ast.Call) and "Allowed" in names), path
