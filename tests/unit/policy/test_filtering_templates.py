"""A resource template is hidden only if nothing can be read that it could expand to."""

import pytest

from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.definitions import Kind
from governd.policy.entries import MAX_NAMED
from governd.policy.filtering import Listing, filter_listing
from tests.policies import PERMIT_ALL, READER, WRITER, ask, compiled

pytestmark = pytest.mark.req("gi-5")

READ = 'action == Action::"resources/read"'
FILES, OTHERS = "file:///{path}", "db://{table}/{row}"


def permit(resource: str = "resource", condition: str = "true", effect: str = "permit") -> str:
    return f"{effect} (principal, {READ}, {resource}) when {{ {condition} }};"


def named(uri: str) -> str:
    return f'resource == Resource::"git/{uri}"'


def shown(
    policy: CompiledPolicy, *templates: str, subject: str = WRITER, age: float = 0.0
) -> list[str]:
    listing = Listing(SpiffeId.parse(subject), "git", Kind.RESOURCE_TEMPLATE, templates)
    return [templates[one] for one in filter_listing(policy, listing, age_seconds=age).shown]


def test_a_template_is_shown_if_all_it_expands_to_may_be_read() -> None:
    assert shown(compiled(permit()), FILES, OTHERS) == [FILES, OTHERS]
    assert shown(compiled(permit('resource in McpServer::"git"')), FILES) == [FILES]
    assert shown(compiled(permit('resource in McpServer::"gti"')), FILES) == []
    assert shown(compiled(), FILES, OTHERS) == []


def test_a_template_is_shown_if_what_it_expands_to_counts() -> None:
    policy = compiled(permit(condition='resource.uri like "file:///srv/*"'))
    assert shown(policy, FILES, OTHERS) == [FILES, OTHERS], "nobody works out which fit"
    other = compiled(permit(condition=f'resource.uri like "*" && principal == Agent::"{READER}"'))
    assert (shown(other, FILES), shown(other, FILES, subject=READER)) == ([], [FILES])


def test_a_forbid_of_some_resources_hides_no_template_and_one_of_all_does() -> None:
    some = permit(condition='resource.uri like "file:///etc/*"', effect="forbid")
    assert shown(compiled(permit() + some), FILES) == [FILES]
    assert shown(compiled(permit() + permit(effect="forbid")), FILES) == []


@pytest.mark.parametrize(
    "template",
    [
        *("file:///{path}", "file:///srv/{name}", "file:///srv/a{?query}", "{+uri}"),
        *("file:///srv/a", "file:///srv/{name}/more", "FILE:///SRV/{name}"),
        "file:///srv/\u00e9{name}",
    ],
)
def test_one_resource_that_a_policy_names_shows_every_template_it_could_come_of(
    template: str,
) -> None:
    uri = "file:///srv/a%C3%A9" if "\u00e9" in template else "file:///srv/a"
    for policy in (
        permit(named(uri)),
        permit(condition=named(uri)),
        permit(named(uri), 'resource.uri like "*"'),
    ):
        assert shown(compiled(policy), template) == [template]


def test_a_resource_that_a_policy_names_shows_no_other_template() -> None:
    policy = compiled(permit(named("file:///srv/a")))
    assert shown(policy, "file:///etc/{name}", "file:///srv/b{x}", OTHERS) == []


def test_a_resource_that_all_but_it_are_forbidden_for_shows_its_template() -> None:
    but_one = permit(condition=f"!({named('file:///srv/a')})", effect="forbid")
    assert shown(compiled(permit() + but_one), FILES, OTHERS) == [FILES]


def test_a_forbid_of_what_reads_like_a_template_does_not_hide_it() -> None:
    text = permit() + permit(named(FILES), effect="forbid") + permit(named("\\n"), effect="forbid")
    assert shown(compiled(text), FILES, "{+any}") == [FILES, "{+any}"]


def test_a_template_that_could_be_too_many_named_resources_is_shown() -> None:
    nobody = "spiffe://example.org/agent/nobody"
    text = "".join(
        f'permit (principal == Agent::"{nobody}", {READ}, {named(f"file:///{number}")});'
        for number in range(MAX_NAMED)
    )
    one_more = f'permit (principal == Agent::"{nobody}", {READ}, {named("file:///more")});'
    assert shown(compiled(text), FILES, OTHERS) == []
    assert shown(compiled(text + one_more), FILES, OTHERS) == [FILES]


def test_a_template_is_shown_where_a_policy_looks_its_resources_up() -> None:
    schema = "entity Catalog = { things: Set<Resource> };"
    things = [{"__entity": {"type": "Resource", "id": "git/file:///a"}}]
    catalog = {"uid": {"type": "Catalog", "id": "c"}, "attrs": {"things": things}}
    text = permit(condition='Catalog::"c".things.contains(resource)')
    policy = compiled(text, schema=schema, entities=[catalog])
    assert ask(policy, WRITER, "resources/read", "resource:git/file:///a").allowed
    assert shown(policy, FILES) == [FILES]


def test_a_template_grows_stale_with_what_permits_it() -> None:
    policy = compiled('@max_staleness("30s")' + permit(named("file:///srv/a")))
    assert shown(policy, FILES, age=30) == [FILES]
    assert shown(policy, FILES, age=31) == []


@pytest.mark.parametrize("template", ["", "file:///{a}\n", "x" * 3000])
def test_a_template_that_no_question_could_name_is_hidden(template: str) -> None:
    assert shown(compiled(permit()), template, FILES) == [FILES]


def test_all_templates_of_a_server_are_one_question_where_no_policy_names_a_resource() -> None:
    templates = tuple(f"file:///{number}/{{path}}" for number in range(100))
    policy = compiled(PERMIT_ALL)
    assert shown(policy, *templates) == list(templates)
    (page,) = policy.listings.pages.values()
    assert len(page.entries) == 1
