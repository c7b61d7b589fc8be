"""Entries are alike only if all that policies look at is the same of both."""

import pytest

from governd.identity import SpiffeId
from governd.policy.definitions import Kind
from governd.policy.entities import Placed, Uid
from governd.policy.entries import PageReader
from governd.policy.listing import Entry, Listing
from governd.policy.onlooker import Onlooker
from tests.policies import WRITER, compiled, server_file

pytestmark = pytest.mark.req("gi-5")

GRANTS = f'[[grant]]\nagents = ["{WRITER}"]\ndestructive = ["git/b"]\n'
LISTING = Listing(SpiffeId.parse(WRITER), "git", Kind.TOOL, ("a", "b", "c"))


def alike(policies: str = "") -> tuple[Onlooker, list[Entry]]:
    tools = [{"name": name, "annotations": {"destructiveHint": name == "b"}} for name in "abc"]
    policy = compiled(policies, grants=GRANTS, extra={"tools/git.json": server_file(tools=tools)})
    reader = PageReader(policy, LISTING.page)
    list(reader.steps())
    return Onlooker(policy, LISTING), list(reader.page().entries)


def test_what_is_the_same_to_every_candidate_is_alike() -> None:
    onlooker, (first, held, last) = alike()
    assert onlooker.kin(first) == onlooker.kin(last)
    assert onlooker.kin(first) != onlooker.kin(held)


@pytest.mark.parametrize(
    "named", ['resource == Tool::"git/a"', 'action == Action::"tools/call:git/a"']
)
def test_what_a_candidate_names_is_like_no_other(named: str) -> None:
    text = f'forbid (principal, action in Action::"tools/call", resource) when {{ {named} }};'
    onlooker, (first, _, last) = alike(text)
    assert onlooker.kin(first) != onlooker.kin(last)


def test_what_stands_elsewhere_or_for_several_is_not_alike() -> None:
    onlooker, (first, _, _) = alike()
    resource = Placed(first.resource.uid, frozenset({Uid("McpServer", "other")}))
    assert onlooker.kin(first._replace(resource=resource)) != onlooker.kin(first)
    assert onlooker.kin(first._replace(several=True)) != onlooker.kin(first)


def test_an_attribute_of_another_type_is_another_one() -> None:
    onlooker, (first, _, _) = alike()
    one, two = (
        first._replace(attributes={**first.attributes, "destructive": is_it}) for is_it in (1, True)
    )
    assert onlooker.kin(one) != onlooker.kin(two)
