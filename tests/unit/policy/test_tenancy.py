"""A tenant's folder speaks of the tenant's own and of nothing else."""

import json
from typing import Any

import cedarpy
import pytest

from governd.errors import PolicyError
from governd.policy.manifest import Grant, Manifest
from governd.policy.tenancy import entity_problems, grant_problems, policy_problems
from tests.policies import ACME, BETA, PERMIT_ALL, TENANTS, compiled

pytestmark = pytest.mark.req("tenant-1", part=True)

MANIFEST = Manifest.model_validate(
    {
        "format": 1,
        "name": "x",
        "trust_domain": "example.org",
        "tenant": [
            {"name": "acme", "namespaces": ["acme"]},
            {"name": "beta", "namespaces": ["beta"]},
        ],
    }
)


def of_policy(text: str, tenant: str = "acme") -> list[str]:
    est = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"]
    return list(policy_problems(MANIFEST, tenant, est))


def of_entity(entity: object, tenant: str = "acme") -> list[str]:
    return list(entity_problems(MANIFEST, tenant, [entity]))


def of_grant(tenant: str = "acme", /, **grant: list[str]) -> list[str]:
    return list(grant_problems(MANIFEST, tenant, [Grant.model_validate(grant)]))


def agent(name: str, **parts: object) -> dict[str, object]:
    return {"uid": {"type": "Agent", "id": name}, **parts}


def group(name: str, **parts: object) -> dict[str, object]:
    return {"uid": {"type": "Group", "id": name}, **parts}


POLICIES = {
    "in its scope": 'permit (principal == Agent::"{}", action, resource);',
    "in its scope with a type": 'permit (principal is Agent in Agent::"{}", action, resource);',
    "as its resource": 'forbid (principal, action, resource == Agent::"{}");',
    "in a condition": 'permit (principal, action, resource) when {{ principal == Agent::"{}" }};',
    "in unless": 'permit (principal, action, resource) unless {{ principal in Agent::"{}" }};',
    "in a set": 'permit (principal, action, resource) when {{ principal in [Agent::"{}"] }};',
    "in a record": 'permit (principal, action, resource) when {{ {{a: Agent::"{}"}} has a }};',
}


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES.keys())
def test_a_tenants_policy_names_its_own_agents_only(text: str) -> None:
    assert of_policy(text.format(ACME)) == []
    for other in (BETA, "spiffe://example.org/agent/writer", ACME.replace("acme", "acme-evil")):
        assert of_policy(text.format(other)) == [
            f'policy: names Agent::"{other}", which is outside tenant acme'
        ]


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES.keys())
@pytest.mark.parametrize("tenant", ["", "acme"])
def test_an_agent_that_nobody_can_be_is_refused(text: str, tenant: str) -> None:
    assert of_policy(text.format("writer"), tenant) == [
        'policy: names Agent::"writer", which is not a SPIFFE ID'
    ]


def test_the_platform_may_name_anybody() -> None:
    assert of_policy(POLICIES["in its scope"].format(BETA), "") == []
    assert of_grant("", agents=[BETA], groups=["any"], destructive=["git/reset"]) == []


def test_texts_that_look_like_names_are_none() -> None:
    text = f'permit (principal, action, resource) when {{ "Agent::\\"{BETA}\\"" == "x" }};'
    record = 'permit (principal, action, resource) when { {"type": "Agent", "id": "x"} has id };'
    assert of_policy(text) == []
    assert of_policy(record) == []


OWN: dict[str, dict[str, Any]] = {
    "an agent": agent(ACME, parents=[{"type": "Group", "id": "acme/g"}], tags={"team": "x"}),
    "an agent in the longer form": {"uid": {"__entity": {"type": "Agent", "id": ACME}}},
    "a group": group("acme/g", parents=[{"__entity": {"type": "Group", "id": "acme/h"}}]),
    "a user": {"uid": {"type": "User", "id": "acme/alice"}},
    "an entity of the extension": {
        "uid": {"type": "Repo", "id": "acme/r"},
        "attrs": {"owner": {"__entity": {"type": "Agent", "id": ACME}}, "list": [1, "x"]},
    },
}


@pytest.mark.parametrize("entity", OWN.values(), ids=OWN.keys())
def test_a_tenant_may_state_its_own(entity: dict[str, Any]) -> None:
    assert of_entity(entity) == []


OUTSIDE: dict[str, object] = {
    "another tenant's agent": agent(BETA),
    "an agent of the platform": agent("spiffe://example.org/agent/writer"),
    "another tenant's agent in the longer form": {
        "uid": {"__entity": {"type": "Agent", "id": BETA}}
    },
    "a group of the platform": group("staff"),
    "a group that only begins alike": group("acmeg"),
    "a group of another tenant": group("beta/g"),
    "a user of the platform": {"uid": {"type": "User", "id": "alice"}},
    "a parent of the platform": agent(ACME, parents=[{"type": "Group", "id": "staff"}]),
    "a parent of the platform for a group": group("acme/g", parents=[{"type": "Group", "id": "s"}]),
    "a parent without a name": agent(ACME, parents=[{"type": "Group"}]),
    "a parent as an expression": agent(ACME, parents=[{"__expr": 'Group::"staff"'}]),
    "an attribute that names another's agent": {
        "uid": {"type": "Repo", "id": "acme/r"},
        "attrs": {"owners": [{"type": "Agent", "id": BETA}]},
    },
    "a tag that names another's agent": {
        "uid": {"type": "Repo", "id": "acme/r"},
        "tags": {"owner": {"__entity": {"type": "Agent", "id": BETA}}},
    },
}


