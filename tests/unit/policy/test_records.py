"""Listed entities: in either of Cedar's forms, and never more in one another than is safe."""

import json
from typing import Any

import pytest

from governd.errors import PolicyError
from governd.policy import ancestry
from governd.policy.ancestry import MAX_LEVELS, refuse_tangled, uid_of
from governd.policy.entities import Uid
from tests.policies import ACME, TENANTS, WRITER, ask, compiled

GROUP_OF_STAFF = '@id("x") permit (principal in Group::"staff", action, resource);'


def group(name: str, *parents: str) -> dict[str, Any]:
    return {
        "uid": Uid("Group", name).json(),
        "parents": [Uid("Group", one).json() for one in parents],
    }


def chain(length: int) -> list[dict[str, Any]]:
    """A group in a group in a group; the last one is in nothing."""
    inner = [group(f"g{level}", f"g{level + 1}") for level in range(length)]
    return [*inner, group(f"g{length}")]


def refusal(**parts: Any) -> str:
    with pytest.raises(PolicyError) as error:
        compiled(**parts)
    return str(error.value)


@pytest.mark.parametrize("turned", [False, True])
def test_a_chain_of_4000_groups_is_refused(turned: bool) -> None:
    """Cedar would make eight million pairs of it, and gigabytes."""
    entities = chain(4_000)
    with pytest.raises(PolicyError, match=r'^entities\.json: entities: Group::"g\d+" is in more'):
        refuse_tangled({"entities.json": entities[::-1] if turned else entities})


def test_a_long_chain_never_gets_to_cedar() -> None:
    said = refusal(entities=chain(4_000))
    assert said == 'entities.json: entities: Group::"g1" is in more than 32 levels of others'


@pytest.mark.parametrize("turned", [False, True])
def test_as_many_levels_as_are_allowed_are_fine_and_no_more(turned: bool) -> None:
    for length, fine in [(MAX_LEVELS, True), (MAX_LEVELS + 1, False)]:
        entities = chain(length)[:: -1 if turned else 1]
        if fine:
            assert compiled(entities=entities).graph.record(Uid("Group", f"g{length}")) is not None
        else:
            assert "levels" in refusal(entities=entities)


def test_levels_add_up_over_files() -> None:
    name = f"acme/{MAX_LEVELS}"
    theirs = [group(f"acme/{one}", f"acme/{one + 1}") for one in range(MAX_LEVELS)]
    ours = [group("acme/inner", "acme/0"), group(name)]
    extra = {"tenants/acme/entities.json": json.dumps(theirs)}
    said = refusal(manifest=TENANTS, entities=ours, extra=extra)
    place = 'entities.json: entities: Group::"acme/inner"'
    assert said == f"{place} is in more than 32 levels of others"


def test_pairs_are_limited_over_all_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    entities = [group("a", "c", "d"), group("b", "c", "d"), group("c", "e"), group("d", "e")]
    monkeypatch.setattr(ancestry, "MAX_PAIRS", 8)
    refuse_tangled({"entities.json": entities})
    monkeypatch.setattr(ancestry, "MAX_PAIRS", 7)
    with pytest.raises(PolicyError, match=r'^x: entities: Group::"b" is one too many: '):
        refuse_tangled({"x": entities})


def test_many_groups_all_in_one_another_are_refused() -> None:
    """Within the levels, but each layer of a hundred is in all of the next."""
    layers = [[f"{layer}-{one}" for one in range(100)] for layer in range(MAX_LEVELS)]
    pairs = zip(layers, [*layers[1:], []], strict=True)
    entities = [group(name, *above) for layer, above in pairs for name in layer]
    with pytest.raises(PolicyError, match="more than 200000 others"):
        refuse_tangled({"entities.json": entities})


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
def test_a_group_in_itself_is_named(names: str) -> None:
    circle = [group(one, other) for one, other in zip(names, names[1:] + names[0], strict=True)]
    said = refusal(entities=[group("outside", "a"), *circle])
    assert said == 'entities.json: entities: Group::"a" is in itself'


def test_an_entity_that_is_listed_twice_is_in_all_that_either_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ancestry, "MAX_PAIRS", 1)
    with pytest.raises(PolicyError, match=r'^x: entities: Group::"a" is one too many: '):
        refuse_tangled({"x": [group("a", "b")], "y": [group("a", "c")]})


@pytest.mark.parametrize("reference", [None, 1, "Group::x", [], {"type": "Group"}, {"id": 1}])
def test_what_names_no_entity_has_a_name_that_cedar_refuses(reference: object) -> None:
    assert uid_of(reference) == Uid("", "")


@pytest.mark.parametrize("form", ["plain", "explicit"])
def test_uids_and_parents_count_in_either_form(form: str) -> None:
    agent, staff = Uid("Agent", WRITER).json(), Uid("Group", "staff").json()
    entity = (
        {"uid": agent, "parents": [staff]}
        if form == "plain"
        else {"uid": {"__entity": agent}, "parents": [{"__entity": staff}]}
    )
    policy = compiled(GROUP_OF_STAFF, entities=[entity])
    assert ask(policy).reasons == ("x",)


def test_a_tenants_agent_counts_in_the_explicit_form() -> None:
    entity = {
        "uid": {"__entity": Uid("Agent", ACME).json()},
        "parents": [{"__entity": Uid("Group", "acme/staff").json()}],
    }
    extra = {"tenants/acme/entities.json": json.dumps([entity])}
    record = compiled(manifest=TENANTS, extra=extra).graph.record(Uid("Agent", ACME))
    assert record
    assert Uid("Group", "acme/staff").json() in record["parents"]


def test_an_entity_that_does_not_fit_is_named_in_the_explicit_form() -> None:
    entity = {"uid": {"__entity": Uid("Robot", "r2").json()}}
    assert refusal(entities=[entity]).startswith('entities.json: entities: Robot::"r2": ')


def test_a_uid_in_both_forms_is_whom_governd_judged_and_no_other() -> None:
    both = {**Uid("Group", "staff").json(), "__entity": Uid("Group", "other").json()}
    policy = compiled(entities=[{"uid": both}])
    assert policy.graph.record(Uid("Group", "other")) is not None
    assert policy.graph.record(Uid("Group", "staff")) is None
