"""Only policies that can apply are asked, and tenants' only where they count."""

import pytest

from governd.errors import PolicyError
from governd.policy import handles, inquiry
from governd.policy.handles import SetKey
from governd.policy.inquiry import translate
from tests.policies import PERMIT_ALL, READER, TENANTS, WRITER, ask, compiled, question


def test_the_cost_of_a_question_does_not_depend_on_policies_about_others() -> None:
    others = "".join(
        f'@id("p{n}") permit (principal == Agent::"{WRITER}-{n}", action, resource);'
        for n in range(200)
    )
    policy = compiled(others + PERMIT_ALL)
    inquiry = translate(policy, question(WRITER))
    assert len(inquiry.asked.sets.enforced) < 10
    assert ask(policy, f"{WRITER}-7").reasons == ("all", "p7")


def test_questions_with_the_same_candidates_share_a_handle() -> None:
    policy = compiled(PERMIT_ALL)
    first, second = (translate(policy, question(subject)) for subject in (WRITER, READER))
    assert first.asked.sets is second.asked.sets


def test_without_shadow_policies_there_is_one_set() -> None:
    assert translate(compiled(PERMIT_ALL), question()).asked.sets.with_shadow is None
    shadow = '@id("s") @mode("shadow") forbid (principal, action, resource);'
    assert translate(compiled(shadow), question()).asked.sets.with_shadow is not None


def test_handles_are_bounded_by_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "MAX_CACHED_CHARS", 100)
    policy = compiled(PERMIT_ALL)
    assert ask(policy).allowed
    assert not policy.handles.made


def test_a_set_beyond_the_bound_is_parsed_once_for_all_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or a caller that varies a name could have it parsed, and kept, again and again."""
    monkeypatch.setattr(handles, "MAX_CACHED_CHARS", 100)
    monkeypatch.setattr(inquiry, "MAX_CACHED_CHARS", 100)
    policy = compiled(PERMIT_ALL)
    asked = [question(f"spiffe://example.org/agent/{number}") for number in range(5)]
    sets = {id(translate(policy, one).asked.sets) for one in asked}
    assert len(sets) == 1
    assert not policy.asked


@pytest.mark.parametrize("name", ["é", 'a"b', "a\\b", "\n"])
def test_a_handle_s_policies_have_the_ids_of_answers_whatever_is_in_them(name: str) -> None:
    extra = {f"policies/{name}.cedar": "permit (principal, action, resource);"}
    if not name.isprintable():
        with pytest.raises(PolicyError):
            compiled(extra=extra)
        return
    assert ask(compiled(extra=extra)).reasons == (f"policies/{name}.cedar#1",)


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    ("key", "counting"),
    [
        (SetKey("", foreign=False), {"all"}),
        (SetKey("acme", foreign=False), {"all", "tenant/acme/p", "tenant/acme/f"}),
        (SetKey("acme", foreign=True), {"all", "tenant/acme/f"}),
        (SetKey("beta", foreign=False), {"all", "tenant/beta/p", "tenant/beta/f"}),
        (SetKey("beta", foreign=True), {"all", "tenant/beta/f"}),
    ],
)
def test_which_policies_count_depends_on_tenant_and_resource(
    key: SetKey, counting: set[str]
) -> None:
    extra = {
        f"tenants/{name}/policies/x.cedar": (
            '@id("p") permit (principal, action, resource);'
            '@id("f") forbid (principal, action, resource) when { false };'
        )
        for name in ("acme", "beta")
    }
    policies = compiled(PERMIT_ALL, manifest=TENANTS, extra=extra).policies.values()
    found = {one.id for one in policies if key.counts(one) and not one.id.startswith("base/")}
    assert found == counting
