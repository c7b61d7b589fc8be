"""A misspelt annotation of governd's is refused, never taken for its opposite."""

import pytest

from governd.policy.annotations import AnnotationError, Traits, read_traits
from governd.policy.decision import Obligation

BAD = {
    "empty @id": ({"id": ""}, "permit"),
    "@id with a space": ({"id": "a b"}, "permit"),
    "@id that begins with a slash": ({"id": "/a"}, "permit"),
    "@id of 201 characters": ({"id": "x" * 201}, "permit"),
    "@id with look-alike letters": ({"id": "аll"}, "permit"),
    "@id with a backtick": ({"id": "a`b"}, "forbid"),
    "@id with a line end": ({"id": "a\n"}, "forbid"),
    "@mode of another case": ({"mode": "Shadow"}, "forbid"),
    "@mode without a value": ({"mode": ""}, "forbid"),
    "@mode misspelt": ({"mode": "shadows"}, "permit"),
    "@max_staleness without a unit": ({"max_staleness": "30"}, "permit"),
    "@max_staleness of a fraction": ({"max_staleness": "1.5s"}, "permit"),
    "@max_staleness below zero": ({"max_staleness": "-1s"}, "permit"),
    "@max_staleness of another script": ({"max_staleness": "٣s"}, "permit"),
    "@max_staleness in days": ({"max_staleness": "1d"}, "permit"),
    "@max_staleness without a value": ({"max_staleness": ""}, "permit"),
    "@max_staleness with a space": ({"max_staleness": "30 s"}, "permit"),
    "@max_staleness on a forbid": ({"max_staleness": "30s"}, "forbid"),
    "@obligation on a forbid": ({"obligation": "notify"}, "forbid"),
    "@explicit_denial on a permit": ({"explicit_denial": ""}, "permit"),
    "@obligation without a value": ({"obligation": ""}, "permit"),
    "@obligation in capitals": ({"obligation": "Notify"}, "permit"),
    "@obligation with a trailing comma": ({"obligation": "notify,"}, "permit"),
    "@obligation without an equals sign": ({"obligation": "notify;who"}, "permit"),
    "@obligation with an odd key": ({"obligation": "notify;Who=x"}, "permit"),
    "@obligation with a key twice": ({"obligation": "notify;who=x;who=y"}, "permit"),
}


@pytest.mark.parametrize(("annotations", "effect"), BAD.values(), ids=BAD.keys())
def test_a_value_that_makes_no_sense_is_refused(annotations: dict[str, str], effect: str) -> None:
    with pytest.raises(AnnotationError, match=r"^@"):
        read_traits(annotations, effect=effect)


def test_a_policy_without_annotations_is_enforced_for_ever() -> None:
    assert read_traits({}, effect="permit") == Traits()


@pytest.mark.parametrize(("mode", "shadow"), [("shadow", True), ("enforce", False)])
def test_mode_is_shadow_or_enforce(mode: str, shadow: bool) -> None:
    assert read_traits({"mode": mode}, effect="forbid").shadow is shadow


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("0s", 0)]
)
def test_staleness_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert read_traits({"max_staleness": text}, effect="permit").max_staleness == seconds


def test_obligations_have_types_and_properties() -> None:
    traits = read_traits({"obligation": "notify;who=ops;how=a=b, redact"}, effect="permit")
    assert traits.obligations == (
        Obligation("", "notify", {"who": "ops", "how": "a=b"}),
        Obligation("", "redact"),
    )


def test_no_lease_needs_no_value_and_counts_on_both_effects() -> None:
    assert read_traits({"no_lease": ""}, effect="permit").no_lease
    assert read_traits({"no_lease": ""}, effect="forbid").no_lease


def test_a_forbid_may_ask_for_explicit_denials() -> None:
    assert read_traits({"explicit_denial": ""}, effect="forbid").explicit_denial
    assert not read_traits({}, effect="forbid").explicit_denial


def test_annotations_of_others_mean_nothing() -> None:
    assert read_traits({"owner": "team x", "Mode": "shadow"}, effect="permit") == Traits()


def test_an_id_is_kept() -> None:
    assert read_traits({"id": "git/commit-1"}, effect="permit").id == "git/commit-1"