@pytest.mark.parametrize("entity", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_tenant_may_not_state_anothers(entity: object) -> None:
    assert of_entity(entity)


DERIVED = ["Action", "McpServer", "Tool", "Resource", "Prompt", "Namespace"]


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize("tenant", ["", "acme"])
def test_nobody_states_what_governd_derives(kind: str, tenant: str) -> None:
    assert (
        "governd makes these itself"
        in of_entity({"uid": {"type": kind, "id": "acme/x"}}, tenant)[0]
    )


@pytest.mark.parametrize("tenant", ["", "acme"])
@pytest.mark.parametrize(
    "entity",
    [
        1,
        {},
        {"uid": "x"},
        {"uid": {"type": "Group"}},
        {"uid": {"type": 1, "id": "x"}},
        {"uid": {"__expr": "x"}},
    ],
    ids=str,
)
def test_an_entity_without_a_name_is_refused(entity: object, tenant: str) -> None:
    assert of_entity(entity, tenant) == ['an entity has no "uid" with "type" and "id"']


def test_a_misspelt_member_is_not_passed_over() -> None:
    """Cedar would: the agent would be in no group, and no forbid of the group would hold."""
    (problem,) = of_entity(group("staff", parent=[]), "")
    assert problem == 'Group::"staff": has the member "parent", expected uid, parents, attrs, tags'


def test_an_agent_must_be_a_spiffe_id_without_attributes() -> None:
    assert "has attrs" in of_entity(agent(ACME, attrs={"capabilities": ["x"]}), "")[0]
    assert 'Agent::"writer": ' in of_entity(agent("writer"), "")[0]


MEMBERS: dict[str, tuple[dict[str, object], str, bool]] = {
    "its own agent": (agent(ACME), "acme/g", True),
    "its own group": (group("acme/h"), "acme/g", True),
    "another's agent": (agent(BETA), "acme/g", False),
    "an agent of the platform": (agent("spiffe://example.org/agent/w"), "acme/g", False),
    "a group of the platform": (group("staff"), "acme/g", False),
    "another's group": (group("beta/h"), "acme/g", False),
    "anybody in a group of the platform": (agent(BETA), "staff", True),
    "anybody in a group with a slash": (agent(BETA), "staff/x", True),
    "anybody in a group called like a tenant": (agent(BETA), "acme", True),
}


@pytest.mark.parametrize(("entity", "parent", "fine"), MEMBERS.values(), ids=MEMBERS.keys())
def test_the_platform_puts_only_a_tenants_own_into_its_groups(
    entity: dict[str, object], parent: str, fine: bool
) -> None:
    """Else what the tenant grants to its group would reach another's agent."""
    whole = {**entity, "parents": [{"type": "Group", "id": parent}]}
    assert (of_entity(whole, "") == []) is fine


def test_a_parent_without_a_name_is_refused_for_the_platform_too() -> None:
    assert of_entity(agent(BETA, parents=[{"__expr": 'Group::"acme/g"'}]), "")
    assert of_entity(agent(BETA, parents={"type": "Group", "id": "staff"}), "") == [
        f'Agent::"{BETA}": "parents" must be an array'
    ]


GRANTS: dict[str, tuple[dict[str, list[str]], bool]] = {
    "its own agent": ({"agents": [ACME], "capabilities": ["acme/x"]}, True),
    "its own group": ({"groups": ["acme/g"], "capabilities": ["acme/x"]}, True),
    "its own namespace": ({"namespaces": ["acme"], "capabilities": ["acme/x"]}, True),
    "another's agent": ({"agents": [BETA]}, False),
    "a group of the platform": ({"groups": ["staff"]}, False),
    "another's namespace": ({"namespaces": ["beta"]}, False),
    "a capability of the platform": ({"agents": [ACME], "capabilities": ["git:read"]}, False),
    "another's capability": ({"agents": [ACME], "capabilities": ["beta/x"]}, False),
    "a destructive tool": ({"agents": [ACME], "destructive": ["git/reset"]}, False),
}


@pytest.mark.parametrize(("grant", "fine"), GRANTS.values(), ids=GRANTS.keys())
def test_a_tenant_grants_its_own_to_its_own(grant: dict[str, list[str]], fine: bool) -> None:
    assert (of_grant(**grant) == []) is fine


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    "condition",
    [
        'principal in Namespace::"beta"',
        'principal in Group::"beta/admins"',
        'principal in Group::"platform"',
        'User::"beta/alice".hasTag("salary")',
    ],
)
def test_a_tenants_policy_names_no_principals_outside_in_any_type(condition: str) -> None:
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    extra = {"tenants/acme/policies/x.cedar": text}
    with pytest.raises(PolicyError) as error:
        compiled(PERMIT_ALL, manifest=TENANTS, extra=extra)
    assert "which is outside tenant acme" in str(error.value)
