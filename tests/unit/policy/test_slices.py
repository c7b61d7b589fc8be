"""Candidates are found by what their scopes demand, and ways that lead nowhere are left."""

from typing import Any

import cedarpy
import pytest

from governd.policy.entities import Placed, Placement, Uid
from governd.policy.slices import Slices, scope_of
from governd.policy.statements import parse_statements, split_statements

WRITER, STAFF, TOOL = Uid("Agent", "w"), Uid("Group", "staff"), Uid("Tool", "git/t")
CALL = Uid("Action", "call")


def est(scope: str) -> Any:
    return parse_statements(split_statements("x", f"permit ({scope});"))[0].est


def placement(*groups: Uid) -> Placement:
    nothing: frozenset[Uid] = frozenset()
    return Placement(
        Placed(WRITER, frozenset(groups)), Placed(CALL, nothing), Placed(TOOL, nothing)
    )


def candidates(slices: Slices, asked: Placement) -> list[int]:
    return slices.candidates(*map(slices.met, asked))


SCOPES = {
    "principal, action, resource": ("*", "*", "*"),
    'principal == Agent::"w", action == Action::"call", resource == Tool::"git/t"': (
        "== Agent::w",
        "== Action::call",
        "== Tool::git/t",
    ),
    'principal in Group::"staff", action in Action::"all", resource in McpServer::"git"': (
        "in Group::staff",
        "in Action::all",
        "in McpServer::git",
    ),
    "principal is Agent, action, resource is Tool": ("is Agent", "*", "is Tool"),
    'principal is Agent in Group::"staff", action, resource is Tool in McpServer::"git"': (
        "in Group::staff",
        "*",
        "in McpServer::git",
    ),
}


@pytest.mark.parametrize(("scope", "demands"), SCOPES.items())
def test_what_a_scope_demands(scope: str, demands: tuple[str, ...]) -> None:
    assert scope_of(est(scope)) == tuple((one,) for one in demands)


def test_any_action_of_a_list_is_enough_and_each_counts_once() -> None:
    actions = 'action in [Action::"call", Action::"list", Action::"call"]'
    scope = scope_of(est(f"principal, {actions}, resource"))
    assert scope[1] == ("in Action::call", "in Action::list")
    slices = Slices()
    slices.file(7, scope)
    assert candidates(slices, placement()) == [7]


def test_candidates_come_in_the_order_of_their_places() -> None:
    slices = Slices()
    scopes = ('principal in Group::"staff"', "principal", 'principal == Agent::"w"', "principal")
    for place, principal in enumerate(scopes):
        slices.file(place, scope_of(est(f"{principal}, action, resource")))
    assert candidates(slices, placement(STAFF)) == [0, 1, 2, 3]
    assert candidates(slices, placement()) == [1, 2, 3]


def test_no_id_reads_like_another_demand() -> None:
    slices = Slices()
    slices.file(1, scope_of(est('principal == Agent::"w", action, resource')))
    odd = Placed(Uid("User", "Agent::w"), frozenset({Uid("Group", "x == Agent::w")}))
    assert candidates(slices, placement()._replace(principal=odd)) == []


def test_a_way_is_left_as_soon_as_nothing_is_filed_further_on() -> None:
    """A question with many groups about a tool with many ancestors is no product of both."""

    class Counted(dict[int, int]):
        asked = 0

        def get(self, key: int, default: Any = None) -> Any:
            Counted.asked += 1
            return super().get(key, default)

    slices = Slices()
    groups = [Uid("Group", f"g{number}") for number in range(100)]
    for number, group in enumerate(groups):
        about = f'principal in Group::"{group.id}", action == Action::"other", resource'
        slices.file(number, scope_of(est(about)))
        about = f'principal, action == Action::"other", resource in Group::"{group.id}"'
        slices.file(number + 100, scope_of(est(about)))
    slices._next = Counted(slices._next)
    asked = placement(*groups)._replace(resource=Placed(TOOL, frozenset(groups)))
    assert candidates(slices, asked) == []
    assert Counted.asked < 500


def test_cedar_is_of_the_same_opinion_about_demands() -> None:
    """The fuzz test holds all of it against Cedar; this is one case to look at."""
    policy = 'permit (principal is Agent in Group::"staff", action, resource);'
    entities = [{"uid": WRITER.json(), "attrs": {}, "parents": [STAFF.json()]}]
    request = {"principal": WRITER.json(), "action": CALL.json(), "resource": TOOL.json()}
    assert cedarpy.is_authorized(request | {"context": {}}, policy, entities).allowed
